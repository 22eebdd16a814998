/* Reads frames with a virtio header and splits super-packets (split.c). */

enum { FRAME_MAX = 65536 + 64 };

/* The rest of the last frame that was read. */
struct receiving {
	/* Tells whether `frame` holds packets that found no room. JavaScript reads this member and the next one. */
	int held;
	/* Frames that were dropped, because header and bytes did not agree. */
	int malformed;
	/* Length of a frame that is no super-packet; 0 if `split` is at work. */
	int single;
	struct split split;
	u8 frame[FRAME_MAX];
};

static int rx_size(void)
{
	detect_avx2();
	return sizeof(struct receiving);
}

/* Reads the next frame into `rx`. Returns 1, 0 for a malformed one, or -errno. */
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

/*
 * Works like tun_read(), for an fd with virtio headers: splits super-packets into packets. Packets that do not fit
 * stay in `rx`, and `held` is set.
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
		if (rx->single) {
			if (end - offset < rx->single)
				break;
			memcpy(slab + offset, rx->frame + VNET_HDR, (size)rx->single);
			lengths[n] = rx->single;
			rx->held = 0;
			r = 1;
		} else {
			r = split_many(&rx->split, slab, offset, end, lengths + n, count - n);
			rx->held = split_length(&rx->split) > 0;
			if (!r)
				break;
		}
		for (; r > 0; r--)
			offset += lengths[n++];
	}
	return n;
}
