/*
 * flood send ADDRESS PORT SECONDS
 * flood count PORT SECONDS_MAX
 *
 * `send` sends IP packets of 64 bytes (UDP) as fast as one core can for SECONDS
 * and prints {"sent":N,"seconds":S}. `count` prints "ready" once bound, counts
 * what arrives until nothing has come for a while, and prints
 * {"arrived":N,"seconds":S}, the seconds from the first arrival to the last.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define BATCH 64
#define PAYLOAD_BYTES (64 - 20 - 8) /* an IPv4 and a UDP header */
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

static struct sockaddr_in address_of(const char *host, const char *port) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(port))};
  if (inet_pton(AF_INET, host, &address.sin_addr) != 1) {
    fprintf(stderr, "%s: not an IPv4 address\n", host);
    exit(2);
  }
  return address;
}

static int udp_socket(void) {
  int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
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

static int send_flood(const char *host, const char *port, double seconds) {
  static char payload[PAYLOAD_BYTES];
  struct iovec piece = {payload, sizeof payload};
  struct mmsghdr messages[BATCH];
  struct sockaddr_in to = address_of(host, port);
  unsigned long long sent = 0;

  int fd = udp_socket();
  if (connect(fd, (struct sockaddr *)&to, sizeof to) < 0) fail("connect");
  point_at(messages, &piece);

  double start = now(), end = start;
  while (end - start < seconds) {
    int n = sendmmsg(fd, messages, BATCH, 0);
    if (n < 0 && errno != ENOBUFS && errno != EINTR) fail("sendmmsg");
    if (n > 0) sent += (unsigned long long)n;
    end = now();
  }
  printf("{\"sent\":%llu,\"seconds\":%.6f}\n", sent, end - start);
  return 0;
}

/*
 * Naps between drains, with room in the socket for far more than a nap's worth:
 * a reader that sleeps on each packet would charge its wake-ups to the relay,
 * which delivers into this socket in its own system calls.
 */
static int count_arrivals(const char *port, double seconds_max) {
  static char payload[2048];
  struct iovec piece = {payload, sizeof payload};
  struct mmsghdr messages[BATCH];
  struct sockaddr_in here = address_of("0.0.0.0", port);
  const struct timespec nap = {.tv_nsec = 1000000};
  const int room = SOCKET_BUFFER_BYTES;
  unsigned long long arrived = 0;

  int fd = udp_socket();
  /* FORCE goes beyond net.core.rmem_max; the harness runs with CAP_NET_ADMIN anyway. */
  if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof room) < 0) fail("SO_RCVBUFFORCE");
  if (bind(fd, (struct sockaddr *)&here, sizeof here) < 0) fail("bind");
  point_at(messages, &piece);
  puts("ready");
  fflush(stdout);

  double start = now(), first = 0, last = 0;
  for (;;) {
    double time = now();
    if (time - start > seconds_max || (arrived > 0 && time - last > SILENCE_SECONDS)) break;
    int n = recvmmsg(fd, messages, BATCH, MSG_DONTWAIT, NULL);
    if (n > 0) {
      if (arrived == 0) first = time;
      last = time;
      arrived += (unsigned long long)n;
      if (n == BATCH) continue;
    } else if (errno != EAGAIN && errno != EINTR) {
      fail("recvmmsg");
    }
    nanosleep(&nap, NULL);
  }
  printf("{\"arrived\":%llu,\"seconds\":%.6f}\n", arrived, last - first);
  return 0;
}

int main(int argc, char **argv) {
  if (argc == 5 && strcmp(argv[1], "send") == 0) return send_flood(argv[2], argv[3], atof(argv[4]));
  if (argc == 4 && strcmp(argv[1], "count") == 0) return count_arrivals(argv[2], atof(argv[3]));
  fprintf(stderr, "usage: flood send ADDRESS PORT SECONDS | flood count PORT SECONDS_MAX\n");
  return 2;
}
