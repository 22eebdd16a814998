/* Merges runs of packets into super-packets, as pure functions over bytes. */

/* Tells whether a packet has the headers of the run, in the bits of the mask. It is at least as long as these headers. */
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

/*
 * Tells whether the fields that differ from packet to packet fit the next packet of a run. Its segment has `segment` bytes.
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

#if defined(HAS_LOOPS)
/* Prepares the loop for packets that are as long as the first one and have its flags. */
static void prepare_loop(struct run *r)
{
	struct merge_loop *l = &r->loop;
	const struct parts *p = &r->p;
	const u8 *ip = r->first + p->ip, *t = r->first + p->transport;
	int segment = p->payload - p->transport + r->size, is_tcp = p->protocol == IP_TCP;
	loop_mask(l->mask);
	memcpy(l->headers, r->first, (size)r->wide);
	memcpy(l->care, r->mask, HEADERS_PADDED);
	STORE16(l->care + p->ip + (p->version == 4 ? 2 : 4), 0xffff);
	if (is_tcp)
		l->care[p->transport + 13] = 0xff;
	else
		STORE16(l->care + p->transport + 4, 0xffff);
	l->length = (u64)(p->payload + r->size);
	l->header = (u64)p->payload;
	l->blocks = (u64)r->wide;
	l->body = (u64)r->size;
	l->bias = loop_bias(r->size);
	l->check_at = (u64)check_offset(p);
	l->sequence_at = is_tcp ? (u64)p->transport + 4 : 0;
	l->sum = r->pseudo_sum + SWAP16(segment) + add(0, t, p->payload - p->transport) + MINUS(LOAD16(r->first + l->check_at));
	if (is_tcp)
		l->sum += MINUS(LOAD16(t + 4)) + MINUS(LOAD16(t + 6));
	l->ip = p->version == 4 ? p->ip : -1;
	l->ip_sum = r->ip_sum + LOAD16(ip + 2);
	l->id_mask = ip[6] & 0x40 ? 0 : 0xffff;
	r->has_loop = 1;
}

/* Tells whether a packet is likely to continue the run: it is worth the loop. */
static int is_next(const struct run *r, const u8 *f, int n)
{
	const u8 *t = f + r->p.transport;
	if (n != r->p.payload + r->size || r->room < r->size)
		return 0;
	return r->p.protocol == IP_TCP ? LOAD32(t + 4) == SWAP32(r->next) : LOAD32(t) == LOAD32(r->first + r->p.transport);
}

/* Adds packets to a run that has one already; the first of them has number `at` in the window. Returns how many. */
static int run_by_loop(struct run *r, struct window *w, int at, const u8 *base, const int *offsets, const int *lengths, int count)
{
	struct merge_loop *l = &r->loop;
	int most = r->room / r->size;
	if (most > r->most - r->count)
		most = r->most - r->count;
	if (most > WINDOW - at)
		most = WINDOW - at;
	if (!r->has_loop)
		prepare_loop(r);
	l->base = base;
	l->offsets = offsets;
	l->lengths = lengths;
	l->pieces = &w->pieces[1 + at];
	l->next = &w->next[at];
	l->copy = r->copy + r->total;
	l->count = (u64)(count < most ? count : most);
	l->sequence = r->next;
	l->id = r->id + (u32)r->count;
	l->number = (u64)at;
	count = merge_by_loop(l);
	if (!count)
		return 0;
	w->next[r->end] = at;
	r->end = at + count - 1;
	w->next[r->end] = 0;
	r->count += count;
	r->total += count * r->size;
	r->room -= count * r->size;
	r->next += (u32)(count * r->size);
	if (r->count >= r->most)
		r->room = 0;
	return count;
}
#endif

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
#if defined(HAS_LOOPS)
		if (r->suits_loop && i + 1 < count && is_next(r, base + offsets[i + 1], lengths[i + 1])) {
			int more = run_by_loop(r, w, at + 1, base, offsets + i + 1, lengths + i + 1, count - i - 1);
			i += more;
			at += more;
		}
#endif
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
