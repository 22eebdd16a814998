/*
 * Splitting: two bytes of options (1: Ethernet; room and number of frames of
 * each read), the virtio header, the frame. What comes out has to be the
 * payload, whole and in order, behind headers that are right; and the same
 * through vnet_read(), in pieces of any size.
 */
#include "common.h"

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
extern void __asan_poison_memory_region(void const volatile *, size);
extern void __asan_unpoison_memory_region(void const volatile *, size);
#define POISON(p, n) __asan_poison_memory_region(p, n)
#define UNPOISON(p, n) __asan_unpoison_memory_region(p, n)
#endif
#endif
#ifndef POISON
#define POISON(p, n) (void)(p)
#define UNPOISON(p, n) (void)(p)
#endif

/* AddressSanitizer does not see what the loops write. */
enum { GUARD = 128 };

static const u8 *message;
static int message_length;
static struct receiving rx;

static int fake_read(long number, int fd, const void *to, size room)
{
	int n = message_length;
	(void)fd;
	message_length = -1;
	if (n < 0)
		return -EAGAIN;
	CHECK(number == NR_read && to == rx.frame && room == FRAME_MAX && n <= FRAME_MAX);
	memcpy(rx.frame, message, (size)n);
	/* Nothing behind the frame is to be looked at. */
	POISON(rx.frame + n, FRAME_MAX - (size)n);
	return n;
}

/* One packet of a super-packet: `at` is where its payload was. */
static void check_packet(const struct split *s, const struct virtio_net_hdr *h, const u8 *p, int n, int index, int at, int is_last)
{
	const struct parts *q = &s->p;
	const u8 *whole = s->frame, *ip = p + q->ip, *t = p + q->transport;
	int body = n - q->payload, check = q->protocol == 6 ? 16 : 6;
	u32 sum, expected;
	CHECK(!memcmp(p + q->payload, whole + at, (size)body));
	CHECK(!memcmp(p, whole, (size)q->ip) && !memcmp(t, whole + q->transport, 4));
	if (q->version == 4) {
		CHECK((int)get16(ip + 2) == n - q->ip);
		CHECK(get16(ip + 4) == ((get16(whole + q->ip + 4) + (u32)index) & 0xffff));
		CHECK(slow_sum(0, ip, q->transport - q->ip) == 0xffff);
		CHECK(!memcmp(ip + 6, whole + q->ip + 6, 4) && !memcmp(ip + 12, whole + q->ip + 12, (size)(q->transport - q->ip - 12)));
	} else {
		CHECK((int)get16(ip + 4) == n - q->ip - 40);
		CHECK(!memcmp(ip, whole + q->ip, 4) && !memcmp(ip + 6, whole + q->ip + 6, (size)(q->transport - q->ip - 6)));
	}
	if (q->protocol == 6) {
		u8 was = whole[q->transport + 13], lost = (is_last ? 0 : 0x09) | (index ? 0x80 : 0);
		CHECK(get32(t + 4) == get32(whole + q->transport + 4) + (u32)(at - q->payload));
		CHECK(t[13] == (was & ~lost) && t[12] == whole[q->transport + 12]);
		CHECK(!memcmp(t + 8, whole + q->transport + 8, 4) && !memcmp(t + 14, whole + q->transport + 14, 2));
		CHECK(!memcmp(t + 18, whole + q->transport + 18, (size)(q->payload - q->transport - 18)));
	} else
		CHECK((int)get16(t + 4) == n - q->transport);
	/* The pseudo-header: the kernel's own sum, with another length in it; or made of the addresses. */
	if (h->flags & 1)
		expected = slow_add(get16(whole + q->transport + check), ~(u32)(s->length - q->transport) & 0xffff);
	else if (q->version == 4)
		expected = slow_sum(q->protocol, ip + 12, 8);
	else
		expected = slow_sum(q->protocol, ip + 8, 32);
	expected = slow_add(expected, (u32)(n - q->transport));
	sum = slow_sum(0, t, check);
	sum = slow_add(sum, slow_sum(0, t + check + 2, n - q->transport - check - 2));
	sum = slow_add(sum, expected);
	CHECK(is_same_sum(get16(t + check), ~sum & 0xffff));
	CHECK(q->protocol == 6 || get16(t + check) != 0);
}

int LLVMFuzzerTestOneInput(const u8 *data, size given)
{
	struct virtio_net_hdr h;
	struct split s;
	int n = (int)given - 12, link, told, i, at, length, room, count, lengths[64], total = 0, malformed, finished = 0, turn, guard;
	u8 *frame, *packet, *all, *end, *slab;
	if (n < 0 || n > FRAME_MAX - 10)
		return 0;
	guard = USE_LOOPS(n & 1) ? GUARD : 0;
	link = data[0] & 1;
	room = data[0] >> 1 << 6;
	count = 1 + data[1] % 64;
	memcpy(&h, data + 2, sizeof h);
	frame = copy_of(data + 12, n);
	told = split_begin(&s, frame, n, &h, link);
	CHECK(told >= 0);
	/* All packets, each right behind the one before. */
	all = end = malloc((size)(told ? told * (s.p.payload + 7) + n : n) + 8);
	for (i = 0, at = told ? s.p.payload : 0; i < told; i++, at += h.gso_size) {
		length = split_length(&s);
		CHECK(length > s.p.payload && length <= s.p.payload + h.gso_size);
		packet = malloc((size)length);
		split_next(&s, packet);
		check_packet(&s, &h, packet, length, i, at, i == told - 1);
		memcpy(end, packet, (size)length);
		end += length;
		total += length - s.p.payload;
		free(packet);
	}
	CHECK(!told || (split_length(&s) == 0 && total == n - s.p.payload));
	if (!h.gso_type && n) {
		memcpy(end, frame, (size)n);
		finished = !(h.flags & 1) || finish_checksum(end, n, &h);
		end += finished ? n : 0;
	}

	/* The same, read: what comes in one call is never more than fits, nor than was asked for. */
	transfer = fake_read;
	message = data + 2;
	message_length = n + 10;
	malformed = rx.malformed;
	packet = all;
	for (turn = 0;; turn++) {
		int r, k, offset = 0;
		slab = malloc((size)(room + guard + 1));
		memset(slab + room, 0xa5, (size)guard);
		r = vnet_read(3, slab, 0, room, (u8 *)&rx, link, lengths, count);
		if (r < 0) {
			free(slab);
			CHECK(r == -EAGAIN && !rx.held);
			break;
		}
		CHECK(r <= count && (r > 0 || rx.held));
		for (k = 0; k < r; k++) {
			CHECK(offset + lengths[k] <= room && packet + lengths[k] <= end);
			CHECK(!memcmp(slab + offset, packet, (size)lengths[k]));
			packet += lengths[k];
			offset += lengths[k];
		}
		for (k = 0; k < guard; k++)
			CHECK(slab[room + k] == 0xa5);
		free(slab);
		/* Nothing fitted: it has been kept, and comes once there is room. */
		if (r == 0)
			room = room * 2 + 64;
		CHECK(turn < 200000);
	}
	CHECK(packet == end);
	CHECK(rx.malformed - malformed == (told || finished ? 0 : 1));
	UNPOISON(rx.frame, FRAME_MAX);
	free(all);
	free(frame);
	return 0;
}
