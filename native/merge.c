/* Merges runs of packets into super-packets, as pure functions over bytes. */

enum {
	/* Packets in one merged frame: the kernel takes at most UIO_MAXIOV (1024) pieces and UDP_MAX_SEGMENTS datagrams. */
	RUN_TCP = 512, RUN_UDP = 64,
	/* Linux 6.1.19x, 6.12 and later raise a smaller TCP gso_size to this, which moves the boundaries of the segments (tcp_gso_segment()). */
	TCP_SIZE_MIN = 8,
	/* Packets that wait to be written at once. */
	WINDOW = 2048,
	/* Ethernet with two tags, IPv6, TCP. */
	HEADERS_MAX = 22 + 40 + 60
};

/* Packets in the order in which they were given, where their sender has them. */
struct window {
	int count;
	/* Payload of packet i: pieces[1 + i]. The place before it may hold the headers of a run that begins with it. */
	struct iovec pieces[1 + WINDOW];
	/* Number of the next packet of the same run; 0 if there is none. */
	int next[WINDOW];
};

/* Packets of one flow that go as one frame. */
struct run {
	struct parts p;
	int count, size, total, closed;
	/* Numbers of its first and last packet in the window. */
	int begin, end;
	/* TCP sequence number that continues it. */
	u32 next;
	const u8 *first;
	/* Sums that its packets have in common: of the IPv4 header without length, identification and checksum; of the pseudo-header without length. */
	u32 ip_sum, pseudo_sum;
};

/* Whether the checksums are right; an IPv4 header is one without options. */
static int is_sound(const u8 *f, int n, const struct parts *p)
{
	int length = n - p->transport;
	u32 ip_sum = p->version == 4 ? add(0, f + p->ip, 20) : 0xffff, sum = add(pseudo(f, p, length), f + p->transport, length);
	return FOLD(ip_sum) == 0xffff && FOLD(sum) == 0xffff;
}

/* Whether an IP header is complete without options or extension headers. */
static int is_plain_ip(const struct parts *p) { return p->transport == p->ip + (p->version == 4 ? 20 : 40); }

/* Whether an IPv4 packet is a fragment, or has the reserved bit set. */
static int is_fragment(const u8 *f, const struct parts *p) { return p->version == 4 && (get16(f + p->ip + 6) & ~0x4000u) != 0; }

static int has_right_length(const u8 *f, int n, const struct parts *p)
{
	return p->version == 4 ? (int)get16(f + p->ip + 2) == n - p->ip : (int)get16(f + p->ip + 4) == n - p->ip - 40;
}

/* Whether a packet may be merged with others: nothing about it is unusual, and its checksums are right. */
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
	return is_sound(f, n, p);
}

/* Whether a run has room for `body` bytes more; a packet that is longer than the others is no part of it. */
static int has_room(const struct run *r, int body)
{
	if (r->closed || r->count >= (r->p.protocol == IP_TCP ? RUN_TCP : RUN_UDP))
		return 0;
	return body > 0 && body <= r->size && r->p.payload - r->p.ip + r->total + body <= 65535;
}

/* Whether an IPv4 header is that of the run's next packet. */
static int same_ipv4(const struct run *r, const u8 *ip, int length)
{
	const u8 *ip0 = r->first + r->p.ip;
	u32 sum;
	/* Version and TOS; flags, TTL and protocol; both addresses. */
	if (LOAD16(ip) != LOAD16(ip0) || LOAD32(ip + 6) != LOAD32(ip0 + 6) || LOAD64(ip + 12) != LOAD64(ip0 + 12))
		return 0;
	/* A packet that must not be fragmented has an identification without meaning (RFC 6864 section 4.1); otherwise it counts up. */
	if (!(ip[6] & 0x40) && get16(ip + 4) != ((get16(ip0 + 4) + (u32)r->count) & 0xffff))
		return 0;
	sum = r->ip_sum + LOAD16(ip + 2) + LOAD16(ip + 4) + LOAD16(ip + 10);
	return (ip[2] << 8 | ip[3]) == length && FOLD(sum) == 0xffff;
}

static int same_ipv6(const struct run *r, const u8 *ip, int length)
{
	const u8 *ip0 = r->first + r->p.ip;
	/* Version, traffic class and flow label; next header and hop limit; both addresses. */
	return LOAD32(ip) == LOAD32(ip0) && LOAD16(ip + 6) == LOAD16(ip0 + 6) && LOAD64(ip + 8) == LOAD64(ip0 + 8)
		&& LOAD64(ip + 16) == LOAD64(ip0 + 16) && LOAD64(ip + 24) == LOAD64(ip0 + 24)
		&& LOAD64(ip + 32) == LOAD64(ip0 + 32) && (ip[4] << 8 | ip[5]) == length - 40;
}

/* Whether a TCP header behind the ports is that of the run's next segment. */
static int same_tcp(const struct run *r, const u8 *t, const u8 *end)
{
	const u8 *t0 = r->first + r->p.transport;
	/* Sequence; acknowledgement; header length; flags other than PSH; window; urgent pointer. */
	if (LOAD32(t + 4) != SWAP32(r->next) || LOAD32(t + 8) != LOAD32(t0 + 8) || t[12] != t0[12]
		|| (t[13] & ~TH_PSH) != TH_ACK || LOAD16(t + 14) != LOAD16(t0 + 14) || LOAD16(t + 18))
		return 0;
	/* Options, which are whole words. */
	for (t += 20, t0 += 20; t < end; t += 4, t0 += 4)
		if (LOAD32(t) != LOAD32(t0))
			return 0;
	return 1;
}

static int same_udp(const u8 *t, int segment) { return (t[4] << 8 | t[5]) == segment && LOAD16(t + 6); }

/*
 * Whether a packet is a candidate that goes on where the run ends. Its headers
 * are compared with those of the first one, so they need not be parsed again.
 */
static int continues(const struct run *r, const u8 *f, int n)
{
	const u8 *t = f + r->p.transport;
	int segment = n - r->p.transport;
	u32 sum = r->pseudo_sum + SWAP16(segment);
	if (!has_room(r, n - r->p.payload) || (r->p.ip && !is_same(f, r->first, r->p.ip)))
		return 0;
	if (!(r->p.version == 4 ? same_ipv4(r, f + r->p.ip, n - r->p.ip) : same_ipv6(r, f + r->p.ip, n - r->p.ip)))
		return 0;
	if (LOAD32(t) != LOAD32(r->first + r->p.transport))
		return 0;
	if (!(r->p.protocol == IP_UDP ? same_udp(t, segment) : same_tcp(r, t, f + r->p.payload)))
		return 0;
	sum = add(sum, t, segment);
	return FOLD(sum) == 0xffff;
}

/* Begins a run with a candidate of `n` bytes, to be added. */
static void run_begin(struct run *r, const u8 *f, int n, const struct parts *p)
{
	const u8 *ip = f + p->ip;
	memcpy(&r->p, p, sizeof r->p);
	r->first = f;
	r->size = n - p->payload;
	r->count = r->total = r->closed = 0;
	r->ip_sum = p->version == 4 ? add(0, ip, 20) + MINUS(LOAD16(ip + 2)) + MINUS(LOAD16(ip + 4)) + MINUS(LOAD16(ip + 10)) : 0;
	r->pseudo_sum = pseudo(f, p, 0);
}

/* Takes in a candidate that begins the run or continues it. */
static void run_add(struct run *r, struct window *w, const u8 *f, int n)
{
	int body = n - r->p.payload, i = w->count++;
	struct iovec *piece = &w->pieces[1 + i];
	piece->base = (void *)(f + r->p.payload);
	piece->length = (size)body;
	if (r->count++)
		w->next[r->end] = i;
	else
		r->begin = i;
	w->next[i] = 0;
	r->end = i;
	r->total += body;
	if (r->p.protocol == IP_TCP) {
		u32 sequence = LOAD32(f + r->p.transport + 4);
		r->next = SWAP32(sequence) + (u32)body;
		r->closed = (f[r->p.transport + 13] & TH_PSH) != 0;
	}
	if (body < r->size)
		r->closed = 1;
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
