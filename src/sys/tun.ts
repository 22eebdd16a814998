import { check, systemError } from "../errors.ts";
import {
  EBUSY,
  EPERM,
  ETH_ALEN,
  F_GETFD,
  F_GETFL,
  F_SETFD,
  F_SETFL,
  FD_CLOEXEC,
  IFF_ATTACH_QUEUE,
  IFF_DETACH_QUEUE,
  IFF_MULTI_QUEUE,
  IFF_NO_PI,
  IFF_TAP,
  IFF_TUN,
  IFF_VNET_HDR,
  IFNAMSIZ,
  O_NONBLOCK,
} from "./constants.ts";
import { native } from "./native.ts";

/** Facts that TUNGETIFF reports about an attached fd. */
export interface Iff {
  readonly name: string;
  /** IFF_* */
  readonly flags: number;
}

/** Closes an fd. Throws nothing: the only error, EBADF, says that somebody else closed it. */
export function closeFd(fd: number): void {
  native().fd_close(fd);
}

/** Makes a foreign fd non-blocking and close-on-exec, as {@link openClone} does; returns a function that undoes it. */
export function setNonBlockingCloexec(fd: number): () => void {
  const { fd_control } = native();
  const flags = check(fd_control(fd, F_GETFL, 0), "fcntl(F_GETFL)");
  const fdFlags = check(fd_control(fd, F_GETFD, 0), "fcntl(F_GETFD)");
  check(fd_control(fd, F_SETFL, flags | O_NONBLOCK), "fcntl(F_SETFL)");
  check(fd_control(fd, F_SETFD, fdFlags | FD_CLOEXEC), "fcntl(F_SETFD)");
  return () => {
    fd_control(fd, F_SETFL, flags);
    fd_control(fd, F_SETFD, fdFlags);
  };
}

/** Creates or attaches to an interface; returns its name. */
export function setIff(fd: number, name: string, flags: number): string {
  const buffer = new Uint8Array(IFNAMSIZ);
  encoder.encodeInto(name, buffer.subarray(0, IFNAMSIZ - 1));
  check(native().tun_set_iff(fd, buffer, flags), "ioctl(TUNSETIFF)");
  return nameFrom(buffer);
}

/** Returns the flags of TUNSETIFF for an interface. */
export function attachFlags(how: {
  readonly kind: "tun" | "tap";
  readonly packetInfo: boolean;
  readonly vnetHeader: boolean;
  readonly multiQueue: boolean;
}): number {
  return (
    (how.kind === "tun" ? IFF_TUN : IFF_TAP) |
    (how.packetInfo ? 0 : IFF_NO_PI) |
    (how.vnetHeader ? IFF_VNET_HDR : 0) |
    (how.multiQueue ? IFF_MULTI_QUEUE : 0)
  );
}

/** Reads name and flags of the interface that an fd is attached to (TUNGETIFF). */
export function getIff(fd: number): Iff {
  const buffer = new Uint8Array(IFNAMSIZ);
  const flags = check(native().tun_get_iff(fd, buffer), "ioctl(TUNGETIFF)");
  return { name: nameFrom(buffer), flags };
}

/** Returns the IFF_* flags that this kernel knows, without IFF_TUN_EXCL and IFF_PERSIST (TUNGETFEATURES). */
export function getFeatures(fd: number): number {
  return check(native().tun_get_features(fd), "ioctl(TUNGETFEATURES)");
}

/** Sets whether the interface outlives its fds (TUNSETPERSIST). */
export function setPersist(fd: number, on: boolean): void {
  check(native().tun_set_persist(fd, on ? 1 : 0), "ioctl(TUNSETPERSIST)");
}

/** Sets the user who may attach (TUNSETOWNER). */
export function setOwner(fd: number, uid: number): void {
  check(native().tun_set_owner(fd, uid), "ioctl(TUNSETOWNER)", `user ${uid}`);
}

/** Sets the group that may attach (TUNSETGROUP). */
export function setGroup(fd: number, gid: number): void {
  check(native().tun_set_group(fd, gid), "ioctl(TUNSETGROUP)", `group ${gid}`);
}

/** Opens the network namespace that the interface is in. Needs CAP_NET_ADMIN there, and Linux 5.2. */
export function getDevNetns(fd: number): number {
  return check(native().tun_get_dev_netns(fd), "ioctl(TUNGETDEVNETNS)");
}

/**
 * Returns whether the interface of `fd` is in the network namespace of a socket; undefined where that cannot be asked
 * (see {@link getDevNetns}).
 */
export function isInNamespaceOf(fd: number, socket: number): boolean | undefined {
  const netns = native().sock_get_netns(socket);
  if (netns < 0) return undefined;
  const result = compareNetns(fd, netns);
  closeFd(netns);
  // This process has CAP_NET_ADMIN over the socket's namespace and not over the interface's, so they differ.
  return result === 1 ? true : result === 0 || result === -EPERM ? false : undefined;
}

/** Returns whether the interface of `fd` is in a network namespace; false also where that cannot be asked. */
export function isInNetns(fd: number, netns: number): boolean {
  return compareNetns(fd, netns) === 1;
}

/** Returns 1 if `netns` is the namespace of the interface, 0 if not, or -errno of TUNGETDEVNETNS. */
function compareNetns(fd: number, netns: number): number {
  const ours = native().tun_get_dev_netns(fd);
  if (ours < 0) return ours;
  const same = native().fd_is_same(ours, netns);
  closeFd(ours);
  return same;
}

/** Returns the events, of EPOLL* `events`, that `fd` is ready for. */
export function pollEvents(fd: number, events: number): number {
  return check(native().fd_poll(fd, events), "poll");
}

/** Sets the offloads that the program can deal with, TUN_F_* (TUNSETOFFLOAD). */
export function setOffload(fd: number, bits: number): void {
  check(native().tun_set_offload(fd, bits), "ioctl(TUNSETOFFLOAD)");
}

/** Returns the bytes of the virtio header before each frame, which all queues of an interface share. */
export function getVnetHeaderSize(fd: number): number {
  return check(native().tun_get_vnet_header_size(fd), "ioctl(TUNGETVNETHDRSZ)");
}

/** Sets the bytes of the virtio header before each frame. */
export function setVnetHeaderSize(fd: number, bytes: number): void {
  check(native().tun_set_vnet_header_size(fd, bytes), "ioctl(TUNSETVNETHDRSZ)");
}

/** Sets whether the kernel hands frames to this queue of a multi-queue interface (TUNSETQUEUE). */
export function setQueue(fd: number, on: boolean): void {
  const syscall = "ioctl(TUNSETQUEUE)";
  check(native().tun_set_queue(fd, on ? IFF_ATTACH_QUEUE : IFF_DETACH_QUEUE), syscall);
  // On an interface with a BPF filter the kernel attaches the filter to the queue and reports success, without
  // attaching the queue itself (drivers/net/tun.c tun_attach()).
  if (on && (getIff(fd).flags & IFF_DETACH_QUEUE) !== 0) throw systemError(-EBUSY, syscall);
}

/** @param program fd of an eBPF program, or -1 */
export function setSteering(fd: number, program: number): void {
  check(native().tun_set_steering(fd, program), "ioctl(TUNSETSTEERINGEBPF)");
}

/** Sets the carrier, as a cable does that is plugged in or pulled (TUNSETCARRIER). */
export function setCarrier(fd: number, on: boolean): void {
  check(native().tun_set_carrier(fd, on ? 1 : 0), "ioctl(TUNSETCARRIER)");
}

/** Returns the bytes of sent frames that the kernel holds before write(2) says EAGAIN: INT_MAX at first. */
export function getSndbuf(fd: number): number {
  return check(native().tun_get_sndbuf(fd), "ioctl(TUNGETSNDBUF)");
}

/** Sets the bytes of sent frames that the kernel holds before write(2) says EAGAIN, for all queues. */
export function setSndbuf(fd: number, bytes: number): void {
  check(native().tun_set_sndbuf(fd, bytes), "ioctl(TUNSETSNDBUF)");
}

/** Returns the MAC address of an attached TAP. Needs no privilege, and works in whatever namespace the interface is. */
export function getHwaddr(fd: number): Uint8Array {
  const mac = new Uint8Array(ETH_ALEN);
  check(native().tun_get_hwaddr(fd, mac), "ioctl(SIOCGIFHWADDR)");
  return mac;
}

/** Sets the MAC address of a TAP (SIOCSIFHWADDR). */
export function setHwaddr(fd: number, mac: Uint8Array): void {
  check(native().tun_set_hwaddr(fd, mac), "ioctl(SIOCSIFHWADDR)");
}

/**
 * Sets which frames the kernel hands to a TAP (TUNSETTXFILTER). `filter` is a `struct tun_filter`; null lets all
 * pass.
 */
export function setTxFilter(fd: number, filter: Uint8Array | null): void {
  check(native().tun_set_tx_filter(fd, filter ?? noTxFilter), "ioctl(TUNSETTXFILTER)");
}

/** `struct tun_filter` without addresses. */
const noTxFilter = new Uint8Array(4);

/**
 * Attaches a classic BPF filter to a TAP (TUNATTACHFILTER). `instructions` are structs sock_filter, of 8 bytes each.
 */
export function attachFilter(fd: number, instructions: Uint8Array): void {
  check(native().tun_attach_filter(fd, instructions, instructions.length / 8), "ioctl(TUNATTACHFILTER)");
}

/** Removes the classic BPF filter of a TAP (TUNDETACHFILTER). */
export function detachFilter(fd: number): void {
  check(native().tun_detach_filter(fd), "ioctl(TUNDETACHFILTER)");
}

const encoder = new TextEncoder();
const decoder = new TextDecoder();

function nameFrom(buffer: Uint8Array): string {
  const end = buffer.indexOf(0);
  return decoder.decode(end < 0 ? buffer : buffer.subarray(0, end));
}
