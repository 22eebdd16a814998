/* Runs of packets that can be sent as one super-packet, and what their packets have in common. Pure. */

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
	/* The copies of its payloads, one behind the other; null if the kernel gathers them. */
	u8 *copy;
	/* Sums that its packets have in common: of the IPv4 header without length, identification and checksum; of the pseudo-header without length. */
	u32 ip_sum, pseudo_sum;
	/* Length of the headers in whole blocks, or more than any packet has if the first one is shorter. */
	int wide;
	u8 mask[HEADERS_PADDED];
#if defined(HAS_LOOPS)
	/* Tells whether its packets suit merge_by_loop(), and whether `loop` is prepared. */
	u8 suits_loop, has_loop;
	struct merge_loop loop;
#endif
};

/* Tells whether a packet may be merged with others, if its checksums are right: nothing about it is unusual. */
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
#if defined(HAS_LOOPS)
	r->suits_loop = has_avx2 && r->copy && r->wide <= LOOP_HEADERS && r->size >= LOOP_BODY_MIN && !(r->size & 1);
	r->has_loop = 0;
#endif
	r->ip_sum = p->version == 4 ? add(0, ip, 20) + MINUS(LOAD16(ip + 2)) + MINUS(LOAD16(ip + 4)) + MINUS(LOAD16(ip + 10)) : 0;
	r->pseudo_sum = pseudo(f, p, 0);
}
