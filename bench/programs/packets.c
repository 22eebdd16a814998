/*
 * A tunnel whose datagrams are packets, by the C of native/. A source of its
 * own, because native/ includes no header and declares the kernel's structures
 * itself.
 */
#pragma GCC diagnostic ignored "-Wunused-function"

#include "../../native/kernel.c"
#include "../../native/base.c"
#include "../../native/checksum_x86.c"
#include "../../native/checksum.c"
#include "../../native/parts.c"
#include "../../native/split_x86.c"
#include "../../native/split.c"
#include "../../native/vnet.c"
#include "../../native/merge_x86.c"
#include "../../native/run.c"
#include "../../native/merge.c"
#include "../../native/flows.c"
#include "../../native/write_run.c"
#include "../../native/coalesce.c"
#include "../../native/udp.c"
#include "../../native/udp_peers.c"
#include "../../native/udp_message.c"
#include "../../native/udp_send.c"
#include "../../native/udp_receive.c"

#include "packets.h"

/* C's best: the tunnel was no faster with 128 KiB or 1 MiB. */
enum { SLAB = 256 * 1024, PACKETS_MAX = 2048, PUSH_MAX = 512 };

static struct receiving from_tun;
static struct sending to_tun;
static struct udp udp;
static struct destination peer = {.segment_max = 0xffff};
static u8 slab[SLAB];
static int offsets[PACKETS_MAX], lengths[PACKETS_MAX];

int packets_send(int tun, int socket) {
  int count = vnet_read(tun, slab, 0, SLAB, (u8 *)&from_tun, 0, lengths, PACKETS_MAX);
  for (int i = 0, at = 0; i < count; at += lengths[i++]) offsets[i] = at;
  if (count <= 0) return 0;
  udp_push(socket, (u8 *)&udp, (u8 *)&peer, slab, offsets, lengths, count);
  udp_flush(socket, (u8 *)&udp);
  return count;
}

int packets_receive(int socket, int tun) {
  static int records[4 * PACKETS_MAX];
  int messages = udp_read(socket, (u8 *)&udp, slab, 0, SLAB, records, PACKETS_MAX), count = 0, done = 0;
  for (const int *m = records; messages > 0; messages--, m += 4) {
    for (int at = 0; at < m[1] && count < PACKETS_MAX; at += m[2], count++) {
      offsets[count] = m[0] + at;
      lengths[count] = m[1] - at < m[2] ? m[1] - at : m[2];
    }
  }
  for (; done < count; done += PUSH_MAX)
    vnet_push_many(tun, (u8 *)&to_tun, slab, offsets + done, lengths + done, count - done < PUSH_MAX ? count - done : PUSH_MAX, 0);
  vnet_flush(tun, (u8 *)&to_tun);
  to_tun.refused = to_tun.kept = 0;
  return count;
}
