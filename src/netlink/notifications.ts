import { check } from "../errors.ts";
import { EAGAIN, ENOBUFS, SO_RCVBUFFORCE, SOL_SOCKET } from "../sys/constants.ts";
import { native } from "../sys/native.ts";
import { openRouteSocket } from "../sys/netns.ts";
import { RTMGRP_IPV4_IFADDR, RTMGRP_IPV6_IFADDR, RTMGRP_LINK } from "./constants.ts";
import { decodeMessages, type Message } from "./message.ts";

/** The kernel sends one notification at a time, of up to a page or so. */
const RECEIVE_BYTES = 32768;
/** Room for some thousand notifications before the kernel has to drop any; more than the usual limit takes CAP_NET_ADMIN. */
const QUEUE_BYTES = 8 * 1024 * 1024;

/** Notifications of rtnetlink about the interfaces and addresses of one network namespace, in the order of the changes. */
export class Notifications {
  #fd: number;

  /** @param netns an fd of the namespace; default: the one that this thread is in */
  constructor(netns?: number) {
    const fd = openRouteSocket(netns);
    this.#fd = fd;
    try {
      native().sock_set_option(fd, SOL_SOCKET, SO_RCVBUFFORCE, QUEUE_BYTES);
      check(native().nl_bind(fd, RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR), "bind(AF_NETLINK)");
    } catch (error) {
      this.close();
      throw error;
    }
  }

  /** -1 once closed. */
  get fd(): number {
    return this.#fd;
  }

  /** Reads the next notifications. Returns null if there are none, "lost" if the kernel had no room for some. */
  read(): Message[] | "lost" | null {
    const buffer = new Uint8Array(RECEIVE_BYTES);
    const received = native().sock_recv(this.#fd, buffer, buffer.length);
    if (received === -EAGAIN) return null;
    if (received === -ENOBUFS) return "lost";
    return decodeMessages(buffer.subarray(0, check(received, "recv(NETLINK_ROUTE)")));
  }

  close(): void {
    if (this.#fd < 0) return;
    native().fd_close(this.#fd);
    this.#fd = -1;
  }
}
