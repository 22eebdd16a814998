/**
 * UDP sockets, non-blocking and close-on-exec: opening, binding, options. The datagrams themselves are moved in
 * src/udp.
 */

import { check } from "../errors.ts";
import {
  AF_INET6,
  EPERM,
  IFNAMSIZ,
  IP_PKTINFO,
  IP_RECVTOS,
  IPV6_RECVPKTINFO,
  IPV6_RECVTCLASS,
  IPV6_V6ONLY,
  SO_MARK,
  SO_RCVBUF,
  SO_RCVBUFFORCE,
  SO_REUSEPORT,
  SO_RXQ_OVFL,
  SO_SNDBUF,
  SO_SNDBUFFORCE,
  SOL_IP,
  SOL_IPV6,
  SOL_SOCKET,
  SOL_UDP,
  UDP_GRO,
  UDP_SEGMENT,
} from "./constants.ts";
import { native, udpNative } from "./native.ts";

/** Bytes of the `struct peer` of native/udp.c: address, local address, scope, port. */
export const PEER_BYTES = 40;

/** Opens a socket in the network namespace `netns`, or in that of this thread. `family` is AF_INET or AF_INET6. */
export function openSocket(family: number, netns: number | undefined): number {
  const entered = new Int32Array(1);
  // Compiles it with the core in one go, if this is the first system call.
  udpNative();
  const result = native().udp_open(netns ?? -1, family, entered);
  const syscall = entered[0] === 1 ? "socket" : entered[0] === 0 ? "setns(CLONE_NEWNET)" : "pthread_create";
  return check(result, syscall);
}

/** Binds the socket to the address and port of a `struct peer`. */
export function bindSocket(fd: number, family: number, peer: Uint8Array, detail: string): void {
  check(udpNative().udp_bind(fd, family, peer), "bind", detail);
}

/** Connects the socket to the address and port of a `struct peer`. */
export function connectSocket(fd: number, family: number, peer: Uint8Array, detail: string): void {
  check(udpNative().udp_connect(fd, family, peer), "connect", detail);
}

/** Fills `peer` with the address and port that the socket is bound to. */
export function getSocketName(fd: number, peer: Uint8Array): void {
  check(udpNative().udp_get_name(fd, peer), "getsockname");
}

/** Lets several sockets bind the same port (SO_REUSEPORT). */
export function setReusePort(fd: number): void {
  check(native().sock_set_option(fd, SOL_SOCKET, SO_REUSEPORT, 1), "setsockopt(SO_REUSEPORT)");
}

/** Sets whether an IPv6 socket that is bound to the unspecified address takes IPv4, too (IPV6_V6ONLY). */
export function setDualStack(fd: number): void {
  check(native().sock_set_option(fd, SOL_IPV6, IPV6_V6ONLY, 0), "setsockopt(IPV6_V6ONLY)");
}

/** Binds a socket to an interface (SO_BINDTODEVICE). */
export function setInterface(fd: number, name: string): void {
  const bytes = encoder.encode(name);
  check(udpNative().udp_bind_device(fd, bytes, bytes.length), "setsockopt(SO_BINDTODEVICE)", name);
}

/** Sets the mark of the datagrams that a socket sends (SO_MARK). */
export function setMark(fd: number, mark: number): void {
  // The kernel takes an int, and uses all 32 bits of it.
  check(native().sock_set_option(fd, SOL_SOCKET, SO_MARK, mark | 0), "setsockopt(SO_MARK)");
}

/** Sets the bytes of one of the socket's queues; past the sysctl's limit with CAP_NET_ADMIN. */
export function setBuffer(fd: number, which: "send" | "receive", bytes: number): void {
  const { sock_set_option } = native();
  const { sock_get_option } = udpNative();
  const [forced, option, name] =
    which === "send"
      ? ([SO_SNDBUFFORCE, SO_SNDBUF, "SO_SNDBUF"] as const)
      : ([SO_RCVBUFFORCE, SO_RCVBUF, "SO_RCVBUF"] as const);
  const result = sock_set_option(fd, SOL_SOCKET, forced, bytes);
  if (result >= 0) return;
  check(sock_set_option(fd, SOL_SOCKET, option, bytes), `setsockopt(${name})`);
  // The kernel cuts a value that is too large without an error, and reports twice the value in force
  // (net/core/sock.c).
  const granted = check(sock_get_option(fd, SOL_SOCKET, option), `getsockopt(${name})`) / 2;
  if (granted < bytes) check(-EPERM, `setsockopt(${name})`, `${bytes} bytes, of which the kernel allows ${granted}`);
}

/** Has the kernel report with each datagram the local address that it was sent to, and how many datagrams were lost. */
export function setTelling(fd: number, family: number, localAddress: boolean): void {
  const { sock_set_option } = native();
  // gVisor lacks it; only the count is missing then.
  sock_set_option(fd, SOL_SOCKET, SO_RXQ_OVFL, 1);
  if (!localAddress) return;
  const ipv4 = sock_set_option(fd, SOL_IP, IP_PKTINFO, 1);
  if (family !== AF_INET6) check(ipv4, "setsockopt(IP_PKTINFO)");
  else check(sock_set_option(fd, SOL_IPV6, IPV6_RECVPKTINFO, 1), "setsockopt(IPV6_RECVPKTINFO)");
}

/** Has the kernel tell of each datagram which ECN bits its IP header has. */
export function setTellingEcn(fd: number, family: number): void {
  const { sock_set_option } = native();
  const ipv4 = sock_set_option(fd, SOL_IP, IP_RECVTOS, 1);
  if (family !== AF_INET6) check(ipv4, "setsockopt(IP_RECVTOS)");
  else check(sock_set_option(fd, SOL_IPV6, IPV6_RECVTCLASS, 1), "setsockopt(IPV6_RECVTCLASS)");
}

/** Switches segmentation on where the kernel has it (Linux 4.18 for sending, 5.0 for receiving), and returns what it has. */
export function enableSegmentation(fd: number): { send: boolean; receive: boolean } {
  const { sock_set_option } = native();
  const { sock_get_option } = udpNative();
  return {
    send: sock_get_option(fd, SOL_UDP, UDP_SEGMENT) >= 0,
    receive: sock_set_option(fd, SOL_UDP, UDP_GRO, 1) >= 0,
  };
}

/** Returns the index of an interface in the network namespace of the socket; undefined if there is none of that name. */
export function interfaceIndex(fd: number, name: string): number | undefined {
  const bytes = encoder.encode(name);
  if (bytes.length >= IFNAMSIZ) return undefined;
  const buffer = new Uint8Array(IFNAMSIZ);
  buffer.set(bytes);
  const index = udpNative().sock_get_interface_index(fd, buffer);
  return index < 0 ? undefined : index;
}

/** Returns the name of an interface in the network namespace of the socket; undefined if there is none of that index. */
export function interfaceName(fd: number, index: number): string | undefined {
  const buffer = new Uint8Array(IFNAMSIZ);
  if (udpNative().sock_get_interface_name(fd, index, buffer) < 0) return undefined;
  return new TextDecoder().decode(buffer.subarray(0, buffer.indexOf(0)));
}

const encoder = new TextEncoder();
