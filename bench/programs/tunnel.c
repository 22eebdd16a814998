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
#include "tun.h"

#include <arpa/inet.h>
#include <poll.h>
#include <sys/socket.h>

#define UDP_SEGMENT_ 103
#define UDP_GRO_ 104
/* With the headers of IPv4 and UDP it fits 1,500. */
#define DATAGRAM_BYTES 1472
/* UDP_MAX_SEGMENTS. */
#define DATAGRAMS_MAX 64

static char packet[FRAME_BYTES_MAX];

static void fail(const char *what) {
  perror(what);
  exit(1);
}

static int open_socket(const char *peer, int port) {
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

static int send_packet(int tun, int udp) {
  ssize_t length = read(tun, packet, sizeof packet);
  if (length < 0) return 0;
  if (length > DATAGRAM_BYTES * 44) {
    /* A packet of more than one message holds: as one datagram, in fragments. */
    send(udp, packet, (size_t)length, 0);
    return 1;
  }
  union { char bytes[CMSG_SPACE(2)]; struct cmsghdr header; } control = {0};
  struct iovec piece = {packet, (size_t)length};
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
  return 1;
}

static int receive_packet(int udp, int tun) {
  ssize_t length = recv(udp, packet, sizeof packet, 0);
  if (length < 0) return 0;
  if (write(tun, packet, (size_t)length) < 0 && errno != EINVAL && errno != EIO && errno != EAGAIN) fail("write");
  return 1;
}

int main(int argc, char **argv) {
  if (argc != 5) {
    fprintf(stderr, "usage: tunnel NAME PEER PORT SECONDS_MAX\n");
    return 2;
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
