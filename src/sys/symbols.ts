type Bytes = Uint8Array;

/**
 * The types of the functions of the core, which `native/exports.c` lists; that list binds them. Each returns the
 * kernel's answer, or `-errno`.
 */
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
  tun_get_vnet_header_size(fd: number): number;
  tun_set_vnet_header_size(fd: number, bytes: number): number;
  tun_set_queue(fd: number, flags: number): number;
  tun_set_steering(fd: number, program: number): number;
  tun_set_carrier(fd: number, on: number): number;
  tun_get_sndbuf(fd: number): number;
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
  un_unreceived(fd: number): number;
  un_receive_fd(fd: number, passed: Int32Array): number;
  netns_open(netns: number, path: Bytes | null, flags: number, entered: Int32Array): number;
  netns_enter(netns: number): number;
  loopback_up(fd: number): number;
  icmp_open(family: number): number;
  userns_try(): number;
  timer_open(): number;
  timer_set(fd: number, us: number): number;
  timer_read(fd: number): number;
  udp_open(netns: number, family: number, entered: Int32Array): number;
  fd_poll(fd: number, events: number): number;
  ev_open(): number;
  ep_open(): number;
  ep_control(ep: number, operation: number, fd: number, events: number, token: number): number;
  ep_wait(ep: number, ready: Uint32Array): number;
  aio_open(): number;
  aio_arm(ep: number, wake: number): number;
  thread_open(ep: number, wake: number): number;
  thread_arm(): number;
  closer_open(): number;
  closer_push(fd: number): number;
  closer_count(wake: number): number;
}

/** The types of the functions that `native/offload_exports.c` lists. */
export interface OffloadNative {
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
  tx_keep(state: Bytes, to: Bytes, lengths: Int32Array): number;
}

/** The types of the functions that `native/udp_exports.c` lists. */
export interface UdpNative {
  sock_get_option(fd: number, level: number, option: number): number;
  sock_get_interface_index(fd: number, name: Bytes): number;
  sock_get_interface_name(fd: number, index: number, name: Bytes): number;
  udp_bind(fd: number, family: number, peer: Bytes): number;
  udp_connect(fd: number, family: number, peer: Bytes): number;
  udp_get_name(fd: number, peer: Bytes): number;
  udp_bind_device(fd: number, name: Bytes, length: number): number;
  udp_state_size(): number;
  udp_init(state: Bytes, family: number, seed: number): number;
  udp_intern(state: Bytes, peer: Bytes): number;
  udp_destination_size(): number;
  udp_destination(
    state: Bytes,
    peer: Bytes,
    connected: number,
    segmentMax: number,
    ecn: number,
    destination: Bytes,
  ): number;
  udp_take_error(fd: number, state: Bytes): number;
  udp_send(fd: number, state: Bytes, destination: Bytes, datagram: Bytes, length: number): number;
  udp_push(
    fd: number,
    state: Bytes,
    destination: Bytes,
    base: Bytes,
    offsets: Int32Array,
    lengths: Int32Array,
    count: number,
  ): number;
  udp_push_each(
    fd: number,
    state: Bytes,
    to: Float64Array,
    from: number,
    base: Bytes,
    offsets: Int32Array,
    lengths: Int32Array,
    count: number,
  ): number;
  udp_flush(fd: number, state: Bytes): number;
  udp_read(
    fd: number,
    state: Bytes,
    slab: Bytes,
    offset: number,
    end: number,
    records: Int32Array,
    count: number,
  ): number;
}
