/* Splits super-packets into packets, as pure functions over bytes. */

struct split {
	const u8 *frame;
	struct parts p;
	/* The whole length, and the offset of the next packet's payload. */
	int length, at, gso_size, index;
	/* Offset of the transport checksum. */
	int check;
	/* Sums of the IPv4 header, and of the transport header with its pseudo-header, without the fields that differ from packet to packet. */
	u32 ip_sum, head_sum;
	/* Identification, sequence number and flags of the first packet. */
	u32 id, sequence;
	u8 flags;
#if defined(HAS_LOOPS)
	/* Tells whether its packets suit split_by_loop(), and whether `loop` is prepared. */
	u8 suits_loop, has_loop;
	struct split_loop loop;
#endif
};

/* Flags that only the last packet keeps, and a flag that only the first one keeps (RFC 3168 section 6.1.2). */
enum { LAST_FLAGS = TH_FIN | TH_PSH, FIRST_FLAGS = TH_CWR };

/* Completes the checksum of a frame that is no super-packet. Returns 0 if the header does not fit the bytes. */
static int finish_checksum(u8 *f, int n, const struct virtio_net_hdr *h)
{
	int at = h->csum_start + h->csum_offset;
	if (h->csum_start >= n || at + 2 > n)
		return 0;
	store_sum(f, at, add(0, f + h->csum_start, n - h->csum_start), h->csum_offset == UDP_CHECK);
	return 1;
}

/* Tells whether the packet is of the kind that `gso_type` names. */
static int is_of_type(const struct parts *p, int type)
{
	if (p->protocol == IP_UDP)
		return type == VIRTIO_NET_HDR_GSO_UDP_L4_;
	return type == (p->version == 4 ? VIRTIO_NET_HDR_GSO_TCPV4_ : VIRTIO_NET_HDR_GSO_TCPV6_);
}

/*
 * Begins to split `f`, whose memory must stay. Returns the number of packets in it, or 0 if header and bytes do not
 * agree.
 */
static int split_begin(struct split *s, const u8 *f, int n, const struct virtio_net_hdr *h, int link)
{
	const u8 *ip, *t;
	if (!h->gso_size || !find_parts(f, n, link, &s->p) || !is_of_type(&s->p, h->gso_type & ~VIRTIO_NET_HDR_GSO_ECN_))
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
	/*
	 * Uses the kernel's pseudo-header if there is one: with a source route it has the last destination (RFC 8200
	 * section 8.1).
	 */
	if (h->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM_)
		s->head_sum = (u32)LOAD16(f + s->check) + MINUS(SWAP16(n - s->p.transport));
	else
		s->head_sum = pseudo(f, &s->p, 0);
	if (s->p.protocol == IP_TCP) {
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
#if defined(HAS_LOOPS)
	s->suits_loop = has_avx2 && s->p.payload <= LOOP_HEADERS && s->gso_size >= LOOP_BODY_MIN && !(s->gso_size & 1);
	s->has_loop = 0;
#endif
	return (n - s->at + s->gso_size - 1) / s->gso_size;
}

/* Returns the length of the next packet; 0 if there is none. */
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
	/* Does the same as store_sum(). */
	v = ~FOLD(sum) & 0xffff;
	if (!v && s->p.protocol == IP_UDP)
		v = 0xffff;
	STORE16(out + s->check, v);
	s->at += body;
	s->index++;
}

#if defined(HAS_LOOPS)
/* Prepares the loop for packets that are neither the first nor the last one. */
static void prepare_split_loop(struct split *s)
{
	struct split_loop *l = &s->loop;
	const struct parts *p = &s->p;
	int n = p->payload + s->gso_size;
	u32 length = (u32)(n - p->transport);
	u8 *ip = l->headers + p->ip, *t = l->headers + p->transport;
	loop_mask(l->mask);
	memcpy(l->headers, s->frame, (size)p->payload);
	l->header = (u64)p->payload;
	l->blocks = (u64)(p->payload + 15) & ~15ull;
	l->body = (u64)s->gso_size;
	l->bias = loop_bias(s->gso_size);
	l->check_at = (u64)s->check;
	l->sum = s->head_sum + SWAP16(length);
	if (p->protocol == IP_TCP) {
		l->sequence_at = (u64)p->transport + 4;
		t[13] = s->flags & ~(LAST_FLAGS | FIRST_FLAGS);
		l->sum += (u32)t[13] << 8;
	} else {
		l->sequence_at = 0;
		put16(t + 4, length);
		l->sum += SWAP16(length);
	}
	l->ip = p->version == 4 ? p->ip : -1;
	put16(ip + (p->version == 4 ? 2 : 4), (u32)(n - p->ip - (p->version == 4 ? 0 : 40)));
	l->ip_sum = s->ip_sum + LOAD16(ip + 2);
	s->has_loop = 1;
}

/* Writes packets that are neither the first nor the last one, at most `count`. Returns how many. */
static int split_middle(struct split *s, u8 *out, int room, int count)
{
	struct split_loop *l = &s->loop;
	int most = (s->length - s->at - 1) / s->gso_size;
	if (!s->index || !s->suits_loop)
		return 0;
	if (count > most)
		count = most;
	most = room / (s->p.payload + s->gso_size);
	if (count > most)
		count = most;
	if (count <= 0)
		return 0;
	if (!s->has_loop)
		prepare_split_loop(s);
	l->from = s->frame + s->at;
	l->to = out;
	l->count = (u64)count;
	l->sequence = s->sequence + (u32)(s->at - s->p.payload);
	l->id = s->id + (u32)s->index;
	split_by_loop(l);
	s->at += count * s->gso_size;
	s->index += count;
	return count;
}
#else
static int split_middle(struct split *s, u8 *out, int room, int count) { return (void)s, (void)out, (void)room, count & 0; }
#endif

/*
 * Writes packets at `offset` of the slab, each right behind the one before,
 * until the next one does not fit or `count` are written. Without gaps, packets
 * of one size are one piece of memory to sendmsg(2): native/udp_send.c
 * extend_run(). Returns how many it wrote; their lengths go to `lengths`.
 */
static int split_many(struct split *s, u8 *slab, int offset, int end, int *lengths, int count)
{
	int full = s->p.payload + s->gso_size, i, n, middle;
	for (i = 0; i < count && s->at < s->length; i++) {
		for (middle = split_middle(s, slab + offset, end - offset, count - i); middle > 0; middle--) {
			lengths[i++] = full;
			offset += full;
		}
		if (i == count)
			break;
		n = s->length - s->at >= s->gso_size ? full : split_length(s);
		if (end - offset < n)
			break;
		split_next(s, slab + offset);
		lengths[i] = n;
		offset += n;
	}
	return i;
}
