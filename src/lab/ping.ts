import { checkOptions } from "../checks.ts";
import { check } from "../errors.ts";
import { reactor } from "../io/reactor.ts";
import { parseIP } from "../packet/address-text.ts";
import { buildIcmpEcho, IcmpType, Icmpv6Type } from "../packet/index.ts";
import { AF_INET, AF_INET6, EHOSTUNREACH, ENETUNREACH, EPOLLIN } from "../sys/constants.ts";
import { native } from "../sys/native.ts";
import { openIcmp } from "../sys/netns.ts";
import { closeFd } from "../sys/tun.ts";
import { connectSocket, PEER_BYTES } from "../sys/udp.ts";
import { pingChecks } from "./options.ts";
import type { Host, PingOptions } from "./types.ts";

/** A header of IPv4, which a raw socket of ICMP hands over, and one of ICMP. */
const HEADERS_MAX = 60 + 8;

let lastIdentifier = 0;

/**
 * Sends an echo request from `host`.
 *
 * @param end Ends the wait; rejects with its reason.
 * @returns milliseconds, or null
 */
export async function ping(host: Host, to: unknown, options: PingOptions, end: AbortSignal): Promise<number | null> {
  checkOptions(options, pingChecks, undefined);
  const { timeout = 1000, size = 56 } = options;
  const address = typeof to === "string" ? parseIP(to) : null;
  if (address === null) throw new TypeError(`"to" must be a host or an IP address, got ${Bun.inspect(to)}`);
  const family = address.length === 4 ? AF_INET : AF_INET6;
  const fd = host.enter(() => openIcmp(family));
  try {
    connectSocket(fd, family, peerOf(address), String(to));
    return await exchange(fd, family, size, timeout, end);
  } catch (error) {
    const { errno } = error as { errno?: number };
    if (errno === -ENETUNREACH || errno === -EHOSTUNREACH) return null;
    throw error;
  } finally {
    closeFd(fd);
  }
}

/** Resolves to the milliseconds until the answer to one request. */
async function exchange(
  fd: number,
  family: number,
  size: number,
  timeoutMs: number,
  end: AbortSignal,
): Promise<number | null> {
  lastIdentifier = (lastIdentifier + 1) & 0xffff;
  const identifier = lastIdentifier;
  const payload = new Uint8Array(size);
  // Another host's ping may have the same identifier.
  crypto.getRandomValues(payload.subarray(0, 16));
  const request = requestOf(family, identifier, payload);
  const answered = Promise.withResolvers<number | null>();
  const buffer = new Uint8Array(HEADERS_MAX + size);
  const watch = reactor().watch(fd, EPOLLIN, {
    onEvents: () => {
      for (let n = receive(fd, buffer); n > 0; n = receive(fd, buffer)) {
        if (isAnswer(family, buffer.subarray(0, n), payload)) answered.resolve(performance.now() - start);
      }
    },
    onQuiet: () => {},
    onFailure: (error) => answered.reject(error),
  });
  const timer = setTimeout(() => answered.resolve(null), timeoutMs);
  const stop = (): void => answered.reject(end.reason);
  end.addEventListener("abort", stop);
  const start = performance.now();
  try {
    check(native().sock_send(fd, request, request.length), "send");
    return await answered.promise;
  } finally {
    clearTimeout(timer);
    end.removeEventListener("abort", stop);
    watch.end();
  }
}

/** Returns the length of a message; 0 if there is none, as after an error that the network reported. */
function receive(fd: number, buffer: Uint8Array): number {
  return Math.max(0, native().sock_recv(fd, buffer, buffer.length));
}

function requestOf(family: number, identifier: number, payload: Uint8Array): Uint8Array {
  const request = buildIcmpEcho({ type: IcmpType.ECHO_REQUEST, identifier, sequenceNumber: 1, payload });
  if (family === AF_INET) return request;
  // The same layout; the kernel makes the checksum (RFC 3542 section 3.1).
  request[0] = Icmpv6Type.ECHO_REQUEST;
  return request;
}

function isAnswer(family: number, message: Uint8Array, payload: Uint8Array): boolean {
  const at = family === AF_INET ? ((message[0] as number) & 0xf) * 4 : 0;
  const type = family === AF_INET ? IcmpType.ECHO_REPLY : Icmpv6Type.ECHO_REPLY;
  const answer = message.subarray(at + 8);
  return message[at] === type && answer.length === payload.length && answer.every((byte, i) => byte === payload[i]);
}

function peerOf(address: Uint8Array): Uint8Array {
  const peer = new Uint8Array(PEER_BYTES);
  if (address.length === 4) peer.fill(0xff, 10, 12);
  peer.set(address, 16 - address.length);
  return peer;
}
