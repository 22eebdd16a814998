/* What tunnel.c and wireguard.c share: the socket, one thread that moves packets both ways, and runs of datagrams. */
#ifndef BENCH_TUNNEL_H
#define BENCH_TUNNEL_H

#include "tun.h"

#include <arpa/inet.h>
#include <poll.h>
#include <stdint.h>
#include <sys/socket.h>

#define UDP_SEGMENT_ 103
#define UDP_GRO_ 104
/* With the headers of IPv4 and UDP it fits 1,500. */
#define DATAGRAM_BYTES 1472
/* As many datagrams as fit one message of 65,507 bytes. */
#define DATAGRAMS_MAX 44

static inline void fail(const char *what) {
  perror(what);
  exit(1);
}

static inline int open_socket(const char *peer, int port) {
  struct sockaddr_in own = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)}, other = own;
  int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), one = 1, room = 4 << 20;
  inet_pton(AF_INET, peer, &other.sin_addr);
  if (fd < 0 || bind(fd, (struct sockaddr *)&own, sizeof own) < 0) fail("bind");
  if (connect(fd, (struct sockaddr *)&other, sizeof other) < 0) fail("connect");
  if (setsockopt(fd, IPPROTO_UDP, UDP_GRO_, &one, sizeof one) < 0) fail("UDP_GRO");
  setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof room);
  setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &room, sizeof room);
  return fd;
}

/* Sends `length` bytes in datagrams of DATAGRAM_BYTES, of which the last may be shorter: DATAGRAMS_MAX at most. */
static inline void send_run(int udp, void *bytes, size_t length) {
  union { char bytes[CMSG_SPACE(2)]; struct cmsghdr header; } control = {0};
  struct iovec piece = {bytes, length};
  struct msghdr message = {.msg_iov = &piece, .msg_iovlen = 1};
  if (length > DATAGRAM_BYTES) {
    uint16_t segment = DATAGRAM_BYTES;
    message.msg_control = &control;
    message.msg_controllen = sizeof control;
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = IPPROTO_UDP;
    header->cmsg_type = UDP_SEGMENT_;
    header->cmsg_len = CMSG_LEN(2);
    memcpy(CMSG_DATA(header), &segment, 2);
  }
  sendmsg(udp, &message, 0);
}

static inline void write_packet(int tun, const void *packet, size_t length) {
  if (write(tun, packet, length) < 0 && errno != EINVAL && errno != EIO && errno != EAGAIN) fail("write");
}

/* Moves packets both ways. Each function moves one, and returns 0 if there is none. */
static inline void run_tunnel(int argc, char **argv, int (*send_packet)(int tun, int udp), int (*receive_packet)(int udp, int tun)) {
  if (argc != 5) {
    fprintf(stderr, "usage: %s NAME PEER PORT SECONDS_MAX\n", argv[0]);
    exit(2);
  }
  int tun = tun_open(argv[1], IFF_TUN | IFF_VNET_HDR);
  int udp = open_socket(argv[2], atoi(argv[3]));
  struct pollfd fds[2] = {{.fd = tun, .events = POLLIN}, {.fd = udp, .events = POLLIN}};
  alarm((unsigned)atoi(argv[4]));
  say_ready();
  for (;;) {
    if (poll(fds, 2, -1) < 0) fail("poll");
    for (int i = 0; i < FRAMES_PER_TURN && fds[0].revents && send_packet(tun, udp); i++) continue;
    for (int i = 0; i < FRAMES_PER_TURN && fds[1].revents && receive_packet(udp, tun); i++) continue;
  }
}

#endif
