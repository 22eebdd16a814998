/* What relay.c and echo.c share: opening a TUN, and the line that says so. */
#ifndef BENCH_TUN_H
#define BENCH_TUN_H

#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

/* The largest IP packet: no frame of any MTU is ever cut. */
#define FRAME_BYTES_MAX 65536

/*
 * Frames moved for one direction before the other has its turn. C's best: TCP
 * through the relay ran a tenth slower with 16 or 64, and no faster with 512.
 */
#define FRAMES_PER_TURN 256

static inline int tun_open(const char *name) {
  struct ifreq request = {.ifr_flags = IFF_TUN | IFF_NO_PI};
  if (strlen(name) >= IFNAMSIZ) {
    fprintf(stderr, "%s: name too long\n", name);
    exit(2);
  }
  strcpy(request.ifr_name, name);
  int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
  if (fd < 0 || ioctl(fd, TUNSETIFF, &request) < 0) {
    perror(name);
    exit(1);
  }
  return fd;
}

/* The harness waits for this line before it touches the interfaces. */
static inline void say_ready(void) {
  puts("ready");
  fflush(stdout);
}

#endif
