/*
 * echo [--vnet] [--idle N] NAME SECONDS_MAX
 *
 * Opens a TUN interface and sends every UDP packet and ICMP echo request of IPv4
 * back to where it came from. Prints "ready" once the interface exists. Ends on
 * SIGTERM, or after SECONDS_MAX whatever happens. The measure that echo.ts is
 * held against.
 *
 *   --vnet    with virtio headers, which stay on the frames
 *   --idle N  N more interfaces, idle0 and so on, in the same poll set
 */
#include "tun.h"

#include <getopt.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdint.h>

#define IDLE_MAX 1023
#define IPV4_HEADER_BYTES 20
#define ICMP_ECHO_REQUEST 8

static unsigned char frame[FRAME_BYTES_MAX];

static void swap(unsigned char *one, unsigned char *other, size_t length) {
  unsigned char kept[4];
  memcpy(kept, one, length);
  memcpy(one, other, length);
  memcpy(other, kept, length);
}

/* Makes the frame its own answer; 0 if there is none. Swapping leaves the sums as they are. */
static int turn_round(unsigned char *ip, size_t length) {
  /* Version 4 without options, and the first eight bytes of what it carries. */
  if (length < IPV4_HEADER_BYTES + 8 || ip[0] != 0x45) return 0;
  unsigned char *payload = ip + IPV4_HEADER_BYTES;
  if (ip[9] == IPPROTO_UDP) {
    swap(payload, payload + 2, 2);
  } else if (ip[9] == IPPROTO_ICMP && payload[0] == ICMP_ECHO_REQUEST) {
    /* Type 8 becomes 0, so the one's complement sum grows by 0x0800 (RFC 1624). */
    uint32_t sum = ((uint32_t)payload[2] << 8 | payload[3]) + 0x0800;
    sum += sum >> 16;
    payload[0] = 0;
    payload[2] = (unsigned char)(sum >> 8);
    payload[3] = (unsigned char)sum;
  } else {
    return 0;
  }
  swap(ip + 12, ip + 16, 4);
  return 1;
}

/* `header` bytes stand before each packet, and hold for its answer too: swapping leaves unfinished sums as they are. */
static void answer(int fd, size_t header) {
  for (int i = 0; i < FRAMES_PER_TURN; i++) {
    ssize_t length = read(fd, frame, sizeof frame);
    if (length < 0) {
      if (errno == EAGAIN || errno == EINTR) return;
      perror("read");
      exit(1);
    }
    if (!turn_round(frame + header, (size_t)length - header)) continue;
    if (write(fd, frame, (size_t)length) < 0 && errno != EAGAIN && errno != EINTR && errno != EIO) {
      perror("write");
      exit(1);
    }
  }
}

int main(int argc, char **argv) {
  static struct pollfd fds[1 + IDLE_MAX];
  int vnet = 0, idle = 0, wrong = 0;
  const struct option options[] = {{"vnet", no_argument, &vnet, 1}, {"idle", required_argument, NULL, 'i'}, {0}};
  for (int c; (c = getopt_long(argc, argv, "", options, NULL)) != -1;) {
    if (c == 'i') idle = atoi(optarg);
    else wrong |= c != 0;
  }
  if (wrong || idle < 0 || idle > IDLE_MAX || argc - optind != 2) {
    fprintf(stderr, "usage: echo [--vnet] [--idle N] NAME SECONDS_MAX\n");
    return 2;
  }
  int flags = IFF_TUN | (vnet ? IFF_VNET_HDR : 0);
  fds[0] = (struct pollfd){.fd = tun_open(argv[optind], flags), .events = POLLIN};
  for (int i = 0; i < idle; i++) {
    char name[IFNAMSIZ];
    snprintf(name, sizeof name, "idle%d", i);
    fds[1 + i] = (struct pollfd){.fd = tun_open(name, flags), .events = POLLIN};
  }
  alarm((unsigned)atoi(argv[optind + 1]));
  say_ready();

  for (;;) {
    if (poll(fds, 1 + (nfds_t)idle, -1) < 0) {
      if (errno == EINTR) continue;
      perror("poll");
      return 1;
    }
    for (int i = 0; i <= idle; i++) {
      if (fds[i].revents != 0) answer(fds[i].fd, vnet ? (size_t)VNET_HEADER_BYTES : 0);
    }
  }
}
