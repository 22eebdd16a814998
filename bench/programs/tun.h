/* What relay.c and echo.c share: opening an interface, and the line that says so. */
#ifndef BENCH_TUN_H
#define BENCH_TUN_H

#include <errno.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <linux/virtio_net.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

/* Linux 6.2 has them; Debian's headers may be older. */
#ifndef TUN_F_USO4
#define TUN_F_USO4 0x20
#define TUN_F_USO6 0x40
#endif

/* What stands before each frame of an interface with IFF_VNET_HDR. */
#define VNET_HEADER_BYTES ((int)sizeof(struct virtio_net_hdr))

/* The largest IP packet, with an Ethernet header, a virtio header and room to spare: no frame of any MTU is ever cut. */
#define FRAME_BYTES_MAX (65536 + 64)

/*
 * Frames moved for one direction before the other has its turn. C's best: TCP
 * through the relay ran a tenth slower with 16 or 64, and no faster with 512.
 */
#define FRAMES_PER_TURN 256

/* `flags` are IFF_*, beside IFF_NO_PI. With IFF_VNET_HDR the kernel may hand over, and takes, super-packets. */
static inline int tun_open(const char *name, int flags) {
  const unsigned tcp = TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6 | TUN_F_TSO_ECN;
  struct ifreq request = {.ifr_flags = (short)(flags | IFF_NO_PI)};
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
  if ((flags & IFF_VNET_HDR) && ioctl(fd, TUNSETOFFLOAD, tcp | TUN_F_USO4 | TUN_F_USO6) < 0 &&
      ioctl(fd, TUNSETOFFLOAD, tcp) < 0) {
    perror("TUNSETOFFLOAD");
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
