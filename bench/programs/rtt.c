/*
 * rtt ADDRESS PORT COUNT GAP_US
 *
 * Sends COUNT UDP datagrams to ADDRESS, one each GAP_US microseconds, waits for
 * each to come back, and prints {"p50":…,"p90":…,"p99":…,"lost":N} in
 * microseconds. The first tenth is sent and not counted: the other end, and the
 * path to it, are cold.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define NS_PER_SECOND 1000000000LL
#define ANSWER_TIMEOUT_US 100000

static int64_t now_ns(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return time.tv_sec * NS_PER_SECOND + time.tv_nsec;
}

static void sleep_until_ns(int64_t when) {
  struct timespec time = {.tv_sec = when / NS_PER_SECOND, .tv_nsec = when % NS_PER_SECOND};
  while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &time, NULL) == EINTR) continue;
}

static int ascending(const void *a, const void *b) {
  int64_t one = *(const int64_t *)a, other = *(const int64_t *)b;
  return (one > other) - (one < other);
}

/* Nanoseconds from the datagram to its echo, or -1 if none came in time. */
static int64_t ask(int fd, uint32_t number) {
  uint32_t answer = 0;
  int64_t start = now_ns();
  /* ECONNREFUSED is the answer to an earlier one, not to this. */
  if (send(fd, &number, sizeof number, 0) < 0 && errno != ECONNREFUSED) {
    perror("send");
    exit(1);
  }
  for (;;) {
    ssize_t length = recv(fd, &answer, sizeof answer, 0);
    if (length < 0 && errno != EINTR) return -1;
    /* An echo that comes after its timeout belongs to an earlier datagram. */
    if (length == sizeof answer && answer == number) return now_ns() - start;
  }
}

int main(int argc, char **argv) {
  if (argc != 5) {
    fprintf(stderr, "usage: rtt ADDRESS PORT COUNT GAP_US\n");
    return 2;
  }
  uint32_t count = (uint32_t)strtoul(argv[3], NULL, 10), warm_up = count / 10;
  int64_t gap_ns = strtoll(argv[4], NULL, 10) * 1000;
  struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(argv[2]))};
  int64_t *times = calloc(count, sizeof *times);
  if (times == NULL || count < 10 || inet_pton(AF_INET, argv[1], &to.sin_addr) != 1) {
    fprintf(stderr, "rtt: wrong ADDRESS or COUNT\n");
    return 2;
  }
  struct timeval patience = {.tv_usec = ANSWER_TIMEOUT_US};
  int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof to) < 0 ||
      setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience) < 0) {
    perror("socket");
    return 1;
  }

  size_t got = 0, lost = 0;
  int64_t next = now_ns();
  for (uint32_t i = 0; i < count; i++) {
    sleep_until_ns(next);
    int64_t took = ask(fd, i);
    /* From now, not from the plan: after a hiccup there is no burst to catch up. */
    next = now_ns() + gap_ns;
    if (i < warm_up) continue;
    if (took < 0) lost++;
    else times[got++] = took;
  }
  if (got == 0) {
    fprintf(stderr, "rtt: no answer from %s\n", argv[1]);
    return 1;
  }
  qsort(times, got, sizeof *times, ascending);
  printf("{\"p50\":%.1f,\"p90\":%.1f,\"p99\":%.1f,\"lost\":%zu}\n", (double)times[got / 2] / 1e3,
         (double)times[got * 9 / 10] / 1e3, (double)times[got * 99 / 100] / 1e3, lost);
  return 0;
}
