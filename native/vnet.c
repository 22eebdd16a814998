/* Reading and writing frames behind a virtio header: split on the way in (offload.c), merged on the way out (merge.c). */

enum { FRAME_MAX = 65536 + 64, VNET_HDR = 10 };

/* What is left of the last frame read. */
struct receiving {
	/* Whether `frame` holds something that found no room; JavaScript reads these two. */
	int held;
	/* Frames whose header did not agree with their bytes, and which are lost. */
	int malformed;
	/* Of a frame that is no super-packet; 0 if `split` is at work. */
	int single;
	struct split split;
	u8 frame[FRAME_MAX];
};

static int rx_size(void) { return sizeof(struct receiving); }

/* Reads the next frame into `rx`. 1 for a frame, 0 for a malformed one, or -errno. */
static int rx_read(int fd, struct receiving *rx, int link)
{
	struct virtio_net_hdr h;
	u8 *f = rx->frame + VNET_HDR;
	int n = transfer(NR_read, fd, rx->frame, sizeof rx->frame);
	if (n < 0)
		return n;
	n -= VNET_HDR;
	rx->single = 0;
	if (n > 0) {
		memcpy(&h, rx->frame, sizeof h);
		if (h.gso_type)
			return rx->held = split_begin(&rx->split, f, n, &h, link) > 0;
		if (!(h.flags & VIRTIO_NET_HDR_F_NEEDS_CSUM_) || finish_checksum(f, n, &h))
			rx->single = n;
	}
	return rx->held = rx->single > 0;
}

/* Bytes of the next packet in `rx`; 0 if there is none. */
static int rx_next(const struct receiving *rx) { return rx->single ? rx->single : split_length(&rx->split); }

/*
 * As tun_read(), for an fd with virtio headers: super-packets become packets.
 * Leaves what does not fit, and says so in `held`.
 */
static int vnet_read(int fd, u8 *slab, int offset, int end, u8 *state, int link, int *lengths, int count)
{
	struct receiving *rx = (struct receiving *)state;
	int n = 0, r;
	while (n < count) {
		if (!rx->held) {
			r = rx_read(fd, rx, link);
			if (r < 0)
				return n ? n : r;
			if (r == 0) {
				rx->malformed++;
				continue;
			}
		}
		r = rx_next(rx);
		if (end - offset < r)
			break;
		if (rx->single) {
			memcpy(slab + offset, rx->frame + VNET_HDR, (size)r);
			rx->held = 0;
		} else {
			split_next(&rx->split, slab + offset);
			rx->held = split_length(&rx->split) > 0;
		}
		lengths[n++] = r;
		offset += (r + 7) & ~7;
	}
	return n;
}

/* What waits to be merged and written. */
struct sending {
	/* Packets that were given and are not written; JavaScript reads these two. */
	int pending;
	/* Kinds that this kernel refused (1 TCP, 2 UDP over IPv4, 4, 8 over IPv6), or that are not wanted. */
	int off;
	struct run run;
};

static int tx_size(void) { return sizeof(struct sending); }

static int kind_of(const struct parts *p) { return (p->protocol == IP_TCP ? 1 : 2) << (p->version == 4 ? 0 : 2); }

/* One frame as it is. Returns its own length. */
static int vnet_write(int fd, const u8 *frame, int length)
{
	static u8 none[VNET_HDR];
	struct iovec v[2];
	int r;
	v[0].base = none;
	v[0].length = VNET_HDR;
	v[1].base = (void *)frame;
	v[1].length = (size)length;
	r = transfer(NR_writev, fd, v, 2);
	return r < 0 ? r : r - VNET_HDR;
}

/* Writes the packets of the run one by one; `pending` are those that are left if one fails. */
static int write_singly(int fd, struct sending *tx)
{
	struct run *run = &tx->run;
	int i, n, r = 0;
	for (i = 0; i < run->count && r >= 0; i++) {
		const u8 *frame = run_packet(run, i, &n);
		r = vnet_write(fd, frame, n);
	}
	tx->pending = r < 0 ? run->count - i + 1 : 0;
	run->count = 0;
	return r < 0 ? r : 0;
}

/* Writes what is pending. If that fails, `pending` packets are not written, and forgotten. */
static int vnet_flush(int fd, u8 *state)
{
	struct sending *tx = (struct sending *)state;
	struct run *run = &tx->run;
	int r;
	if (run->count < 2)
		return write_singly(fd, tx);
	run_finish(run);
	r = transfer(NR_writev, fd, run->pieces, (size)run->count + 1);
	if (r == -22) {
		/* EINVAL: kernels of the 6.6.44 era refuse some super-packets that are in order. */
		r = write_singly(fd, tx);
		if (r >= 0)
			tx->off |= kind_of(&run->p);
		return r;
	}
	tx->pending = r < 0 ? run->count : 0;
	run->count = 0;
	return r < 0 ? r : 0;
}

/*
 * Takes one frame, which has to stay until it is written: at once, or with
 * those behind it by a later call or vnet_flush(). Order is kept. If this
 * fails, `pending` frames before this one are not written, and forgotten; it
 * is this one that failed if there are none.
 */
static int vnet_push(int fd, u8 *state, const u8 *frame, int length, int link)
{
	struct sending *tx = (struct sending *)state;
	struct run *run = &tx->run;
	struct parts p;
	int r;
	if (!run->count || !continues(run, frame, length)) {
		if (run->count) {
			r = vnet_flush(fd, state);
			if (r < 0)
				return r;
		}
		if (!is_candidate(frame, length, link, &p) || (tx->off & kind_of(&p))) {
			/* Not those of a failure that has been told. */
			tx->pending = 0;
			return vnet_write(fd, frame, length);
		}
		run_begin(run, frame, length, &p);
	}
	run_add(run, frame, length);
	tx->pending = run->count;
	return 0;
}

/* Pushes `count` frames. Returns how many were taken; if one was not, its place in `lengths` has -errno. */
static int vnet_push_many(int fd, u8 *state, const u8 *base, const int *offsets, int *lengths, int count, int link)
{
	int i, r;
	for (i = 0; i < count; i++) {
		r = vnet_push(fd, state, base + offsets[i], lengths[i], link);
		if (r < 0) {
			lengths[i] = r;
			break;
		}
	}
	return i;
}
