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
	const u8 *frame[RUN_TCP];
	int length[RUN_TCP];
	/* The virtio header, and the headers of the merged frame: Ethernet with two tags, IP, TCP. */
	u8 header[10 + 22 + 40 + 60];
};

/* Whether the checksums are right; the IPv4 header is one without options. */
static int is_sound(const u8 *f, int n, const struct parts *p)
{
	const u8 *ip = f + p->ip, *t = f + p->transport;
	u64 sum;
	if (p->version == 4) {
		u64 addresses = (u64)LOAD32(ip + 12) + LOAD32(ip + 16);
		if (fold(addresses + LOAD32(ip) + LOAD32(ip + 4) + LOAD32(ip + 8)) != 0xffff)
			return 0;
		sum = addresses + word(p->protocol) + word((u32)(n - p->transport));
	} else
		sum = pseudo(f, p, n - p->transport);
	return fold(add(sum, t, n - p->transport)) == 0xffff;
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
	const struct parts *p = &r->p;
	const u8 *first = r->frame[0], *ip = f + p->ip, *ip0 = first + p->ip, *t = f + p->transport, *t0 = first + p->transport;
	int body = n - p->payload;
	if (r->closed || r->count >= (p->protocol == IP_TCP ? RUN_TCP : RUN_UDP))
		return 0;
	if (body <= 0 || body > r->size || p->payload - p->ip + r->total + body > 65535 || (p->ip && !is_same(f, first, p->ip)))
		return 0;
	if (p->version == 4) {
		/* Version and TOS; flags, TTL and protocol; both addresses. */
		if (LOAD16(ip) != LOAD16(ip0) || LOAD32(ip + 6) != LOAD32(ip0 + 6) || LOAD64(ip + 12) != LOAD64(ip0 + 12))
			return 0;
		/* A packet that must not be fragmented has an identification without meaning (RFC 6864 section 4.1); else it counts up. */
		if (!(ip[6] & 0x40) && get16(ip + 4) != ((get16(ip0 + 4) + (u32)r->count) & 0xffff))
			return 0;
		if ((ip[2] << 8 | ip[3]) != n - p->ip)
			return 0;
	} else if (LOAD32(ip) != LOAD32(ip0) || LOAD16(ip + 6) != LOAD16(ip0 + 6) || LOAD64(ip + 8) != LOAD64(ip0 + 8)
		|| LOAD64(ip + 16) != LOAD64(ip0 + 16) || LOAD64(ip + 24) != LOAD64(ip0 + 24) || LOAD64(ip + 32) != LOAD64(ip0 + 32)
		|| (ip[4] << 8 | ip[5]) != n - p->ip - 40)
		return 0;
	if (LOAD32(t) != LOAD32(t0))
		return 0;
	if (p->protocol == IP_UDP)
		return (t[4] << 8 | t[5]) == n - p->transport && LOAD16(t + 6) && is_sound(f, n, p);
	/* Acknowledgement, header length, flags but for one, window, urgent pointer; options, of whole words. */
	if (get32(t + 4) != r->next || LOAD32(t + 8) != LOAD32(t0 + 8) || t[12] != t0[12] || (t[13] & ~TH_PSH) != TH_ACK
		|| LOAD16(t + 14) != LOAD16(t0 + 14) || LOAD16(t + 18))
		return 0;
	for (t += 20, t0 += 20; t < f + p->payload; t += 4, t0 += 4)
		if (LOAD32(t) != LOAD32(t0))
			return 0;
	return is_sound(f, n, p);
}

/* Begins a run with a candidate of `n` bytes, to be added. */
static void run_begin(struct run *r, int n, const struct parts *p)
{
	memcpy(&r->p, p, sizeof r->p);
	r->size = n - p->payload;
	r->total = 0;
	r->closed = 0;
}

/* Takes in a candidate that begins the run or continues it. */
static void run_add(struct run *r, const u8 *f, int n)
{
	const struct parts *p = &r->p;
	int body = n - p->payload;
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
