/* Runs of packets merged into super-packets, as pure functions over bytes (see offload.c). */

enum {
	/* Of one merged frame: the kernel takes no more pieces (UIO_MAXIOV is 1024), nor more datagrams (UDP_MAX_SEGMENTS). */
	RUN_TCP = 512, RUN_UDP = 64
};

/* Packets of one flow, one behind the other, that lie where their sender has them. */
struct run {
	struct parts p;
	int count, size, total, closed;
	u32 next;
	const u8 *first;
	/* What the sums of each packet have in common: of an IPv4 header without length, identification and checksum; of the pseudo-header without length. */
	u32 ip_sum, pseudo_sum;
	/* What is written: the headers, and the payload of each packet. */
	struct iovec pieces[1 + RUN_TCP];
	/* The virtio header, and the headers of the merged frame: Ethernet with two tags, IP, TCP. */
	u8 header[10 + 22 + 40 + 60];
};

/* Whether the checksums are right; the IPv4 header is one without options. */
static int is_sound(const u8 *f, int n, const struct parts *p)
{
	int length = n - p->transport;
	u32 ip_sum = p->version == 4 ? add(0, f + p->ip, 20) : 0xffff, sum = add(pseudo(f, p, length), f + p->transport, length);
	return FOLD(ip_sum) == 0xffff && FOLD(sum) == 0xffff;
}

/* Whether a packet may be merged with others: nothing about it is odd, and its checksums are right. */
static int is_candidate(const u8 *f, int n, int link, struct parts *p)
{
	const u8 *ip, *t;
	if (!find_parts(f, n, link, p) || p->payload >= n)
		return 0;
	ip = f + p->ip;
	t = f + p->transport;
	if (p->version == 4) {
		if (p->transport != p->ip + 20 || (int)get16(ip + 2) != n - p->ip || (get16(ip + 6) & ~0x4000u))
			return 0;
	} else if (p->transport != p->ip + 40 || (int)get16(ip + 4) != n - p->ip - 40)
		return 0;
	if (p->protocol == IP_TCP) {
		if ((t[12] & 15) || (t[13] & ~TH_PSH) != TH_ACK || get16(t + 18))
			return 0;
	} else if ((int)get16(t + 4) != n - p->transport || !get16(t + 6))
		return 0;
	return is_sound(f, n, p);
}

/*
 * Whether a packet is a candidate that goes on where the run ends. Its headers
 * are held against those of the first one, so nothing has to be found again.
 */
static int continues(const struct run *r, const u8 *f, int n)
{
	const u8 *ip = f + r->p.ip, *ip0 = r->first + r->p.ip, *t = f + r->p.transport, *t0 = r->first + r->p.transport, *end = f + r->p.payload;
	int body = n - r->p.payload, segment = n - r->p.transport;
	u32 sum;
	if (r->closed || r->count >= (r->p.protocol == IP_TCP ? RUN_TCP : RUN_UDP))
		return 0;
	if (body <= 0 || body > r->size || r->p.payload - r->p.ip + r->total + body > 65535 || (r->p.ip && !is_same(f, r->first, r->p.ip)))
		return 0;
	if (r->p.version == 4) {
		/* Version and TOS; flags, TTL and protocol; both addresses. */
		if (LOAD16(ip) != LOAD16(ip0) || LOAD32(ip + 6) != LOAD32(ip0 + 6) || LOAD64(ip + 12) != LOAD64(ip0 + 12))
			return 0;
		/* A packet that must not be fragmented has an identification without meaning (RFC 6864 section 4.1); else it counts up. */
		if (!(ip[6] & 0x40) && get16(ip + 4) != ((get16(ip0 + 4) + (u32)r->count) & 0xffff))
			return 0;
		if ((ip[2] << 8 | ip[3]) != n - r->p.ip)
			return 0;
		sum = r->ip_sum + LOAD16(ip + 2) + LOAD16(ip + 4) + LOAD16(ip + 10);
		if (FOLD(sum) != 0xffff)
			return 0;
	} else if (LOAD32(ip) != LOAD32(ip0) || LOAD16(ip + 6) != LOAD16(ip0 + 6) || LOAD64(ip + 8) != LOAD64(ip0 + 8)
		|| LOAD64(ip + 16) != LOAD64(ip0 + 16) || LOAD64(ip + 24) != LOAD64(ip0 + 24) || LOAD64(ip + 32) != LOAD64(ip0 + 32)
		|| (ip[4] << 8 | ip[5]) != n - r->p.ip - 40)
		return 0;
	if (LOAD32(t) != LOAD32(t0))
		return 0;
	sum = r->pseudo_sum + SWAP16(segment);
	if (r->p.protocol == IP_UDP) {
		if ((t[4] << 8 | t[5]) != segment || !LOAD16(t + 6))
			return 0;
	} else {
		const u8 *option = t + 20;
		/* Sequence; acknowledgement; header length; flags but for one; window; urgent pointer. */
		if (LOAD32(t + 4) != SWAP32(r->next) || LOAD32(t + 8) != LOAD32(t0 + 8) || t[12] != t0[12]
			|| (t[13] & ~TH_PSH) != TH_ACK || LOAD16(t + 14) != LOAD16(t0 + 14) || LOAD16(t + 18))
			return 0;
		/* Options, of whole words. */
		for (t0 += 20; option < end; option += 4, t0 += 4)
			if (LOAD32(option) != LOAD32(t0))
				return 0;
	}
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
	r->total = 0;
	r->closed = 0;
	r->ip_sum = p->version == 4 ? add(0, ip, 20) + MINUS(LOAD16(ip + 2)) + MINUS(LOAD16(ip + 4)) + MINUS(LOAD16(ip + 10)) : 0;
	r->pseudo_sum = pseudo(f, p, 0);
}

/* Takes in a candidate that begins the run or continues it. */
static void run_add(struct run *r, const u8 *f, int n)
{
	int body = n - r->p.payload;
	struct iovec *piece = &r->pieces[++r->count];
	piece->base = (void *)(f + r->p.payload);
	piece->length = (size)body;
	r->total += body;
	if (r->p.protocol == IP_TCP) {
		u32 sequence = LOAD32(f + r->p.transport + 4);
		r->next = SWAP32(sequence) + (u32)body;
		r->closed = (f[r->p.transport + 13] & TH_PSH) != 0;
	}
	if (body < r->size)
		r->closed = 1;
}

/* Packet number `i` of the run. */
static const u8 *run_packet(const struct run *r, int i, int *n)
{
	const struct iovec *piece = &r->pieces[1 + i];
	*n = (int)piece->length + r->p.payload;
	return (const u8 *)piece->base - r->p.payload;
}

/* Makes the headers of the merged frame, of more than one packet: the first of the pieces. */
static void run_finish(struct run *r)
{
	const struct parts *p = &r->p;
	struct virtio_net_hdr h;
	u8 *f = r->header + 10, *ip = f + p->ip;
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
		f[p->transport + 13] |= run_packet(r, r->count - 1, &n)[p->transport + 13] & TH_PSH;
	} else
		put16(f + p->transport + 4, (u32)length);
	sum = pseudo(f, p, length);
	STORE16(f + check_offset(p), FOLD(sum));
	h.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM_;
	h.gso_type = p->protocol == IP_UDP ? VIRTIO_NET_HDR_GSO_UDP_L4_ :
		p->version == 4 ? VIRTIO_NET_HDR_GSO_TCPV4_ : VIRTIO_NET_HDR_GSO_TCPV6_;
	h.hdr_len = (u16)p->payload;
	h.gso_size = (u16)r->size;
	h.csum_start = (u16)p->transport;
	h.csum_offset = (u16)(check_offset(p) - p->transport);
	memcpy(r->header, &h, 10);
	r->pieces[0].base = r->header;
	r->pieces[0].length = (size)(10 + p->payload);
}
