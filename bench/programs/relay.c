/*
 * relay [--tap] [--vnet] [--threads] [--napi] NAME_A NAME_B SECONDS_MAX
 *
 * Opens two interfaces and moves every frame of one to the other, both ways.
 * Prints "ready" once both exist, and {"dropped":N} when SIGTERM ends it; it ends
 * after SECONDS_MAX whatever happens. The measure that relay.ts is held against,
 * so it is what a C programmer would write: poll, then read and write until the
 * queue is empty.
 *
 *   --tap      Ethernet frames, not IP packets
 *   --vnet     with virtio headers, passed through: super-packets stay whole
 *   --threads  a thread for each direction, which blocks in read
 *   --napi     IFF_NAPI: the kernel merges what is written (GRO)
 */
#include "tun.h"

#include <getopt.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>

/* One way through the relay. */
struct direction {
  int from, to;
  unsigned long long dropped;
  char frame[FRAME_BYTES_MAX];
};

static struct direction there, back;
static volatile sig_atomic_t ending;

static void end(int signal) {
  (void)signal;
  ending = 1;
}

/* Moves one frame, which is dropped if `to` does not take it, as a router does. 0 if there is none. */
static int forward(struct direction *way) {
  ssize_t length = read(way->from, way->frame, sizeof way->frame);
  if (length < 0) {
    if (errno == EAGAIN || errno == EINTR) return 0;
    perror("read");
    exit(1);
  }
  if (write(way->to, way->frame, (size_t)length) < 0) {
    /* EIO: that interface is still down. */
    if (errno != EAGAIN && errno != EINTR && errno != EIO) {
      perror("write");
      exit(1);
    }
    way->dropped++;
  }
  return 1;
}

static void forward_waiting(struct direction *way) {
  for (int i = 0; i < FRAMES_PER_TURN && forward(way); i++) continue;
}

static void relay_in_turns(void) {
  struct pollfd fds[2] = {{.fd = there.from, .events = POLLIN}, {.fd = back.from, .events = POLLIN}};
  while (!ending) {
    if (poll(fds, 2, -1) < 0) {
      if (errno == EINTR) continue;
      perror("poll");
      exit(1);
    }
    if (fds[0].revents != 0) forward_waiting(&there);
    if (fds[1].revents != 0) forward_waiting(&back);
  }
}

static void *relay_back(void *unused) {
  for (;;) forward(&back);
  return unused;
}

static void relay_in_threads(void) {
  pthread_t thread;
  sigset_t term;
  if (fcntl(there.from, F_SETFL, 0) < 0 || fcntl(back.from, F_SETFL, 0) < 0) {
    perror("fcntl");
    exit(1);
  }
  /* The signal is for the thread that looks at `ending`. */
  sigemptyset(&term);
  sigaddset(&term, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &term, NULL);
  errno = pthread_create(&thread, NULL, relay_back, NULL);
  if (errno != 0) {
    perror("pthread_create");
    exit(1);
  }
  pthread_sigmask(SIG_UNBLOCK, &term, NULL);
  while (!ending) forward(&there);
}

int main(int argc, char **argv) {
  int tap = 0, vnet = 0, threads = 0, napi = 0, wrong = 0;
  const struct option options[] = {
      {"tap", no_argument, &tap, 1},         {"vnet", no_argument, &vnet, 1}, {"threads", no_argument, &threads, 1},
      {"napi", no_argument, &napi, 1}, {0},
  };
  for (int c; (c = getopt_long(argc, argv, "", options, NULL)) != -1;) wrong |= c != 0;
  if (wrong || argc - optind != 3) {
    fprintf(stderr, "usage: relay [--tap] [--vnet] [--threads] [--napi] NAME_A NAME_B SECONDS_MAX\n");
    return 2;
  }
  int flags = (tap ? IFF_TAP : IFF_TUN) | (vnet ? IFF_VNET_HDR : 0) | (napi ? IFF_NAPI : 0);
  there.from = back.to = tun_open(argv[optind], flags);
  back.from = there.to = tun_open(argv[optind + 1], flags);
  alarm((unsigned)atoi(argv[optind + 2]));
  /* Without SA_RESTART: a read that blocks has to end. */
  sigaction(SIGTERM, &(struct sigaction){.sa_handler = end}, NULL);
  say_ready();
  if (threads) relay_in_threads();
  else relay_in_turns();
  printf("{\"dropped\":%llu}\n", there.dropped + back.dropped);
  return 0;
}
