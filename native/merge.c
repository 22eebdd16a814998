/* Merges runs of packets into super-packets, as pure functions over bytes. */

enum {
	/* Packets in one merged frame: the kernel takes at most UIO_MAXIOV (1024) pieces and UDP_MAX_SEGMENTS datagrams. */
	RUN_TCP = 512, RUN_UDP = 64,
	/* Linux 6.1.19x, 6.12 and later raise a smaller TCP gso_size to this, which moves the boundaries of the segments (tcp_gso_segment()). */
	TCP_SIZE_MIN = 8,
	/* Packets that wait to be written at once. */
	WINDOW = 2048,
	/* Ethernet with two tags, IPv6, TCP. */
	HEADERS_MAX = 22 + 40 + 60, HEADERS_PADDED = 128,
	/* Room for the payloads of one run. */
	COPY_SIZE = 65536,
	/* Smaller segments are not worth a copy. */
	COPY_MIN = 128
};

/* Packets in the order in which they were given, where their sender has them. */
struct window {
	int count;
	/* Payload of packet i: pieces[1 + i]. The place before it may hold the headers of a run that begins with it. */
	struct iovec pieces[1 + WINDOW];
	/* Number of the next packet of the same run; 0 if there is none. */
	int next[WINDOW];
};

/* A run: packets of one flow that are sent as one frame. */
struct run {
	struct parts p;
	/* Packets, and how many there may be. */
	int count, most;
	/* Payload of the first packet and of all; payload for which there is room, 0 once the run is closed. */
	int size, total, room;
	/* Numbers of its first and last packet in the window. */
	int begin, end;
	/* Identification of the first packet; TCP sequence number that continues the run. */
	u32 id, next;
	const u8 *first;
	/* Where its payloads are copied to, one behind the other; null if the kernel gathers them. */
	u8 *copy;
	/* Sums that its packets have in common: of the IPv4 header without length, identification and checksum; of the pseudo-header without length. */
	u32 ip_sum, pseudo_sum;
	/* Length of the headers in whole blocks, or more than any packet has if the first one is shorter. */
	int wide;
	u8 mask[HEADERS_PADDED];
};

/* Whether an IP header is complete without options or extension headers. */
static int is_plain_ip(const struct parts *p) { return p->transport == p->ip + (p->version == 4 ? 20 : 40); }

/* Whether an IPv4 packet is a fragment, or has the reserved bit set. */
static int is_fragment(const u8 *f, const struct parts *p) { return p->version == 4 && (get16(f + p->ip + 6) & ~0x4000u) != 0; }

static int has_right_length(const u8 *f, int n, const struct parts *p)
{
	return p->version == 4 ? (int)get16(f + p->ip + 2) == n - p->ip : (int)get16(f + p->ip + 4) == n - p->ip - 40;
}

/* Whether a packet may be merged with others, if its checksums are right: nothing about it is unusual. */
static int is_candidate(const u8 *f, int n, const struct parts *p)
{
	const u8 *t = f + p->transport;
	if (p->payload >= n || !is_plain_ip(p) || is_fragment(f, p) || !has_right_length(f, n, p))
		return 0;
	if (p->protocol == IP_TCP) {
		if ((t[12] & 15) || (t[13] & ~TH_PSH) != TH_ACK || get16(t + 18) || n - p->payload < TCP_SIZE_MIN)
			return 0;
	} else if ((int)get16(t + 4) != n - p->transport || !get16(t + 6))
		return 0;
	return 1;
}

/*
 * Marks the bits in which the packets of a run must be equal: all of their headers except lengths, checksums,
 * sequence number and PSH. Without DF the identification counts up, with it it has no meaning (RFC 6864 section 4.1).
 */
static void run_mask(struct run *r)
{
	u8 *mask = r->mask, *t = mask + r->p.transport;
	memset(mask, 0, HEADERS_PADDED);
	memset(mask, 0xff, (size)r->p.payload);
	if (r->p.version == 4) {
		/* Total length and identification; checksum. */
		STORE32(mask + r->p.ip + 2, 0);
		STORE16(mask + r->p.ip + 10, 0);
	} else
		STORE16(mask + r->p.ip + 4, 0);
	if (r->p.protocol == IP_TCP) {
		STORE32(t + 4, 0);
		t[13] = 0xff ^ TH_PSH;
		STORE16(t + TCP_CHECK, 0);
	} else
		/* Length and checksum. */
		STORE32(t + 4, 0);
}

/* Whether a packet has the headers of the run, in the bits of the mask. It is at least as long as these headers. */
static int same_headers(const struct run *r, const u8 *f, int n)
{
	const u8 *g = r->first, *mask = r->mask;
	int i;
	if (n >= r->wide) {
		/* Whole blocks of 16 bytes, of payload too: both packets have these. */
#if defined(__TINYC__) && defined(__x86_64__)
		int equal;
		long bytes = r->wide;
		__asm__ volatile (
			"pxor %%xmm3, %%xmm3\n\t"
			"pxor %%xmm4, %%xmm4\n"
			"1:\n\t"
			"movups -16(%1,%4), %%xmm0\n\t"
			"movups -16(%2,%4), %%xmm1\n\t"
			"movups -16(%3,%4), %%xmm2\n\t"
			"pxor %%xmm1, %%xmm0\n\t"
			"pand %%xmm2, %%xmm0\n\t"
			"por %%xmm0, %%xmm3\n\t"
			"subq $16, %4\n\t"
			"jnz 1b\n\t"
			"pcmpeqb %%xmm4, %%xmm3\n\t"
			".byte 0x66,0x0f,0xd7,0xc3\n\t" /* pmovmskb %xmm3,%eax */
			: "=a"(equal), "+r"(f), "+r"(g), "+r"(mask), "+r"(bytes) : : "memory", "cc");
		return equal == 0xffff;
#else
		u64 other = 0;
		for (i = 0; i < r->wide; i += 8)
			other |= (LOAD64(f + i) ^ LOAD64(g + i)) & LOAD64(mask + i);
		return !other;
#endif
	}
	for (i = 0; i < r->p.payload; i++)
		if ((f[i] ^ g[i]) & mask[i])
			return 0;
	return 1;
}

/* Begins a run with a candidate of `n` bytes. run_extend() takes it in, unless its checksums are wrong. */
static void run_begin(struct run *r, const u8 *f, int n, const struct parts *p, u8 *copy)
{
	const u8 *ip = f + p->ip;
	memcpy(&r->p, p, sizeof r->p);
	r->first = f;
	r->size = n - p->payload;
	r->copy = r->size < COPY_MIN ? 0 : copy;
	r->room = 65535 - (p->payload - p->ip);
	r->count = r->total = 0;
	r->most = p->protocol == IP_TCP ? RUN_TCP : RUN_UDP;
	r->id = get16(ip + 4);
	r->next = p->protocol == IP_TCP ? get32(f + p->transport + 4) : 0;
	r->wide = (p->payload + 15) & ~15;
	if (r->wide > n)
		r->wide = 1 << 20;
	run_mask(r);
	r->ip_sum = p->version == 4 ? add(0, ip, 20) + MINUS(LOAD16(ip + 2)) + MINUS(LOAD16(ip + 4)) + MINUS(LOAD16(ip + 10)) : 0;
	r->pseudo_sum = pseudo(f, p, 0);
}

/*
 * Whether the fields that differ from packet to packet fit the next packet of a run. Its segment has `segment` bytes.
 */
static int continues(const struct run *r, const u8 *f, int segment)
{
	const u8 *ip = f + r->p.ip, *t = f + r->p.transport;
	int headers = r->p.transport - r->p.ip;
	u32 length = SWAP16(segment), sum = r->pseudo_sum + length;
	if (r->p.version == 4) {
		u32 total = (u32)(headers + segment), ip_sum;
		total = SWAP16(total);
		ip_sum = r->ip_sum + total + LOAD16(ip + 4) + LOAD16(ip + 10);
		if (LOAD16(ip + 2) != total || FOLD(ip_sum) != 0xffff)
			return 0;
		if (!(ip[6] & 0x40) && get16(ip + 4) != ((r->id + (u32)r->count) & 0xffff))
			return 0;
	} else if (LOAD16(ip + 4) != length)
		return 0;
	if (r->p.protocol == IP_TCP) {
		if (LOAD32(t + 4) != SWAP32(r->next))
			return 0;
	} else if (LOAD16(t + 4) != length || !LOAD16(t + 6))
		return 0;
	if (r->copy) {
		/*
		 * The kernel takes 15 ns more for each piece of memory that it gathers; a copy costs 1 to 4 ns, as the bytes
		 * are read for their sum in any case.
		 */
		headers = r->p.payload - r->p.transport;
		sum = add(sum, t, headers);
		sum = copy_add(sum, r->copy + r->total, t + headers, segment - headers);
	} else
		sum = add(sum, t, segment);
	return FOLD(sum) == 0xffff;
}

/*
 * Adds packets as long as each is a candidate that continues the run, and the window has room. Returns how many.
 * Their headers are compared with those of the first one, so they need not be parsed again.
 */
static int run_extend(struct run *r, struct window *w, const u8 *base, const int *offsets, const int *lengths, int count)
{
	int i, at = w->count;
	for (i = 0; i < count && at < WINDOW; i++, at++) {
		const u8 *f = base + offsets[i];
		int body = lengths[i] - r->p.payload;
		/* A packet that is longer than the first one is no part of the run. */
		if (body <= 0 || body > r->size || body > r->room || !same_headers(r, f, lengths[i]))
			break;
		if (!continues(r, f, lengths[i] - r->p.transport))
			break;
		w->pieces[1 + at].base = (void *)(f + r->p.payload);
		w->pieces[1 + at].length = (size)body;
		w->next[at] = 0;
		if (r->count++)
			w->next[r->end] = at;
		else
			r->begin = at;
		r->end = at;
		r->total += body;
		r->room -= body;
		r->next += (u32)body;
		if (body < r->size || r->count >= r->most || (r->p.protocol == IP_TCP && (f[r->p.transport + 13] & TH_PSH)))
			r->room = 0;
	}
	w->count = at;
	return i;
}

/* Returns packet number `i` of the window, which is one of the run. */
static const u8 *run_packet(const struct run *r, const struct window *w, int i, int *n)
{
	const struct iovec *piece = &w->pieces[1 + i];
	*n = (int)piece->length + r->p.payload;
	return (const u8 *)piece->base - r->p.payload;
}

/* Writes the headers of the merged frame, virtio header first. Returns their length. */
static int run_headers(const struct run *r, const struct window *w, u8 *header)
{
	const struct parts *p = &r->p;
	struct virtio_net_hdr h;
	u8 *f = header + VNET_HDR, *ip = f + p->ip;
	int length = p->payload - p->transport + r->total;
	u32 sum;
	memcpy(f, r->first, (size)p->payload);
	if (p->version == 4) {
		put16(ip + 2, (u32)(p->payload - p->ip + r->total));
		put16(ip + 10, 0);
		store_sum(ip, 10, add(0, ip, 20), 0);
	} else
		put16(ip + 4, (u32)(p->payload - p->ip - 40 + r->total));
	if (p->protocol == IP_TCP) {
		int n;
		f[p->transport + 13] |= run_packet(r, w, r->end, &n)[p->transport + 13] & TH_PSH;
	} else
		put16(f + p->transport + 4, (u32)length);
	sum = pseudo(f, p, length);
	STORE16(f + check_offset(p), FOLD(sum));
	h.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM_;
	h.gso_type = p->protocol == IP_UDP ? VIRTIO_NET_HDR_GSO_UDP_L4_ : p->version == 4 ? VIRTIO_NET_HDR_GSO_TCPV4_ : VIRTIO_NET_HDR_GSO_TCPV6_;
	h.hdr_len = (u16)p->payload;
	h.gso_size = (u16)r->size;
	h.csum_start = (u16)p->transport;
	h.csum_offset = (u16)(check_offset(p) - p->transport);
	memcpy(header, &h, VNET_HDR);
	return VNET_HDR + p->payload;
}
