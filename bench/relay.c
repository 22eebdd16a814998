/*
 * relay NAME_A NAME_B SECONDS_MAX
 *
 * Opens two TUN interfaces and moves every packet of one to the other, both
 * ways, in one thread. Prints "ready" once both exist, and {"dropped":N} when
 * SIGTERM ends it; it ends after SECONDS_MAX whatever happens. The measure that
 * bench/relay.ts is held against, so it is what a C programmer would write: poll,
 * then read and write until the queue is empty.
 */
#include "tun.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>

static char frame[FRAME_BYTES_MAX];
static unsigned long long dropped;
static volatile sig_atomic_t ending;

static void end(int signal) {
  (void)signal;
  ending = 1;
}

/* Moves what is waiting; a frame that `to` does not take is dropped, as a router does. */
static void forward(int from, int to) {
  for (int i = 0; i < FRAMES_PER_TURN; i++) {
    ssize_t length = read(from, frame, sizeof frame);
    if (length < 0) {
      if (errno == EAGAIN || errno == EINTR) return;
      perror("read");
      exit(1);
    }
    if (write(to, frame, (size_t)length) < 0) {
      /* EIO: that interface is still down. */
      if (errno != EAGAIN && errno != EINTR && errno != EIO) {
        perror("write");
        exit(1);
      }
      dropped++;
    }
  }
}

int main(int argc, char **argv) {
  if (argc != 4) {
    fprintf(stderr, "usage: relay NAME_A NAME_B SECONDS_MAX\n");
    return 2;
  }
  int a = tun_open(argv[1]);
  int b = tun_open(argv[2]);
  alarm((unsigned)atoi(argv[3]));
  signal(SIGTERM, end);
  say_ready();

  struct pollfd fds[2] = {{.fd = a, .events = POLLIN}, {.fd = b, .events = POLLIN}};
  while (!ending) {
    if (poll(fds, 2, -1) < 0) {
      if (errno == EINTR) continue;
      perror("poll");
      return 1;
    }
    if (fds[0].revents != 0) forward(a, b);
    if (fds[1].revents != 0) forward(b, a);
  }
  printf("{\"dropped\":%llu}\n", dropped);
  return 0;
}
