/*
 * Segmentation offload as pure functions over bytes: where the parts of a
 * packet are, checksums, and super-packets split into packets. No system
 * calls; every header field is checked against the bytes in hand.
 */

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

/*
 * Bytes wherever they lie, in machine order, and numbers turned from that to
 * network order and back. TinyCC inlines no function, and to it memcpy is one:
 * what is done to each packet of a super-packet is written with these.
 */
#if defined(__TINYC__)
#define LOAD16(p) (*(const u16 *)(p))
#define LOAD32(p) (*(const u32 *)(p))
#define LOAD64(p) (*(const u64 *)(p))
#define STORE16(p, v) (*(u16 *)(p) = (u16)(v))
#define STORE32(p, v) (*(u32 *)(p) = (v))
#else
static u16 load16(const u8 *p) { u16 v; memcpy(&v, p, 2); return v; }
static u32 load32(const u8 *p) { u32 v; memcpy(&v, p, 4); return v; }
static u64 load64(const u8 *p) { u64 v; memcpy(&v, p, 8); return v; }
static void store16(u8 *p, u32 v) { u16 bytes = (u16)v; memcpy(p, &bytes, 2); }
static void store32(u8 *p, u32 v) { memcpy(p, &v, 4); }
#define LOAD16 load16
#define LOAD32 load32
#define LOAD64 load64
#define STORE16 store16
#define STORE32 store32
#endif
#define SWAP16(v) (((u32)(v) & 0xff) << 8 | ((u32)(v) >> 8 & 0xff))
#define SWAP32(v) (SWAP16(v) << 16 | SWAP16((v) >> 16))

static int is_same(const u8 *a, const u8 *b, int n)
{
	while (n-- > 0)
		if (*a++ != *b++)
			return 0;
	return 1;
}

/* A sum of 16-bit words as one of them; of up to 2^16 words, so that two carries are all there are. */
#define FOLD(sum) (((sum) = ((sum) & 0xffff) + ((sum) >> 16)), (u16)((sum) + ((sum) >> 16)))

/* What takes a word out of a sum again: sums are one's complement, and lose their carries on the way. */
#define MINUS(word) ((u32)(word) ^ 0xffff)

/* The words of a number. */
#define WORDS64(v) ((u32)((v) & 0xffff) + (u32)((v) >> 16 & 0xffff) + (u32)((v) >> 32 & 0xffff) + (u32)((v) >> 48))
#define WORDS32(v) (((v) & 0xffff) + ((v) >> 16))

#if defined(__TINYC__) && defined(__x86_64__)
/*
 * Sums blocks of 32 bytes at %0, %1 of them, and one of 16 if %2, with SSE2,
 * which every x86-64 has. A step multiplies signed words by 1 and adds two
 * (pmaddwd), so 0x8000 is taken from each before, and BIAS is added for them
 * in the end. The four sums go to %3. What is done with the bytes meanwhile
 * is up to the caller.
 */
#define SUM_BLOCKS(WITH_32, WITH_16) \
	"pcmpeqw %%xmm4, %%xmm4\n\t" \
	"pcmpeqw %%xmm5, %%xmm5\n\t" \
	"psllw $15, %%xmm4\n\t" \
	"psrlw $15, %%xmm5\n\t" \
	"pxor %%xmm0, %%xmm0\n\t" \
	"pxor %%xmm1, %%xmm1\n\t" \
	"testq %1, %1\n\t" \
	"jz 2f\n" \
	"1:\n\t" \
	"movups (%0), %%xmm2\n\t" \
	"movups 16(%0), %%xmm3\n\t" \
	WITH_32 \
	"pxor %%xmm4, %%xmm2\n\t" \
	"pxor %%xmm4, %%xmm3\n\t" \
	"pmaddwd %%xmm5, %%xmm2\n\t" \
	"pmaddwd %%xmm5, %%xmm3\n\t" \
	"paddd %%xmm2, %%xmm0\n\t" \
	"paddd %%xmm3, %%xmm1\n\t" \
	"leaq 32(%0), %0\n\t" \
	"decq %1\n\t" \
	"jnz 1b\n" \
	"2:\n\t" \
	"testq %2, %2\n\t" \
	"jz 3f\n\t" \
	"movups (%0), %%xmm2\n\t" \
	WITH_16 \
	"pxor %%xmm4, %%xmm2\n\t" \
	"pmaddwd %%xmm5, %%xmm2\n\t" \
	"paddd %%xmm2, %%xmm0\n\t" \
	"leaq 16(%0), %0\n" \
	"3:\n\t" \
	"paddd %%xmm1, %%xmm0\n\t" \
	"movups %%xmm0, (%3)\n\t"
#define BIAS(n) ((u32)(n) >> 4 << 18)
#endif

/*
 * Adds the 16-bit words of `p`, up to 64 KiB, to a sum in machine order: until
 * it is stored one order serves as well as the other (RFC 1071 section 2). An
 * odd byte counts as if a zero followed it.
 */
static u32 add(u32 sum, const u8 *p, int n)
{
	u64 wide = 0;
#if defined(__TINYC__) && defined(__x86_64__)
	if (n >= 16) {
		u32 sums[4], *out = sums;
		long blocks = n >> 5, half = n & 16;
		__asm__ volatile (SUM_BLOCKS("", "") : "+r"(p), "+r"(blocks), "+r"(half), "+r"(out) : : "memory", "cc");
		sum += BIAS(n) + sums[0] + sums[1] + sums[2] + sums[3];
		n &= 15;
	}
#endif
	for (; n >= 8; n -= 8, p += 8)
		wide += (u64)LOAD32(p) + LOAD32(p + 4);
	if (n & 4) {
		wide += LOAD32(p);
		p += 4;
	}
	sum += WORDS64(wide);
	if (n & 2) {
		sum += LOAD16(p);
		p += 2;
	}
	return n & 1 ? sum + *p : sum;
}

/* The same of bytes that are copied meanwhile. */
static u32 copy_add(u32 sum, u8 *to, const u8 *p, int n)
{
#if defined(__TINYC__) && defined(__x86_64__)
	if (n >= 16) {
		u32 sums[4], *out = sums;
		long blocks = n >> 5, half = n & 16;
		__asm__ volatile (SUM_BLOCKS(
			"movups %%xmm2, (%4)\n\t"
			"movups %%xmm3, 16(%4)\n\t"
			"leaq 32(%4), %4\n\t",
			"movups %%xmm2, (%4)\n\t"
			"leaq 16(%4), %4\n\t")
			: "+r"(p), "+r"(blocks), "+r"(half), "+r"(out), "+r"(to) : : "memory", "cc");
		sum += BIAS(n) + sums[0] + sums[1] + sums[2] + sums[3];
		n &= 15;
	}
	if (n & 8) {
		u64 v = LOAD64(p);
		STORE32(to, (u32)v);
		STORE32(to + 4, (u32)(v >> 32));
		sum += WORDS64(v);
		p += 8;
		to += 8;
	}
	for (n &= 7; n > 1; n -= 2, p += 2, to += 2) {
		STORE16(to, LOAD16(p));
		sum += LOAD16(p);
	}
	if (n)
		sum += *to = *p;
	return sum;
#else
	memcpy(to, p, (size)n);
	return add(sum, to, n);
#endif
}

/* What the transport checksum covers beside the segment itself: addresses and protocol, and its length (RFC 9293 section 3.1, RFC 8200 section 8.1). */
static u32 pseudo(const u8 *f, const struct parts *p, int length)
{
	u32 sum = p->version == 4 ? add(0, f + p->ip + 12, 8) : add(0, f + p->ip + 8, 32);
	return sum + SWAP16(p->protocol) + SWAP16(length);
}

static int check_offset(const struct parts *p) { return p->transport + (p->protocol == IP_TCP ? TCP_CHECK : UDP_CHECK); }

/* The field is the sum's complement, of which memory order is network order; 0 would say that UDP has none. */
static void store_sum(u8 *f, int at, u32 sum, int udp)
{
	u32 check = ~FOLD(sum) & 0xffff;
	if (udp && check == 0)
		check = 0xffff;
	STORE16(f + at, check);
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
	/* Where the transport's checksum is. */
	int check;
	/* The sums of the IPv4 header, and of the transport's with its pseudo-header, but for what is another in each packet. */
	u32 ip_sum, head_sum;
	/* The first packet's own. */
	u32 id, sequence;
	u8 flags;
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
	int type = h->gso_type & ~VIRTIO_NET_HDR_GSO_ECN_, protocol = type == VIRTIO_NET_HDR_GSO_UDP_L4_ ? IP_UDP : IP_TCP;
	const u8 *ip, *t;
	if ((type != 1 && type != 4 && type != 5) || !h->gso_size || !find_parts(f, n, link, &s->p))
		return 0;
	if (s->p.protocol != protocol || (type == VIRTIO_NET_HDR_GSO_TCPV4_ && s->p.version != 4) ||
		(type == VIRTIO_NET_HDR_GSO_TCPV6_ && s->p.version != 6))
		return 0;
	s->check = check_offset(&s->p);
	if ((h->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM_) && (h->csum_start != s->p.transport || h->csum_start + h->csum_offset != s->check))
		return 0;
	if (s->p.payload >= n || n - s->p.ip > (s->p.version == 4 ? 65535 : 65535 + 40))
		return 0;
	ip = f + s->p.ip;
	t = f + s->p.transport;
	s->ip_sum = s->p.version == 4 ? add(0, ip, s->p.transport - s->p.ip) + MINUS(LOAD16(ip + 2)) + MINUS(LOAD16(ip + 4)) + MINUS(LOAD16(ip + 10)) : 0;
	s->id = get16(ip + 4);
	/* The kernel's own pseudo-header, where it gives it: with a source route, that of the last destination (RFC 8200 section 8.1). */
	if (h->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM_)
		s->head_sum = (u32)LOAD16(f + s->check) + MINUS(SWAP16(n - s->p.transport));
	else
		s->head_sum = pseudo(f, &s->p, 0);
	if (protocol == IP_TCP) {
		/* The flags are the second byte of a word. */
		s->head_sum += add(0, t, s->p.payload - s->p.transport) + MINUS(LOAD16(t + 4)) + MINUS(LOAD16(t + 6))
			+ MINUS(LOAD16(t + TCP_CHECK)) + MINUS(t[13] << 8);
		s->sequence = get32(t + 4);
		s->flags = t[13];
	} else
		s->head_sum += LOAD16(t) + LOAD16(t + 2);
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
	int left = s->length - s->at, body = left < s->gso_size ? left : s->gso_size;
	int n = s->p.payload + body, segment = n - s->p.transport;
	u8 *ip = out + s->p.ip, *t = out + s->p.transport;
	u32 sum, v;
	memcpy(out, s->frame, (size)s->p.payload);
	sum = copy_add(s->head_sum, out + s->p.payload, s->frame + s->at, body);
	if (s->p.version == 4) {
		u32 ip_sum = s->ip_sum;
		v = (u32)(n - s->p.ip);
		v = SWAP16(v);
		STORE16(ip + 2, v);
		ip_sum += v;
		v = s->id + (u32)s->index;
		v = SWAP16(v);
		STORE16(ip + 4, v);
		ip_sum += v;
		v = ~FOLD(ip_sum);
		STORE16(ip + 10, v);
	} else {
		v = (u32)(n - s->p.ip - 40);
		STORE16(ip + 4, SWAP16(v));
	}
	v = SWAP16(segment);
	sum += v;
	if (s->p.protocol == IP_TCP) {
		v = s->sequence + (u32)(s->at - s->p.payload);
		v = SWAP32(v);
		STORE32(t + 4, v);
		sum += WORDS32(v);
		v = s->flags;
		if (body < left)
			v &= ~(u32)LAST_FLAGS;
		if (s->index)
			v &= ~(u32)FIRST_FLAGS;
		t[13] = (u8)v;
		sum += v << 8;
	} else {
		STORE16(t + 4, v);
		sum += v;
	}
	store_sum(out, s->check, sum, s->p.protocol == IP_UDP);
	s->at += body;
	s->index++;
}
