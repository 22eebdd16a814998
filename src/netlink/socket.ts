import { check, systemError, type TunTapError } from "../errors.ts";
import { EAGAIN, EBUSY, EINTR } from "../sys/constants.ts";
import { native } from "../sys/native.ts";
import { openRouteSocket } from "../sys/netns.ts";
import {
  NETLINK_EXT_ACK,
  NETLINK_GET_STRICT_CHK,
  NLM_F_ACK,
  NLM_F_DUMP,
  NLM_F_DUMP_INTR,
  NLM_F_REQUEST,
  NLMSG_DONE,
  NLMSG_ERROR,
  SOL_NETLINK,
} from "./constants.ts";
import {
  type Attribute,
  decodeAcknowledgement,
  decodeMessages,
  decodeU32,
  encodeMessage,
  type Message,
} from "./message.ts";

/** The size that `ip` uses; the kernel fills a dump's messages up to this much (net/netlink/af_netlink.c). */
const RECEIVE_BYTES = 32768;
/**
 * The most times that a dump which changed while it was read is read anew: a namespace that never rests must not hold
 * the thread for ever.
 */
const DUMP_TRIES = 16;

/** A socket to the rtnetlink of one network namespace: requests and dumps. */
export class RouteSocket {
  #fd: number;
  #sequence = 0;

  /** @param netns an fd of the namespace; default: the one that this thread is in */
  constructor(netns?: number) {
    this.#fd = openRouteSocket(netns);
    // Kernels before 4.12 and 4.20 lack these; without them errors are terser and dumps longer.
    native().sock_set_option(this.#fd, SOL_NETLINK, NETLINK_EXT_ACK, 1);
    native().sock_set_option(this.#fd, SOL_NETLINK, NETLINK_GET_STRICT_CHK, 1);
  }

  /** -1 once closed. */
  get fd(): number {
    return this.#fd;
  }

  close(): void {
    if (this.#fd < 0) return;
    native().fd_close(this.#fd);
    this.#fd = -1;
  }

  /**
   * Sends one request and returns the messages of the answer, in order: none for a change, which is only
   * acknowledged, one for an object.
   *
   * @param call What the error names, such as `RTM_NEWLINK`.
   * @param what The given value, which the error names beside the kernel's message.
   * @throws {TunTapError} with the kernel's errno and message
   */
  request(
    call: string,
    type: number,
    flags: number,
    body: Uint8Array,
    attributes: readonly Attribute[] = [],
    what?: string,
  ): Message[] {
    return this.#ask(call, type, NLM_F_REQUEST | NLM_F_ACK | flags, body, attributes, what).messages;
  }

  /** Lists all objects of a kind that match `body` and `attributes`. */
  dump(call: string, type: number, body: Uint8Array, attributes: readonly Attribute[] = []): Message[] {
    for (let tries = 1; ; tries++) {
      try {
        const { messages, interrupted } = this.#ask(call, type, NLM_F_REQUEST | NLM_F_DUMP, body, attributes);
        if (!interrupted) return messages;
      } catch (error) {
        this.#finishDump();
        if ((error as TunTapError).errno !== -EBUSY || tries === DUMP_TRIES) throw error;
      }
      if (tries === DUMP_TRIES) {
        throw systemError(-EINTR, `netlink(${call})`, { detail: `it changed during each of ${tries} readings` });
      }
    }
  }

  /**
   * Reads the rest of a dump that failed half-way, as for want of memory: the kernel begins no other one before its end,
   * and says EBUSY (net/netlink/af_netlink.c __netlink_dump_start()).
   */
  #finishDump(): void {
    const buffer = new Uint8Array(RECEIVE_BYTES);
    while (native().sock_recv(this.#fd, buffer, buffer.length) >= 0);
  }

  #ask(
    call: string,
    type: number,
    flags: number,
    body: Uint8Array,
    attributes: readonly Attribute[],
    what?: string,
  ): { messages: Message[]; interrupted: boolean } {
    this.#sequence = (this.#sequence + 1) >>> 0;
    const sequence = this.#sequence;
    const syscall = `netlink(${call})`;
    const request = encodeMessage({ type, flags, sequence }, body, attributes);
    check(native().sock_send(this.#fd, request, request.length), syscall);
    const messages: Message[] = [];
    let interrupted = false;
    for (;;) {
      const buffer = new Uint8Array(RECEIVE_BYTES);
      const received = native().sock_recv(this.#fd, buffer, buffer.length);
      if (received === -EAGAIN) throw systemError(-EAGAIN, syscall, { detail: "no answer from rtnetlink" });
      for (const message of decodeMessages(buffer.subarray(0, check(received, syscall)))) {
        // A message left over from an exchange that failed half-way.
        if (message.sequence !== sequence) continue;
        interrupted ||= (message.flags & NLM_F_DUMP_INTR) !== 0;
        if (message.type === NLMSG_DONE) {
          // The dump's own result, include/uapi/linux/netlink.h.
          if (message.body.length >= 4) check(decodeU32(message.body.subarray(0, 4)) | 0, syscall);
          return { messages, interrupted };
        }
        if (message.type !== NLMSG_ERROR) {
          messages.push(message);
          continue;
        }
        const { errno, text } = decodeAcknowledgement(message);
        if (errno < 0)
          throw systemError(errno, syscall, { detail: [what, text].filter(Boolean).join(": ") || undefined });
        return { messages, interrupted };
      }
    }
  }
}
