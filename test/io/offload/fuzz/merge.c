/*
 * Merging: a program of which each step makes packets, and then all of them
 * are sent. What is written has to be the packets, each once: as they are, or
 * in super-packets that split to them; those of one flow in order. Where the
 * kernel stops or refuses some, these have to be the ones that are kept, given
 * back or told to be refused.
 */
#include "common.h"

/* Enough for more than one of the longest runs, and of the largest; not so much that one input takes long. */
enum { FRAMES = 600, WRITES = 1500, BYTES = 100000 };

static void put32(u8 *p, u32 v) { put16(p, v >> 16); put16(p + 2, v); }

static const u8 *input;
static int input_left;

static u32 next8(void) { return input_left > 0 ? (input_left--, *input++) : 0; }
static u32 next16(void) { u32 high = next8(); return high << 8 | next8(); }

static u8 *frames[FRAMES], *writes[WRITES];
static int lengths[FRAMES], write_lengths[WRITES], frame_count, bytes_left, write_count, attempts, refused, full;

static int fake_writev(long number, int fd, const void *vectors, size count)
{
	const struct iovec *v = vectors;
	int i, n = (int)count, total = 0;
	u8 *to;
	(void)fd;
	attempts++;
	/* A super-packet that is refused, or one in three for want of memory, and no more room from some write on. */
	if (attempts > full)
		return -EAGAIN;
	if (attempts == refused)
		return -EINVAL;
	if (refused > 200 && attempts % 3 == 0 && ((const u8 *)v[0].base)[1])
		return -ENOBUFS;
	CHECK(number == NR_writev && n >= 2 && n <= 1024 && write_count < WRITES);
	for (i = 0; i < n; i++)
		total += (int)v[i].length;
	to = writes[write_count] = malloc((size)total);
	write_lengths[write_count++] = total;
	for (i = 0; i < n; to += v[i++].length)
		memcpy(to, v[i].base, v[i].length);
	return total;
}

/* A flow, and what its next packet is to be like. */
struct flow { u8 version, protocol, tags, tos, ttl, flags, options; u16 id, fragment, ports, window; u32 sequence, acknowledgement; };

static void store_check(u8 *p, int at, u32 sum) { put16(p + at, ~sum & 0xffff); }

static int make(const struct flow *w, int link, int body, u8 *p)
{
	int at = 0, i, transport, n;
	u32 sum;
	memset(p, 0, 150);
	if (link) {
		p[0] = p[6] = 2;
		for (at = 12, i = 0; i < w->tags; i++, at += 4) {
			put16(p + at, i ? 0x8100 : 0x88a8);
			put16(p + at + 2, w->ports);
		}
		put16(p + at, w->version == 4 ? 0x0800 : 0x86dd);
		at += 2;
	}
	transport = at + (w->version == 4 ? 20 : 40);
	n = transport + (w->protocol == 6 ? 20 + w->options * 4 : 8) + body;
	if (w->version == 4) {
		p[at] = 0x45;
		p[at + 1] = w->tos;
		put16(p + at + 2, (u32)(n - at));
		put16(p + at + 4, w->id);
		put16(p + at + 6, w->fragment);
		p[at + 8] = w->ttl;
		p[at + 9] = w->protocol;
		put32(p + at + 12, 0xc0000201);
		put32(p + at + 16, 0xc0000202);
		store_check(p, at + 10, slow_sum(0, p + at, 20));
		sum = slow_sum(w->protocol, p + at + 12, 8);
	} else {
		put32(p + at, 0x60000000 + w->tos);
		put16(p + at + 4, (u32)(n - at - 40));
		p[at + 6] = w->protocol;
		p[at + 7] = w->ttl;
		put32(p + at + 8, 0x20010db8);
		put32(p + at + 24, 0x20010db8);
		sum = slow_sum(w->protocol, p + at + 8, 32);
	}
	put16(p + transport, w->ports);
	put16(p + transport + 2, 5201);
	if (w->protocol == 6) {
		put32(p + transport + 4, w->sequence);
		put32(p + transport + 8, w->acknowledgement);
		p[transport + 12] = (u8)((5 + w->options) << 4);
		p[transport + 13] = w->flags;
		put16(p + transport + 14, w->window);
	} else
		put16(p + transport + 4, (u32)(n - transport));
	for (i = n - body; i < n; i++)
		p[i] = (u8)(i * 7 + w->id);
	sum = ~slow_sum(slow_add(sum, (u32)(n - transport)), p + transport, n - transport) & 0xffff;
	put16(p + transport + (w->protocol == 6 ? 16 : 6), w->protocol == 17 && !sum ? 0xffff : sum);
	return n;
}

static void add_frame(const u8 *p, int n)
{
	if (frame_count < FRAMES && bytes_left > 0) {
		bytes_left -= n;
		frames[frame_count] = copy_of(p, n);
		lengths[frame_count++] = n;
	}
}

/* Runs the program: up to four flows, whose fields steps change, of which steps send, and packets of any bytes. */
static void make_frames(int link)
{
	static u8 packet[70000];
	struct flow flows[4], *w;
	int i, n, body, times;
	u32 step, value;
	for (i = 0; i < 4; i++) {
		struct flow first = { i & 1 ? 6 : 4, i & 2 ? 17 : 6, (u8)i, 0, 64, 0x10, 3, 0, 0x4000, (u16)(40000 + i), 501, 1000, 2000 };
		flows[i] = first;
		flows[i].tags = (u8)(i % 3);
	}
	bytes_left = BYTES;
	for (frame_count = 0; input_left > 0 && bytes_left > 0;) {
		step = next8();
		w = &flows[step & 3];
		value = step >> 2 & 15;
		if (step & 0x80) {
			/* Some packets in a row, of one size. */
			body = (int)next16() % 2000;
			for (times = (int)value * 5 + 1; times > 0 && bytes_left > 0; times--) {
				add_frame(packet, make(w, link, body, packet));
				w->sequence += (u32)body;
				w->id++;
			}
		} else if (step & 0x40) {
			/* Any bytes, or the last packet with one of its bytes changed. */
			if (value < 8 || !frame_count) {
				n = (int)(next16() % 1600);
				if (n > input_left)
					n = input_left;
				add_frame(input, n);
				input += n;
				input_left -= n;
			} else if (lengths[frame_count - 1])
				frames[frame_count - 1][next16() % (u32)lengths[frame_count - 1]] ^= (u8)next8();
		} else switch (value) {
		case 0: w->flags = (u8)next8(); break;
		case 1: w->tos = (u8)next8(); break;
		case 2: w->ttl = (u8)next8(); break;
		case 3: w->fragment = (u16)next16(); break;
		case 4: w->id = (u16)next16(); break;
		case 5: w->ports = (u16)next16(); break;
		case 6: w->window = (u16)next16(); break;
		case 7: w->options = (u8)(next8() % 11); break;
		case 8: w->acknowledgement += next8(); break;
		case 9: w->sequence += next16() << 16; break;
		case 10: w->sequence -= next8(); break;
		case 11: w->tags = (u8)(next8() % 4); break;
		case 12: w->version = next8() & 1 ? 4 : 6; break;
		default: w->protocol = next8() & 1 ? 6 : 17; break;
		}
	}
}

/* Tells whether they are the same but for what merging may change: identification where DF is set, and how a sum of zero is written. */
static int is_like(const u8 *a, const u8 *b, int n, int link)
{
	struct parts p;
	u8 *x = copy_of(a, n), *y = copy_of(b, n);
	u8 *both[2];
	int i, at, like;
	both[0] = x;
	both[1] = y;
	if (memcmp(a, b, (size)n) && find_parts(x, n, link, &p)) {
		for (i = 0; i < 2; i++) {
			u8 *f = both[i];
			if (p.version == 4 && f[p.ip + 6] & 0x40 && slow_sum(0, f + p.ip, 20) == 0xffff) {
				put16(f + p.ip + 4, 0);
				put16(f + p.ip + 10, 0);
			} else if (p.version == 4 && get16(f + p.ip + 10) == 0xffff)
				put16(f + p.ip + 10, 0);
			at = p.transport + 16;
			if (p.protocol == 6 && get16(f + at) == 0xffff)
				put16(f + at, 0);
		}
	}
	like = !memcmp(x, y, (size)n);
	free(x);
	free(y);
	return like;
}

/* What a frame tells of its flow, found without the code under test. */
struct key { int known, size; u8 addresses[32], ports[5]; };

static void find_key(const u8 *f, int n, int link, struct key *k)
{
	int at = 0, tags, type = 0, protocol;
	memset(k, 0, sizeof *k);
	if (link) {
		for (at = 12, tags = 0; at + 2 <= n; at += 4, tags++) {
			type = f[at] << 8 | f[at + 1];
			if ((type != 0x8100 && type != 0x88a8) || tags == 2)
				break;
		}
		at += 2;
	}
	f += at;
	n -= at;
	if (n < 20 || (link && type != (f[0] >> 4 == 4 ? 0x0800 : 0x86dd)))
		return;
	if (f[0] == 0x45) {
		k->size = 8;
		protocol = f[9];
		memcpy(k->addresses, f + 12, 8);
		if ((f[6] & 0xbf) || f[7])
			protocol = 0;
		at = 20;
	} else if (f[0] >> 4 == 6 && n >= 40 && f[6] != 0 && f[6] != 43 && f[6] != 60) {
		k->size = 32;
		protocol = f[6];
		memcpy(k->addresses, f + 8, 32);
		at = 40;
	} else
		return;
	k->known = 1;
	if ((protocol == 6 || protocol == 17) && n >= at + 4) {
		k->known = 2;
		k->ports[0] = (u8)protocol;
		memcpy(k->ports + 1, f + at, 4);
	}
}

static int must_keep_order(const struct key *a, const struct key *b)
{
	if (!a->known || !b->known)
		return 1;
	if (a->size != b->size || memcmp(a->addresses, b->addresses, 32))
		return 0;
	return a->known < 2 || b->known < 2 || !memcmp(a->ports, b->ports, 5);
}

/* The place at which each frame came out: 0 for nowhere. */
static int places[FRAMES], place_count;

/* A frame that came out: the first of those that are like it and have not come out yet. */
static void came_out(const u8 *p, int n, int taken, int link)
{
	int i;
	for (i = 0; i < taken; i++)
		if (!places[i] && lengths[i] == n && is_like(p, frames[i], n, link))
			break;
	CHECK(i < taken);
	places[i] = ++place_count;
}

/* The packets of one write. */
static void check_write(const u8 *write, int length, int taken, int link)
{
	static u8 packet[70000];
	static const u8 none[10];
	struct virtio_net_hdr h;
	struct split s;
	const u8 *f = write + 10;
	int told, n = length - 10;
	memcpy(&h, write, 10);
	if (!h.gso_type) {
		CHECK(!memcmp(write, none, 10));
		came_out(f, n, taken, link);
		return;
	}
	told = split_begin(&s, f, n, &h, link);
	CHECK(told > 1 && told <= (h.gso_type == 5 ? 64 : 512));
	CHECK(h.gso_type == 5 || h.gso_size >= 8);
	CHECK(h.flags == 1 && h.hdr_len == s.p.payload && n - s.p.ip <= 65535);
	CHECK(s.p.version == 6 || ((int)get16(f + s.p.ip + 2) == n - s.p.ip && slow_sum(0, f + s.p.ip, 20) == 0xffff));
	CHECK(s.p.version == 4 || (int)get16(f + s.p.ip + 4) == n - s.p.ip - 40);
	CHECK(!link || h.gso_type == 5 || get16(f + s.p.ip - 2) == (h.gso_type == 1 ? 0x0800u : 0x86ddu));
	while ((n = split_length(&s)) > 0) {
		split_next(&s, packet);
		came_out(packet, n, taken, link);
	}
}

/* The frames that are kept come out last. */
static void check_kept(struct sending *tx, int taken, int link)
{
	static int kept_lengths[FRAMES];
	u8 *bytes = malloc((size)tx->kept_bytes + 1), *at = bytes;
	int i, count = tx->kept;
	CHECK(count <= taken && tx_keep((u8 *)tx, bytes, kept_lengths) == count);
	for (i = 0; i < count; at += kept_lengths[i++])
		came_out(at, kept_lengths[i], taken, link);
	CHECK(at == bytes + tx->kept_bytes);
	free(bytes);
}

static void check_order(int taken, int link)
{
	static struct key keys[FRAMES];
	int i, k;
	for (i = 0; i < taken; i++) {
		find_key(frames[i], lengths[i], link, &keys[i]);
		for (k = 0; k < i; k++)
			CHECK(places[k] < places[i] || !places[i] || !must_keep_order(&keys[k], &keys[i]));
	}
}

/* Frames that lie apart, so that AddressSanitizer sees what is read beside one. Returns how many were taken. */
static int push_one_by_one(struct sending *tx, int link)
{
	static const int none = 0;
	int i = 0;
	while (i < frame_count && vnet_push_many(3, (u8 *)tx, frames[i], &none, &lengths[i], 1, link) == 1)
		i++;
	return i;
}

static u8 *together;

/* The frames one behind the other, in one call. */
static int push_at_once(struct sending *tx, int link)
{
	static int offsets[FRAMES];
	int i, total = 0;
	for (i = 0; i < frame_count; total += lengths[i++])
		offsets[i] = total;
	together = malloc((size)total + 1);
	for (i = 0; i < frame_count; i++)
		memcpy(together + offsets[i], frames[i], (size)lengths[i]);
	return vnet_push_many(3, (u8 *)tx, together, offsets, lengths, frame_count, link);
}

int LLVMFuzzerTestOneInput(const u8 *data, size given)
{
	static struct sending tx;
	int i, r = 0, link, taken;
	if (given < 4)
		return 0;
	USE_LOOPS((int)given & 1);
	input = data;
	input_left = (int)given;
	link = next8() & 1;
	tx.off = (int)next8() & 15;
	/* Zero for never: what is tried first has to be the merging itself. */
	refused = (int)next8();
	full = (int)next8();
	if (!full)
		full = 1 << 30;
	make_frames(link);
	transfer = fake_writev;
	write_count = attempts = place_count = 0;
	memset(places, 0, sizeof places);
	i = given & 2 ? push_at_once(&tx, link) : push_one_by_one(&tx, link);
	if (i < frame_count)
		r = -EAGAIN;
	else
		r = vnet_flush(3, (u8 *)&tx);
	CHECK(tx.flows.open == 0 && !tx.flows.last && tx.window.count == 0);
	CHECK(r == 0 || r == -EAGAIN);
	CHECK(tx.pending >= 0 && tx.pending <= i && (r < 0 || tx.pending == 0));
	taken = r < 0 ? i - tx.pending : frame_count;
	CHECK(r < 0 || i == frame_count);

	/* Refused ones are not to come out again. */
	CHECK(tx.refused <= taken);
	for (i = 0; i < tx.refused; i++) {
		CHECK(tx.refusals[i].at < taken && tx.refusals[i].error == -EINVAL && !places[tx.refusals[i].at]);
		places[tx.refusals[i].at] = -1;
	}
	for (i = 0; i < write_count; i++) {
		check_write(writes[i], write_lengths[i], taken, link);
		free(writes[i]);
	}
	if (r < 0)
		check_kept(&tx, taken, link);
	CHECK(place_count + tx.refused == taken);
	for (i = 0; i < taken; i++)
		if (places[i] < 0)
			places[i] = 0;
	check_order(taken, link);
	tx.refused = 0;
	for (i = 0; i < frame_count; i++)
		free(frames[i]);
	free(together);
	together = 0;
	return 0;
}
