import type { FFIFunction, Pointer } from "bun:ffi";

/**
 * The functions of the shim, in the order of the table in `native/table.c`. All of them
 * return an `int`: the kernel's answer, or `-errno`.
 */
export const signatures: {
  readonly [K in keyof Native]: readonly ("i32" | "u32" | "ptr")[];
} = {
  fd_open: ["ptr" /* path, NUL-terminated */, "i32" /* O_* */],
  fd_own: ["i32"],
  fd_disown: ["i32"],
  fd_close: ["i32"],
  fd_control: ["i32", "i32" /* F_* */, "i32"],
  fd_is_same: ["i32", "i32"],
  tun_set_iff: ["i32", "ptr" /* name, 16 bytes, in and out */, "i32"],
  tun_get_iff: ["i32", "ptr" /* name, 16 bytes, out */],
  tun_get_features: ["i32"],
  tun_set_persist: ["i32", "i32"],
  tun_set_owner: ["i32", "u32"],
  tun_set_group: ["i32", "u32"],
  tun_set_offload: ["i32", "u32"],
  tun_set_vnet_header_size: ["i32", "i32"],
  tun_set_queue: ["i32", "i32" /* IFF_ATTACH_QUEUE or IFF_DETACH_QUEUE */],
  tun_set_steering: ["i32", "i32" /* fd of an eBPF program, or -1 */],
  tun_set_carrier: ["i32", "i32"],
  tun_set_sndbuf: ["i32", "i32"],
  tun_get_dev_netns: ["i32"],
  tun_get_hwaddr: ["i32", "ptr" /* 6 bytes, out */],
  tun_set_hwaddr: ["i32", "ptr" /* 6 bytes */],
  tun_set_tx_filter: ["i32", "ptr" /* struct tun_filter */],
  tun_attach_filter: ["i32", "ptr" /* structs sock_filter */, "i32" /* how many */],
  tun_detach_filter: ["i32"],
  tun_read: [
    "i32",
    "ptr" /* slab */,
    "i32" /* offset */,
    "i32" /* end */,
    "i32" /* longest frame expected */,
    "ptr" /* spill */,
    "i32" /* bytes of spill */,
    "ptr" /* lengths, one i32 a frame */,
    "i32" /* frames at most */,
  ],
  tun_write: ["i32", "ptr" /* frame */, "i32" /* length */],
  tun_write_many: [
    "i32",
    "ptr" /* what the offsets count from */,
    "ptr" /* offsets, one i32 a frame */,
    "ptr" /* lengths, one i32 a frame; in and out */,
    "i32" /* frames */,
  ],
  rx_size: [],
  tx_size: [],
  vnet_read: [
    "i32",
    "ptr" /* slab */,
    "i32" /* offset */,
    "i32" /* end */,
    "ptr" /* state, rx_size() bytes */,
    "i32" /* 1 for Ethernet frames */,
    "ptr" /* lengths, one i32 a frame */,
    "i32" /* frames at most */,
  ],
  vnet_write: ["i32", "ptr" /* frame */, "i32" /* length */],
  vnet_push_many: [
    "i32",
    "ptr" /* state, tx_size() bytes */,
    "ptr" /* what the offsets count from */,
    "ptr" /* offsets, one i32 a frame */,
    "ptr" /* lengths, one i32 a frame; in and out */,
    "i32" /* frames */,
    "i32" /* 1 for Ethernet */,
  ],
  vnet_flush: ["i32", "ptr" /* state */],
  nl_open: [],
  nl_bind: ["i32", "u32" /* RTMGRP_* */],
  sock_get_netns: ["i32"],
  sock_set_option: ["i32", "i32" /* SOL_* */, "i32", "i32"],
  sock_send: ["i32", "ptr", "i32"],
  sock_recv: ["i32", "ptr", "i32"],
  un_open: [],
  un_bind: ["i32", "ptr" /* path */, "i32" /* bytes of it */],
  un_connect: ["i32", "ptr" /* path */, "i32" /* bytes of it */],
  un_listen: ["i32", "i32" /* backlog */],
  un_accept: ["i32"],
  un_get_peer: ["i32", "ptr" /* pid, uid, gid, out */],
  un_send_fd: ["i32", "i32" /* the fd to pass on */],
  un_receive_fd: ["i32", "ptr" /* the fd, one i32, out */],
  netns_open: ["i32" /* netns, or -1 */, "ptr" /* path or null */, "i32" /* O_* */, "ptr" /* entered, one i32, out */],
  userns_try: [],
  fd_poll: ["i32", "i32" /* EPOLL* */],
  ev_open: [],
  ep_open: [],
  ep_control: ["i32", "i32" /* EPOLL_CTL_* */, "i32" /* fd */, "u32" /* events */, "u32" /* token */],
  ep_wait: ["i32", "ptr" /* 64 pairs of u32: token, events */],
  aio_open: [],
  aio_arm: ["i32" /* epoll */, "i32" /* eventfd */],
  thread_open: ["i32" /* epoll */, "i32" /* eventfd */],
  thread_arm: [],
};

type Bytes = Uint8Array;

/** The shim as TypeScript sees it. */
export interface Native {
  fd_open(path: Bytes, flags: number): number;
  fd_own(fd: number): number;
  fd_disown(fd: number): number;
  fd_close(fd: number): number;
  fd_control(fd: number, command: number, argument: number): number;
  fd_is_same(one: number, other: number): number;
  tun_set_iff(fd: number, name: Bytes, flags: number): number;
  tun_get_iff(fd: number, name: Bytes): number;
  tun_get_features(fd: number): number;
  tun_set_persist(fd: number, on: number): number;
  tun_set_owner(fd: number, uid: number): number;
  tun_set_group(fd: number, gid: number): number;
  tun_set_offload(fd: number, bits: number): number;
  tun_set_vnet_header_size(fd: number, bytes: number): number;
  tun_set_queue(fd: number, flags: number): number;
  tun_set_steering(fd: number, program: number): number;
  tun_set_carrier(fd: number, on: number): number;
  tun_set_sndbuf(fd: number, bytes: number): number;
  tun_get_dev_netns(fd: number): number;
  tun_get_hwaddr(fd: number, mac: Bytes): number;
  tun_set_hwaddr(fd: number, mac: Bytes): number;
  tun_set_tx_filter(fd: number, filter: Bytes): number;
  tun_attach_filter(fd: number, instructions: Bytes, count: number): number;
  tun_detach_filter(fd: number): number;
  tun_read(
    fd: number,
    slab: Bytes,
    offset: number,
    end: number,
    frameMax: number,
    spill: Bytes,
    spillSize: number,
    lengths: Int32Array,
    count: number,
  ): number;
  tun_write(fd: number, frame: Bytes, length: number): number;
  tun_write_many(fd: number, base: Bytes, offsets: Int32Array, lengths: Int32Array, count: number): number;
  rx_size(): number;
  tx_size(): number;
  vnet_read(
    fd: number,
    slab: Bytes,
    offset: number,
    end: number,
    state: Bytes,
    link: number,
    lengths: Int32Array,
    count: number,
  ): number;
  vnet_write(fd: number, frame: Bytes, length: number): number;
  vnet_push_many(
    fd: number,
    state: Bytes,
    base: Bytes,
    offsets: Int32Array,
    lengths: Int32Array,
    count: number,
    link: number,
  ): number;
  vnet_flush(fd: number, state: Bytes): number;
  nl_open(): number;
  nl_bind(fd: number, groups: number): number;
  sock_get_netns(fd: number): number;
  sock_set_option(fd: number, level: number, option: number, value: number): number;
  sock_send(fd: number, message: Bytes, length: number): number;
  sock_recv(fd: number, buffer: Bytes, capacity: number): number;
  un_open(): number;
  un_bind(fd: number, path: Bytes, length: number): number;
  un_connect(fd: number, path: Bytes, length: number): number;
  un_listen(fd: number, backlog: number): number;
  un_accept(fd: number): number;
  un_get_peer(fd: number, peer: Uint32Array): number;
  un_send_fd(fd: number, passed: number): number;
  un_receive_fd(fd: number, passed: Int32Array): number;
  netns_open(netns: number, path: Bytes | null, flags: number, entered: Int32Array): number;
  userns_try(): number;
  fd_poll(fd: number, events: number): number;
  ev_open(): number;
  ep_open(): number;
  ep_control(ep: number, operation: number, fd: number, events: number, token: number): number;
  ep_wait(ep: number, ready: Uint32Array): number;
  aio_open(): number;
  aio_arm(ep: number, wake: number): number;
  thread_open(ep: number, wake: number): number;
  thread_arm(): number;
}

/** Binds `addresses` (the C table) to the signatures, one by one. */
export function definitions(addresses: BigUint64Array): Record<keyof Native, FFIFunction> {
  const names = Object.keys(signatures) as (keyof Native)[];
  const entries = names.map((name, i): [keyof Native, FFIFunction] => [
    name,
    { ptr: addresses[i] as unknown as Pointer, args: signatures[name], returns: "i32" },
  ]);
  return Object.fromEntries(entries) as Record<keyof Native, FFIFunction>;
}
