/*
 * udp send [--gso] [--gro] ADDRESS PORT SIZE PEERS SECONDS
 * udp receive [--gso] [--gro] PORT PEERS SECONDS SECONDS_MAX
 *
 * Sends datagrams as fast as it can to one port, or to PEERS ports in turn; or
 * receives what comes to these. After a warm-up of 2 s it counts for SECONDS
 * and prints {"datagrams":…,"bytes":…,"calls":…,"seconds":…,"cpuSeconds":…,"peakMb":…}.
 * The measure that udp.ts is held against: blocking calls, one thread.
 *
 *   --gso  of send: up to 64 datagrams a call, by UDP_SEGMENT; to several peers by sendmmsg
 *   --run N  of send, to several peers: N datagrams to each in turn
 *   --turns N  the same: datagrams to the peers in turn, which it would sort into runs of N
 *   --gro  of receive: the kernel merges datagrams of one sender (UDP_GRO)
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define UDP_SEGMENT_ 103
#define UDP_GRO_ 104
#define PEERS_MAX 64
#define RUN_BYTES 65507

static unsigned long long datagrams, bytes, calls;
static double began, seconds;
static struct rusage usage_before;

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void fail(const char *what) {
  perror(what);
  exit(1);
}

static double cpu_of(const struct rusage *u) {
  return (double)(u->ru_utime.tv_sec + u->ru_stime.tv_sec) + (double)(u->ru_utime.tv_usec + u->ru_stime.tv_usec) / 1e6;
}

/* VmHWM. The ru_maxrss of a process includes that of the program whose place it took. */
static double peak_mb(void) {
  char line[128];
  double kb = 0;
  FILE *status = fopen("/proc/self/status", "r");
  if (status == NULL) fail("/proc/self/status");
  while (fgets(line, sizeof line, status) != NULL)
    if (sscanf(line, "VmHWM: %lf", &kb) == 1) break;
  fclose(status);
  return kb / 1024;
}

/* Begins to count once it is warm, and ends the program when the time is over. */
static void look_at_clock(void) {
  static double started;
  struct rusage usage;
  double t = now();
  if (started == 0) started = t;
  if (began == 0 && t - started > 2) {
    began = t;
    datagrams = bytes = calls = 0;
    getrusage(RUSAGE_SELF, &usage_before);
  }
  if (began == 0 || t - began < seconds) return;
  getrusage(RUSAGE_SELF, &usage);
  printf("{\"datagrams\":%llu,\"bytes\":%llu,\"calls\":%llu,\"seconds\":%f,\"cpuSeconds\":%f,\"peakMb\":%f}\n", datagrams,
         bytes, calls, t - began, cpu_of(&usage) - cpu_of(&usage_before), peak_mb());
  exit(0);
}

static void count(unsigned long long n, unsigned long long of) {
  datagrams += n;
  bytes += of;
  calls++;
}

static int udp_socket(void) {
  int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0) fail("socket");
  return fd;
}

/* Sends a run, of what a message holds at most, to `to`, or to the peer of a connected socket. */
static void send_run(int fd, char *buffer, int size, int at_most, struct sockaddr_in *to) {
  int n = RUN_BYTES / size < at_most ? RUN_BYTES / size : at_most;
  union { char bytes[CMSG_SPACE(2)]; struct cmsghdr header; } control = {0};
  struct iovec piece = {buffer, (size_t)(n * size)};
  struct msghdr message = {.msg_iov = &piece, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
  message.msg_name = to;
  message.msg_namelen = to == NULL ? 0 : sizeof *to;
  struct cmsghdr *header = CMSG_FIRSTHDR(&message);
  uint16_t segment = (uint16_t)size;
  header->cmsg_level = IPPROTO_UDP;
  header->cmsg_type = UDP_SEGMENT_;
  header->cmsg_len = CMSG_LEN(2);
  memcpy(CMSG_DATA(header), &segment, 2);
  if (sendmsg(fd, &message, 0) < 0 && errno != ECONNREFUSED) fail("sendmsg");
  count((unsigned)n, (unsigned)(n * size));
}

static void send_all(const char *address, int port, int size, int peers, int gso, int run) {
  static char buffer[65536];
  struct sockaddr_in to[PEERS_MAX] = {0};
  struct mmsghdr messages[PEERS_MAX] = {0};
  struct iovec piece = {buffer, (size_t)size};
  int fd = udp_socket();
  for (int i = 0; i < peers; i++) {
    to[i].sin_family = AF_INET;
    to[i].sin_port = htons((uint16_t)(port + i));
    inet_pton(AF_INET, address, &to[i].sin_addr);
    messages[i].msg_hdr = (struct msghdr){.msg_name = &to[i], .msg_namelen = sizeof to[i], .msg_iov = &piece, .msg_iovlen = 1};
  }
  if (peers == 1 && connect(fd, (struct sockaddr *)&to[0], sizeof to[0]) < 0) fail("connect");
  puts("ready");
  fflush(stdout);
  for (unsigned turn = 0;; turn++) {
    if (turn % 64 == 0 || gso) look_at_clock();
    if (gso && peers == 1) send_run(fd, buffer, size, 64, NULL);
    else if (gso && run > 1) send_run(fd, buffer, size, run, &to[turn % (unsigned)peers]);
    else if (gso) {
      if (sendmmsg(fd, messages, (unsigned)peers, 0) < 0 && errno != ECONNREFUSED) fail("sendmmsg");
      count((unsigned)peers, (unsigned)(peers * size));
    } else {
      if (sendmsg(fd, &messages[turn % (unsigned)peers].msg_hdr, 0) < 0 && errno != ECONNREFUSED) fail("sendmsg");
      count(1, (unsigned)size);
    }
  }
}

/* Receives all that waits. */
static void drain(int fd) {
  static char buffer[65536];
  for (;;) {
    union { char bytes[CMSG_SPACE(4)]; struct cmsghdr header; } control;
    struct iovec piece = {buffer, sizeof buffer};
    struct msghdr message = {.msg_iov = &piece, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
    ssize_t length = recvmsg(fd, &message, MSG_DONTWAIT);
    int segment = 0;
    if (length < 0) return;
    for (struct cmsghdr *h = CMSG_FIRSTHDR(&message); h != NULL; h = CMSG_NXTHDR(&message, h))
      if (h->cmsg_level == IPPROTO_UDP && h->cmsg_type == UDP_GRO_) memcpy(&segment, CMSG_DATA(h), 4);
    count(segment ? (unsigned)((length + segment - 1) / segment) : 1, (unsigned)length);
    if (datagrams % 64 == 0 || segment) look_at_clock();
  }
}

static void receive_all(int port, int peers, int gro) {
  int set = epoll_create1(0), one = 1, room = 4 << 20;
  for (int i = 0; i < peers; i++) {
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons((uint16_t)(port + i))};
    int fd = udp_socket();
    struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
    if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof room) < 0) fail("SO_RCVBUFFORCE");
    if (gro && setsockopt(fd, IPPROTO_UDP, UDP_GRO_, &one, sizeof one) < 0) fail("UDP_GRO");
    if (bind(fd, (struct sockaddr *)&at, sizeof at) < 0) fail("bind");
    epoll_ctl(set, EPOLL_CTL_ADD, fd, &event);
  }
  puts("ready");
  fflush(stdout);
  for (;;) {
    struct epoll_event events[PEERS_MAX];
    int n = epoll_wait(set, events, PEERS_MAX, -1);
    for (int i = 0; i < n; i++) drain(events[i].data.fd);
    look_at_clock();
  }
}

int main(int argc, char **argv) {
  int gso = 0, gro = 0, run = 1;
  const struct option options[] = {{"gso", no_argument, &gso, 1}, {"gro", no_argument, &gro, 1}, {"run", required_argument, NULL, 'r'}, {"turns", required_argument, NULL, 't'}, {0}};
  for (int c; (c = getopt_long(argc, argv, "", options, NULL)) != -1;)
    if ((c == 'r' || c == 't') && atoi(optarg) > run) run = atoi(optarg);
  char **rest = argv + optind;
  int given = argc - optind;
  if (given == 6 && strcmp(rest[0], "send") == 0) {
    seconds = atof(rest[5]);
    alarm(60);
    send_all(rest[1], atoi(rest[2]), atoi(rest[3]), atoi(rest[4]), gso, run);
  }
  if (given == 5 && strcmp(rest[0], "receive") == 0) {
    seconds = atof(rest[3]);
    alarm((unsigned)atoi(rest[4]));
    receive_all(atoi(rest[1]), atoi(rest[2]), gro);
  }
  fprintf(stderr, "usage: udp send|receive …: see the head of udp.c\n");
  return 2;
}
