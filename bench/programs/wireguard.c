/*
 * wireguard NAME PEER PORT SECONDS_MAX
 *
 * One end of a tunnel that seals what tunnel.c passes on in the clear: data
 * messages of the WireGuard protocol with a static key and no handshake,
 * sealed and opened by the same C over libcrypto as in apps/wireguard. A
 * super-packet with its virtio header is cut into messages, which UDP_SEGMENT
 * and UDP_GRO keep together; nothing is split or merged. A bound for every
 * implementation that looks at packets. Prints "ready" once the interface
 * exists.
 */
#include "tunnel.h"

#include "../../apps/wireguard/core/crypto/libcrypto.c"

/* Bytes of a packet in each message but the last. */
#define PIECE_BYTES (DATAGRAM_BYTES - HEADER - TAG)
#define PIECES_MAX (FRAME_BYTES_MAX / PIECE_BYTES + 1)
/* In a byte that the protocol reserves: a super-packet begins with this message. */
#define BEGINS_AT 1

static u8 packet[FRAME_BYTES_MAX + PADDING];
static u8 messages[PIECES_MAX * DATAGRAM_BYTES];
static void *sending, *receiving;
static u64 counter;
/* What has come of the packet that comes now. */
static u8 arriving[2 * FRAME_BYTES_MAX];
static int arrived;

/* The messages of a run, and their lengths. */
static double places[PIECES_MAX];
static int lengths[PIECES_MAX];

static int send_packet(int tun, int udp) {
  int count = 0;
  ssize_t length = read(tun, packet, sizeof packet);
  if (length < 0) return 0;
  for (int at = 0; at < length; at += PIECE_BYTES, count++) {
    places[count] = (double)(uintptr_t)(packet + at);
    lengths[count] = length - at < PIECE_BYTES ? (int)length - at : PIECE_BYTES;
  }
  if (aead_seal(sending, places, lengths, count, PIECE_BYTES, 1, (u32)(counter >> 32), (u32)counter, messages) < 0) exit(1);
  counter += (u64)count;
  messages[BEGINS_AT] = 1;
  for (int i = 0; i < count; i += DATAGRAMS_MAX) {
    int n = count - i < DATAGRAMS_MAX ? count - i : DATAGRAMS_MAX;
    send_run(udp, messages + i * DATAGRAM_BYTES, (size_t)(n - 1) * DATAGRAM_BYTES + (size_t)lengths[i + n - 1]);
  }
  return 1;
}

/* Bytes of the packet that begins behind a virtio header, both together. */
static int packet_length(const u8 *at) {
  const u8 *ip = at + VNET_HEADER_BYTES;
  return VNET_HEADER_BYTES + (ip[0] >> 4 == 4 ? ip[2] << 8 | ip[3] : 40 + (ip[4] << 8 | ip[5]));
}

static int receive_packet(int udp, int tun) {
  static u8 datagrams[FRAME_BYTES_MAX];
  int count = 0;
  ssize_t length = recv(udp, datagrams, sizeof datagrams, 0);
  if (length < 0) return 0;
  for (int at = 0; at < length; at += DATAGRAM_BYTES, count++) {
    places[count] = (double)(uintptr_t)(datagrams + at);
    lengths[count] = length - at < DATAGRAM_BYTES ? (int)length - at : DATAGRAM_BYTES;
  }
  aead_open(receiving, places, lengths, count);
  if (datagrams[BEGINS_AT]) arrived = 0;
  for (int i = 0; i < count; i++) {
    if (lengths[i] < 0) return 1;
    memcpy(arriving + arrived, datagrams + i * DATAGRAM_BYTES + HEADER, (size_t)lengths[i]);
    arrived += lengths[i];
  }
  if (arrived >= packet_length(arriving)) {
    write_packet(tun, arriving, (size_t)packet_length(arriving));
    arrived = 0;
  }
  if (arrived > FRAME_BYTES_MAX) arrived = 0;
  return 1;
}

int main(int argc, char **argv) {
  /* The same key for both directions: good for measuring, and for nothing else. */
  static const u8 key[32] = {42};
  if (aead_load("libcrypto.so.3") < 0 || aead_key(key, 1, &sending) < 0 || aead_key(key, 0, &receiving) < 0) {
    fprintf(stderr, "libcrypto.so.3 is missing\n");
    return 1;
  }
  run_tunnel(argc, argv, send_packet, receive_packet);
}
