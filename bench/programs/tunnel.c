/*
 * tunnel NAME PEER PORT SECONDS_MAX
 *
 * One end of a tunnel: IP packets of a TUN in UDP datagrams, without
 * encryption. The TUN has virtio headers, and a super-packet of up to 64 KiB is
 * passed on as it is, behind its header: UDP_SEGMENT cuts it into datagrams, and
 * UDP_GRO puts them together at the other end. So nothing is split or merged
 * here: what the kernel itself can do, and a bound for every tunnel that looks
 * at packets. (On a path that loses datagrams it would not do.) Prints "ready"
 * once the interface exists. One thread: poll, then read and write until the
 * queue is empty.
 */
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
  run_tunnel(argc, argv, send_packet, receive_packet);
}
