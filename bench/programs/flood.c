/*
 * flood [--gso] send ADDRESS PORT SECONDS
 * flood [--gso] count ADDRESS PORT SECONDS_MAX
 *
 * `send` sends UDP as fast as one core can for SECONDS and prints
 * {"sent":N,"seconds":S}, datagrams: IP packets of 64 bytes, or with --gso such
 * as fill an MTU of 1500, 44 in a call (UDP_SEGMENT). `count` prints "ready" once
 * bound, counts what arrives until nothing has come for a while, and prints
 * {"arrived":N,"bytes":N,"seconds":S}, the seconds from the first arrival to the
 * last; with --gso it takes merged datagrams as they come (UDP_GRO).
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define BATCH 64
#define PACKET_BYTES 64
#define GSO_PACKET_BYTES 1500
/* As many as a datagram of 65,507 bytes has room for. */
#define GSO_SEGMENTS 44
#define SILENCE_SECONDS 0.3
#define SOCKET_BUFFER_BYTES (256 << 20)

static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static void fail(const char *what) {
  perror(what);
  exit(1);
}

struct address {
  struct sockaddr_storage storage;
  socklen_t length;
  /* Of the IP and UDP headers. */
  int header_bytes;
};

static struct address address_of(const char *host, const char *port) {
  struct address address = {0};
  struct sockaddr_in *ipv4 = (struct sockaddr_in *)&address.storage;
  struct sockaddr_in6 *ipv6 = (struct sockaddr_in6 *)&address.storage;
  in_port_t number = htons((uint16_t)atoi(port));
  if (inet_pton(AF_INET, host, &ipv4->sin_addr) == 1) {
    ipv4->sin_family = AF_INET;
    ipv4->sin_port = number;
    address.length = sizeof *ipv4;
    address.header_bytes = 20 + 8;
  } else if (inet_pton(AF_INET6, host, &ipv6->sin6_addr) == 1) {
    ipv6->sin6_family = AF_INET6;
    ipv6->sin6_port = number;
    address.length = sizeof *ipv6;
    address.header_bytes = 40 + 8;
  } else {
    fprintf(stderr, "%s: not an IP address\n", host);
    exit(2);
  }
  return address;
}

static int udp_socket(const struct address *address) {
  int fd = socket(address->storage.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0) fail("socket");
  return fd;
}

/* BATCH messages over one payload: the content is nobody's business here. */
static void point_at(struct mmsghdr *messages, struct iovec *piece) {
  memset(messages, 0, BATCH * sizeof *messages);
  for (int i = 0; i < BATCH; i++) {
    messages[i].msg_hdr.msg_iov = piece;
    messages[i].msg_hdr.msg_iovlen = 1;
  }
}

static int send_flood(const char *host, const char *port, double seconds, int gso) {
  static char payload[GSO_SEGMENTS * GSO_PACKET_BYTES];
  struct address to = address_of(host, port);
  const int datagram = (gso ? GSO_PACKET_BYTES : PACKET_BYTES) - to.header_bytes;
  const int datagrams = gso ? GSO_SEGMENTS : 1;
  struct iovec piece = {payload, (size_t)(datagram * datagrams)};
  struct mmsghdr messages[BATCH];
  unsigned long long sent = 0;

  int fd = udp_socket(&to);
  if (gso && setsockopt(fd, SOL_UDP, UDP_SEGMENT, &datagram, sizeof datagram) < 0) fail("UDP_SEGMENT");
  if (connect(fd, (struct sockaddr *)&to.storage, to.length) < 0) fail("connect");
  point_at(messages, &piece);

  double start = now(), end = start;
  while (end - start < seconds) {
    int n = sendmmsg(fd, messages, BATCH, 0);
    if (n < 0 && errno != ENOBUFS && errno != EINTR) fail("sendmmsg");
    if (n > 0) sent += (unsigned long long)(n * datagrams);
    end = now();
  }
  printf("{\"sent\":%llu,\"seconds\":%.6f}\n", sent, end - start);
  return 0;
}

/* Counts the datagrams of a message: the kernel says how long each is where it has merged any. */
static unsigned long long datagrams_in(struct mmsghdr *message) {
  struct cmsghdr *control = CMSG_FIRSTHDR(&message->msg_hdr);
  int size = 0;
  if (control != NULL && control->cmsg_level == SOL_UDP && control->cmsg_type == UDP_GRO) {
    memcpy(&size, CMSG_DATA(control), sizeof size);
  }
  return size > 0 ? (message->msg_len + (unsigned)size - 1) / (unsigned)size : 1;
}

/*
 * Naps between drains, with room in the socket for far more than a nap's worth:
 * a reader that sleeps on each packet would charge its wake-ups to the relay,
 * which delivers into this socket in its own system calls. MSG_TRUNC: the length
 * of a datagram is asked for, not its bytes.
 */
static int count_arrivals(const char *host, const char *port, double seconds_max, int gso) {
  static char controls[BATCH][CMSG_SPACE(sizeof(int))];
  struct iovec piece = {NULL, 0};
  struct mmsghdr messages[BATCH];
  struct address here = address_of(host, port);
  const struct timespec nap = {.tv_nsec = 1000000};
  const int room = SOCKET_BUFFER_BYTES;
  unsigned long long arrived = 0, bytes = 0;

  int fd = udp_socket(&here);
  /* FORCE goes beyond net.core.rmem_max; the harness runs with CAP_NET_ADMIN anyway. */
  if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof room) < 0) fail("SO_RCVBUFFORCE");
  if (gso && setsockopt(fd, SOL_UDP, UDP_GRO, &gso, sizeof gso) < 0) fail("UDP_GRO");
  if (bind(fd, (struct sockaddr *)&here.storage, here.length) < 0) fail("bind");
  point_at(messages, &piece);
  puts("ready");
  fflush(stdout);

  double start = now(), first = 0, last = 0;
  for (;;) {
    double time = now();
    if (time - start > seconds_max || (arrived > 0 && time - last > SILENCE_SECONDS)) break;
    for (int i = 0; i < BATCH; i++) {
      messages[i].msg_hdr.msg_control = controls[i];
      messages[i].msg_hdr.msg_controllen = sizeof controls[i];
    }
    int n = recvmmsg(fd, messages, BATCH, MSG_DONTWAIT | MSG_TRUNC, NULL);
    if (n > 0) {
      if (arrived == 0) first = time;
      last = time;
      for (int i = 0; i < n; i++) {
        arrived += datagrams_in(&messages[i]);
        bytes += messages[i].msg_len;
      }
      if (n == BATCH) continue;
    } else if (errno != EAGAIN && errno != EINTR) {
      fail("recvmmsg");
    }
    nanosleep(&nap, NULL);
  }
  printf("{\"arrived\":%llu,\"bytes\":%llu,\"seconds\":%.6f}\n", arrived, bytes, last - first);
  return 0;
}

int main(int argc, char **argv) {
  int gso = argc > 1 && strcmp(argv[1], "--gso") == 0;
  argc -= gso;
  argv += gso;
  if (argc == 5 && strcmp(argv[1], "send") == 0) return send_flood(argv[2], argv[3], atof(argv[4]), gso);
  if (argc == 5 && strcmp(argv[1], "count") == 0) return count_arrivals(argv[2], argv[3], atof(argv[4]), gso);
  fprintf(stderr, "usage: flood [--gso] send ADDRESS PORT SECONDS | flood [--gso] count ADDRESS PORT SECONDS_MAX\n");
  return 2;
}
