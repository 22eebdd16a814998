/*
 * tunnel [--packets] NAME PEER PORT SECONDS_MAX
 *
 * One end of a tunnel: IP packets of a TUN in UDP datagrams, without
 * encryption. The TUN has virtio headers, so super-packets of up to 64 KiB come
 * from it. Prints "ready" once the interface exists. One thread: poll, then read
 * and write until the queue is empty.
 *
 * With --packets each packet is a datagram of its own, as in every tunnel
 * across a real network: super-packets are split, sent with UDP_SEGMENT,
 * received merged by UDP_GRO, and merged again for the TUN (packets.c).
 *
 * Without it a super-packet is passed on as it is, behind its header:
 * UDP_SEGMENT cuts it into datagrams, and UDP_GRO puts them together at the
 * other end. Nothing is split or merged here: what the kernel itself can do, and
 * a bound for every tunnel that looks at packets. (On a path that loses
 * datagrams it would not do.)
 */
#include "packets.h"
#include "tunnel.h"

static char packet[FRAME_BYTES_MAX];

static int send_packet(int tun, int udp) {
  ssize_t length = read(tun, packet, sizeof packet);
  if (length < 0) return 0;
  /* A packet of more than one message holds: as one datagram, in fragments. */
  if (length > DATAGRAM_BYTES * DATAGRAMS_MAX) send(udp, packet, (size_t)length, 0);
  else send_run(udp, packet, (size_t)length);
  return 1;
}

static int receive_packet(int udp, int tun) {
  ssize_t length = recv(udp, packet, sizeof packet, 0);
  if (length < 0) return 0;
  write_packet(tun, packet, (size_t)length);
  return 1;
}

int main(int argc, char **argv) {
  if (argc < 2 || strcmp(argv[1], "--packets") != 0) run_tunnel(argc, argv, send_packet, receive_packet);
  argv[1] = argv[0];
  run_tunnel(argc - 1, argv + 1, packets_send, packets_receive);
}
