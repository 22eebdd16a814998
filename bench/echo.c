/*
 * echo NAME SECONDS_MAX
 *
 * Opens a TUN interface and sends every UDP packet and ICMP echo request of IPv4
 * back to where it came from. Prints "ready" once the interface exists. Ends on
 * SIGTERM, or after SECONDS_MAX whatever happens. The measure that bench/echo.ts
 * is held against.
 */
#include "tun.h"

#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdint.h>

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

static void answer(int fd) {
  for (int i = 0; i < FRAMES_PER_TURN; i++) {
    ssize_t length = read(fd, frame, sizeof frame);
    if (length < 0) {
      if (errno == EAGAIN || errno == EINTR) return;
      perror("read");
      exit(1);
    }
    if (!turn_round(frame, (size_t)length)) continue;
    if (write(fd, frame, (size_t)length) < 0 && errno != EAGAIN && errno != EINTR && errno != EIO) {
      perror("write");
      exit(1);
    }
  }
}

int main(int argc, char **argv) {
  if (argc != 3) {
    fprintf(stderr, "usage: echo NAME SECONDS_MAX\n");
    return 2;
  }
  int fd = tun_open(argv[1]);
  alarm((unsigned)atoi(argv[2]));
  say_ready();

  struct pollfd wait = {.fd = fd, .events = POLLIN};
  for (;;) {
    if (poll(&wait, 1, -1) < 0) {
      if (errno == EINTR) continue;
      perror("poll");
      return 1;
    }
    answer(fd);
  }
}
