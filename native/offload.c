/*
 * Segmentation offload as pure functions over bytes: super-packets split into
 * packets, and runs of packets merged into super-packets. No system calls;
 * every header field is checked against the bytes in hand.
 *
 * Numbers, include/uapi/linux/virtio_net.h:
 *
 *   VIRTIO_NET_HDR_F_NEEDS_CSUM 1
 *   VIRTIO_NET_HDR_GSO_NONE 0, VIRTIO_NET_HDR_GSO_TCPV4 1
 *   VIRTIO_NET_HDR_GSO_TCPV6 4, VIRTIO_NET_HDR_GSO_UDP_L4 5
 *   VIRTIO_NET_HDR_GSO_ECN 0x80
 */

struct virtio_net_hdr { u8 flags, gso_type; u16 hdr_len, gso_size, csum_start, csum_offset; };

enum {
	IP_TCP = 6, IP_UDP = 17,
	TCP_CHECK = 16, UDP_CHECK = 6,
	TH_FIN = 0x01, TH_PSH = 0x08, TH_ACK = 0x10, TH_CWR = 0x80,
	/* Of one merged frame: the kernel takes no more pieces (UIO_MAXIOV is 1024), nor more datagrams (UDP_MAX_SEGMENTS). */
	RUN_TCP = 512, RUN_UDP = 64
};

/* Offsets of the parts of a frame. */
struct parts { int ip, transport, payload; u8 version, protocol; };

static u32 get16(const u8 *p) { return (u32)p[0] << 8 | p[1]; }
static u32 get32(const u8 *p) { return get16(p) << 16 | get16(p + 2); }
static void put16(u8 *p, u32 v) { p[0] = (u8)(v >> 8); p[1] = (u8)v; }
static void put32(u8 *p, u32 v) { put16(p, v >> 16); put16(p + 2, v); }

/* Bytes wherever they lie, in machine order. TinyCC inlines no function, and to it memcpy is one. */
#if defined(__TINYC__)
#define LOAD16(p) (*(const u16 *)(p))
#define LOAD32(p) (*(const u32 *)(p))
#define LOAD64(p) (*(const u64 *)(p))
#else
static u16 load16(const u8 *p) { u16 v; memcpy(&v, p, 2); return v; }
static u32 load32(const u8 *p) { u32 v; memcpy(&v, p, 4); return v; }
static u64 load64(const u8 *p) { u64 v; memcpy(&v, p, 8); return v; }
#define LOAD16 load16
#define LOAD32 load32
#define LOAD64 load64
#endif

static int is_same(const u8 *a, const u8 *b, int n)
{
	while (n-- > 0)
		if (*a++ != *b++)
			return 0;
	return 1;
}

static u32 fold(u64 sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (u32)sum;
}

/*
 * Adds the 16-bit words of `p` to a sum in machine order, which is as good as
 * any until it is folded (RFC 1071 section 2). An odd byte counts as if a zero
 * followed it.
 */
static u64 add(u64 sum, const u8 *p, int n)
{
	u32 last = 0;
#if defined(__TINYC__) && defined(__x86_64__)
	/* Twice as fast as what TinyCC makes of the loop below: 58 ns for 1,460 bytes. */
	long blocks = n / 64;
	if (blocks) {
		n -= (int)blocks * 64;
		__asm__ volatile (
			"clc\n"
			"1:\n\t"
			"adcq 0(%1), %0\n\t"
			"adcq 8(%1), %0\n\t"
			"adcq 16(%1), %0\n\t"
			"adcq 24(%1), %0\n\t"
			"adcq 32(%1), %0\n\t"
			"adcq 40(%1), %0\n\t"
			"adcq 48(%1), %0\n\t"
			"adcq 56(%1), %0\n\t"
			"leaq 64(%1), %1\n\t"
			"decq %2\n\t"
			"jnz 1b\n\t"
			"adcq $0, %0\n\t"
			: "+r"(sum), "+r"(p), "+r"(blocks) : : "memory", "cc");
		/* Room for what follows. */
		sum = (sum & 0xffffffff) + (sum >> 32);
	}
#endif
	for (; n >= 16; p += 16, n -= 16)
		sum += (u64)LOAD32(p) + LOAD32(p + 4) + LOAD32(p + 8) + LOAD32(p + 12);
	for (; n >= 4; p += 4, n -= 4)
		sum += LOAD32(p);
	memcpy(&last, p, (size)n);
	return sum + last;
}

/* A number as it is summed: in network order. */
static u32 word(u32 v) { return (v & 0xff) << 8 | v >> 8; }

/* What the transport checksum covers beside the segment itself: addresses and protocol, and its length (RFC 9293 section 3.1, RFC 8200 section 8.1). */
static u64 pseudo(const u8 *f, const struct parts *p, int length)
{
	u64 sum = p->version == 4 ? add(0, f + p->ip + 12, 8) : add(0, f + p->ip + 8, 32);
	return sum + word(p->protocol) + word((u32)length & 0xffff);
}

static int check_offset(const struct parts *p) { return p->transport + (p->protocol == IP_TCP ? TCP_CHECK : UDP_CHECK); }

/* The field is the sum's complement, of which memory order is network order; 0 would say that UDP has none. */
static void store_sum(u8 *f, int at, u64 sum, int udp)
{
	u32 check = ~fold(sum) & 0xffff;
	if (udp && check == 0)
		check = 0xffff;
	f[at] = (u8)check;
	f[at + 1] = (u8)(check >> 8);
}

/*
 * Where the parts of a TCP or UDP packet are, its headers being all there;
 * 0 if it is none. `link` is 1 for an Ethernet frame, with up to two tags.
 */
static int find_parts(const u8 *f, int n, int link, struct parts *p)
{
	int at = 0, next, tags;
	if (link) {
		for (at = 12, tags = 0; at + 2 <= n && (get16(f + at) == 0x8100 || get16(f + at) == 0x88a8); at += 4)
			if (++tags > 2)
				return 0;
		at += 2;
	}
	if (at + 20 > n)
		return 0;
	p->ip = at;
	p->version = f[at] >> 4;
	/* Whoever gets the frame goes by its type. */
	if (link && get16(f + at - 2) != (p->version == 4 ? 0x0800u : 0x86ddu))
		return 0;
	if (p->version == 4) {
		next = f[at + 9];
		at += (f[at] & 15) * 4;
		if (at < p->ip + 20)
			return 0;
	} else if (p->version == 6 && at + 40 <= n) {
		next = f[at + 6];
		at += 40;
		/* Hop-by-hop options, routing, destination options: RFC 8200 section 4. */
		while (next == 0 || next == 43 || next == 60) {
			if (at + 8 > n)
				return 0;
			next = f[at];
			at += 8 + f[at + 1] * 8;
		}
	} else
		return 0;
	p->protocol = (u8)next;
	p->transport = at;
	if (next == IP_TCP) {
		if (at + 20 > n || f[at + 12] >> 4 < 5)
			return 0;
		at += (f[at + 12] >> 4) * 4;
	} else if (next == IP_UDP)
		at += 8;
	else
		return 0;
	p->payload = at;
	return at <= n;
}

/* Splitting */

struct split {
	const u8 *frame;
	struct parts p;
	int length, at, gso_size, index;
	/* The sum of the pseudo-header, but for the length. */
	u32 pseudo;
};

/* Completes the checksum of a frame that is no super-packet. 0 if the header does not fit the bytes. */
static int finish_checksum(u8 *f, int n, const struct virtio_net_hdr *h)
{
	int at = h->csum_start + h->csum_offset;
	if (h->csum_start >= n || at + 2 > n)
		return 0;
	store_sum(f, at, add(0, f + h->csum_start, n - h->csum_start), h->csum_offset == UDP_CHECK);
	return 1;
}

/* Begins to split `f`, which has to stay; returns the number of packets in it, or 0 if header and bytes do not agree. */
static int split_begin(struct split *s, const u8 *f, int n, const struct virtio_net_hdr *h, int link)
{
	int type = h->gso_type & ~0x80, protocol = type == 5 ? IP_UDP : IP_TCP;
	if ((type != 1 && type != 4 && type != 5) || !h->gso_size || !find_parts(f, n, link, &s->p))
		return 0;
	if (s->p.protocol != protocol || (type == 1 && s->p.version != 4) || (type == 4 && s->p.version != 6))
		return 0;
	if ((h->flags & 1) && (h->csum_start != s->p.transport || h->csum_start + h->csum_offset != check_offset(&s->p)))
		return 0;
	if (s->p.payload >= n || n - s->p.ip > (s->p.version == 4 ? 65535 : 65535 + 40))
		return 0;
	/* The kernel's own, where it gives it: with a source route, that of the last destination (RFC 8200 section 8.1). */
	if (h->flags & 1)
		s->pseudo = fold((u64)LOAD16(f + check_offset(&s->p)) + word(~(u32)(n - s->p.transport) & 0xffff));
	else
		s->pseudo = fold(pseudo(f, &s->p, 0));
	s->frame = f;
	s->length = n;
	s->at = s->p.payload;
	s->gso_size = h->gso_size;
	s->index = 0;
	return (n - s->at + s->gso_size - 1) / s->gso_size;
}

/* Bytes of the next packet; 0 if there is none. */
static int split_length(const struct split *s)
{
	int left = s->length - s->at;
	return left <= 0 ? 0 : s->p.payload + (left < s->gso_size ? left : s->gso_size);
}

/* Writes the next packet, of split_length() bytes. */
static void split_next(struct split *s, u8 *out)
{
	const struct parts *p = &s->p;
	int n = split_length(s), body = n - p->payload, check = check_offset(p), last = s->at + body == s->length;
	u8 *ip = out + p->ip, *transport = out + p->transport;
	memcpy(out, s->frame, (size)p->payload);
	memcpy(out + p->payload, s->frame + s->at, (size)body);
	if (p->version == 4) {
		put16(ip + 2, (u32)(n - p->ip));
		put16(ip + 4, get16(ip + 4) + (u32)s->index);
		put16(ip + 10, 0);
		store_sum(ip, 10, add(0, ip, p->transport - p->ip), 0);
	} else
		put16(ip + 4, (u32)(n - p->ip - 40));
	if (p->protocol == IP_TCP) {
		put32(transport + 4, get32(transport + 4) + (u32)(s->at - p->payload));
		if (!last)
			transport[13] &= ~(TH_FIN | TH_PSH);
		if (s->index)
			transport[13] &= ~TH_CWR;
	} else
		put16(transport + 4, (u32)(n - p->transport));
	put16(out + check, 0);
	store_sum(out, check, add(s->pseudo + word((u32)(n - p->transport)), transport, n - p->transport), p->protocol == IP_UDP);
	s->at += body;
	s->index++;
}

/* Merging */

/* Packets of one flow, one behind the other, that lie where their sender has them. */
struct run {
	struct parts p;
	int count, size, total, closed;
	u32 next;
	const u8 *frame[RUN_TCP];
	int length[RUN_TCP];
	/* The virtio header, and the headers of the merged frame: Ethernet with two tags, IP, TCP. */
	u8 header[10 + 22 + 40 + 60];
};

/* Whether a packet may be merged with others: nothing about it is odd, and its checksums are right. */
static int is_candidate(const u8 *f, int n, int link, struct parts *p)
{
	const u8 *ip, *transport;
	if (!find_parts(f, n, link, p) || p->payload >= n)
		return 0;
	ip = f + p->ip;
	transport = f + p->transport;
	if (p->version == 4) {
		if (p->transport != p->ip + 20 || (int)get16(ip + 2) != n - p->ip || (get16(ip + 6) & ~0x4000u) || fold(add(0, ip, 20)) != 0xffff)
			return 0;
	} else if (p->transport != p->ip + 40 || (int)get16(ip + 4) != n - p->ip - 40)
		return 0;
	if (p->protocol == IP_TCP) {
		if ((transport[12] & 15) || (transport[13] & ~TH_PSH) != TH_ACK || get16(transport + 18))
			return 0;
	} else if ((int)get16(transport + 4) != n - p->transport || !get16(transport + 6))
		return 0;
	return fold(add(pseudo(f, p, n - p->transport), transport, n - p->transport)) == 0xffff;
}

/* Whether a candidate goes on where the run ends. */
static int continues(const struct run *r, const u8 *f, int n, const struct parts *p)
{
	const u8 *first = r->frame[0], *ip = f + p->ip, *ip0 = first + p->ip, *t = f + p->transport, *t0 = first + p->transport;
	int body = n - p->payload;
	if (r->closed || r->count >= (p->protocol == IP_TCP ? RUN_TCP : RUN_UDP))
		return 0;
	if (p->version != r->p.version || p->protocol != r->p.protocol || p->ip != r->p.ip || p->payload != r->p.payload)
		return 0;
	if (body > r->size || p->payload - p->ip + r->total + body > 65535 || !is_same(f, first, p->ip))
		return 0;
	if (p->version == 4) {
		/* Version and TOS; flags, TTL and protocol; both addresses. */
		if (LOAD16(ip) != LOAD16(ip0) || LOAD32(ip + 6) != LOAD32(ip0 + 6) || LOAD64(ip + 12) != LOAD64(ip0 + 12))
			return 0;
		/* A packet that must not be fragmented has an identification without meaning (RFC 6864 section 4.1); else it counts up. */
		if (!(ip[6] & 0x40) && get16(ip + 4) != ((get16(ip0 + 4) + (u32)r->count) & 0xffff))
			return 0;
	} else if (LOAD32(ip) != LOAD32(ip0) || LOAD16(ip + 6) != LOAD16(ip0 + 6) || LOAD64(ip + 8) != LOAD64(ip0 + 8)
		|| LOAD64(ip + 16) != LOAD64(ip0 + 16) || LOAD64(ip + 24) != LOAD64(ip0 + 24) || LOAD64(ip + 32) != LOAD64(ip0 + 32))
		return 0;
	if (LOAD32(t) != LOAD32(t0))
		return 0;
	if (p->protocol == IP_UDP)
		return 1;
	/* Acknowledgement, header length, window; options, of whole words. */
	if (get32(t + 4) != r->next || LOAD32(t + 8) != LOAD32(t0 + 8) || t[12] != t0[12] || LOAD16(t + 14) != LOAD16(t0 + 14))
		return 0;
	for (t += 20, t0 += 20; t < f + p->payload; t += 4, t0 += 4)
		if (LOAD32(t) != LOAD32(t0))
			return 0;
	return 1;
}

/* Takes a candidate into the run: as its first, or as one that continues it. */
static void run_add(struct run *r, const u8 *f, int n, const struct parts *p)
{
	int body = n - p->payload;
	if (!r->count) {
		r->p = *p;
		r->size = body;
		r->total = 0;
		r->closed = 0;
	}
	r->frame[r->count] = f;
	r->length[r->count++] = n;
	r->total += body;
	if (p->protocol == IP_TCP) {
		r->next = get32(f + p->transport + 4) + (u32)body;
		r->closed = (f[p->transport + 13] & TH_PSH) != 0;
	}
	if (body < r->size)
		r->closed = 1;
}

/* Makes the headers of the merged frame, of more than one packet; returns their bytes. Behind them come the payloads. */
static int run_headers(struct run *r)
{
	const struct parts *p = &r->p;
	struct virtio_net_hdr h;
	u8 *f = r->header + 10, *ip = f + p->ip;
	int length = p->payload - p->transport + r->total;
	u32 sum;
	memcpy(f, r->frame[0], (size)p->payload);
	if (p->version == 4) {
		put16(ip + 2, (u32)(p->payload - p->ip + r->total));
		put16(ip + 10, 0);
		store_sum(ip, 10, add(0, ip, 20), 0);
	} else
		put16(ip + 4, (u32)(p->payload - p->ip - 40 + r->total));
	if (p->protocol == IP_TCP)
		f[p->transport + 13] |= r->frame[r->count - 1][p->transport + 13] & TH_PSH;
	else
		put16(f + p->transport + 4, (u32)length);
	sum = fold(pseudo(f, p, length));
	f[check_offset(p)] = (u8)sum;
	f[check_offset(p) + 1] = (u8)(sum >> 8);
	h.flags = 1;
	h.gso_type = p->protocol == IP_UDP ? 5 : p->version == 4 ? 1 : 4;
	h.hdr_len = (u16)p->payload;
	h.gso_size = (u16)r->size;
	h.csum_start = (u16)p->transport;
	h.csum_offset = (u16)(check_offset(p) - p->transport);
	memcpy(r->header, &h, 10);
	return 10 + p->payload;
}
