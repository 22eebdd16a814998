/*
 * Segmentation offload as pure functions over bytes: where the parts of a
 * packet are, checksums, and super-packets split into packets. No system
 * calls; every header field is checked against the bytes in hand.
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
	TH_FIN = 0x01, TH_PSH = 0x08, TH_ACK = 0x10, TH_CWR = 0x80
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
#if defined(__TINYC__) && defined(__x86_64__)
	/* A third of what TinyCC makes of the loop below. The carry is never lost: it comes with a sum that is not all ones. */
	long blocks = n >> 6, words = n >> 3 & 7;
	__asm__ volatile (
		"testq %2, %2\n\t"
		"jz 2f\n"
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
		"adcq $0, %0\n"
		"2:\n\t"
		"testq %3, %3\n\t"
		"jz 4f\n"
		"3:\n\t"
		"adcq 0(%1), %0\n\t"
		"leaq 8(%1), %1\n\t"
		"decq %3\n\t"
		"jnz 3b\n\t"
		"adcq $0, %0\n"
		"4:\n\t"
		: "+r"(sum), "+r"(p), "+r"(blocks), "+r"(words) : : "memory", "cc");
	/* Room for what follows. */
	sum = (sum & 0xffffffff) + (sum >> 32);
#else
	int words;
	for (words = n >> 3; words > 0; words--, p += 8)
		sum += (u64)LOAD32(p) + LOAD32(p + 4);
#endif
	if (n & 4) {
		sum += LOAD32(p);
		p += 4;
	}
	if (n & 2) {
		sum += LOAD16(p);
		p += 2;
	}
	return n & 1 ? sum + *p : sum;
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

struct split {
	const u8 *frame;
	struct parts p;
	int length, at, gso_size, index;
	/* The sums of the IPv4 header, and of the transport's with its pseudo-header, but for what is another in each packet. */
	u64 ip_sum, head_sum;
};

/* Flags that the last packet alone has, and that the first one alone has (RFC 3168 section 6.1.2). */
enum { LAST_FLAGS = TH_FIN | TH_PSH, FIRST_FLAGS = TH_CWR };

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
	const u8 *ip, *t;
	if ((type != 1 && type != 4 && type != 5) || !h->gso_size || !find_parts(f, n, link, &s->p))
		return 0;
	if (s->p.protocol != protocol || (type == 1 && s->p.version != 4) || (type == 4 && s->p.version != 6))
		return 0;
	if ((h->flags & 1) && (h->csum_start != s->p.transport || h->csum_start + h->csum_offset != check_offset(&s->p)))
		return 0;
	if (s->p.payload >= n || n - s->p.ip > (s->p.version == 4 ? 65535 : 65535 + 40))
		return 0;
	ip = f + s->p.ip;
	t = f + s->p.transport;
	s->ip_sum = s->p.version == 4 ? add(0, ip, s->p.transport - s->p.ip) - LOAD16(ip + 2) - LOAD16(ip + 4) - LOAD16(ip + 10) : 0;
	/* The kernel's own pseudo-header, where it gives it: with a source route, that of the last destination (RFC 8200 section 8.1). */
	if (h->flags & 1)
		s->head_sum = (u64)LOAD16(f + check_offset(&s->p)) + word(~(u32)(n - s->p.transport) & 0xffff);
	else
		s->head_sum = pseudo(f, &s->p, 0);
	if (protocol == IP_TCP)
		s->head_sum += add(0, t, s->p.payload - s->p.transport) - LOAD16(t + 4) - LOAD16(t + 6) - LOAD16(t + TCP_CHECK)
			- word(t[13] & (LAST_FLAGS | FIRST_FLAGS));
	else
		s->head_sum += LOAD32(t);
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
	int n = split_length(s), body = n - p->payload, segment = n - p->transport;
	u8 *ip = out + p->ip, *t = out + p->transport;
	u64 sum = s->head_sum + word((u32)segment);
	memcpy(out, s->frame, (size)p->payload);
	memcpy(out + p->payload, s->frame + s->at, (size)body);
	if (p->version == 4) {
		u32 length = (u32)(n - p->ip), id = (get16(ip + 4) + (u32)s->index) & 0xffff;
		put16(ip + 2, length);
		put16(ip + 4, id);
		store_sum(ip, 10, s->ip_sum + word(length) + word(id), 0);
	} else
		put16(ip + 4, (u32)(n - p->ip - 40));
	if (p->protocol == IP_TCP) {
		u32 sequence = get32(t + 4) + (u32)(s->at - p->payload);
		int gone = (s->at + body < s->length ? LAST_FLAGS : 0) | (s->index ? FIRST_FLAGS : 0);
		put32(t + 4, sequence);
		t[13] &= ~gone;
		sum += word(sequence >> 16) + word(sequence & 0xffff) + word(t[13] & (LAST_FLAGS | FIRST_FLAGS));
	} else {
		put16(t + 4, (u32)segment);
		sum += word((u32)segment);
	}
	store_sum(out, check_offset(p), add(sum, out + p->payload, body), p->protocol == IP_UDP);
	s->at += body;
	s->index++;
}
