/* Control of TUN and TAP interfaces, and their frames: drivers/net/tun.c. */

/* `name` is 16 bytes, in and out: the kernel fills in the number of a pattern. */
static int tun_set_iff(int fd, char *name, int flags)
{
	struct ifreq ifr;
	int r;
	memset(&ifr, 0, sizeof ifr);
	memcpy(ifr.name, name, 15);
	ifr.u.flags = (short)flags;
	r = result(sys_ioctl(fd, TUNSETIFF_, &ifr));
	if (r >= 0)
		memcpy(name, ifr.name, 16);
	return r;
}

/* Fills `name` (16 bytes) and returns the flags. */
static int tun_get_iff(int fd, char *name)
{
	struct ifreq ifr;
	int r;
	memset(&ifr, 0, sizeof ifr);
	r = result(sys_ioctl(fd, TUNGETIFF_, &ifr));
	if (r < 0)
		return r;
	memcpy(name, ifr.name, 16);
	return (u16)ifr.u.flags;
}

static int tun_get_features(int fd)
{
	int features = 0;
	int r = result(sys_ioctl(fd, TUNGETFEATURES_, &features));
	return r < 0 ? r : features;
}

static int tun_set_persist(int fd, int on) { return result(sys_ioctl(fd, TUNSETPERSIST_, (size)on)); }

static int tun_set_owner(int fd, u32 uid) { return result(sys_ioctl(fd, TUNSETOWNER_, (size)uid)); }

static int tun_set_group(int fd, u32 gid) { return result(sys_ioctl(fd, TUNSETGROUP_, (size)gid)); }

static int tun_set_offload(int fd, u32 bits) { return result(sys_ioctl(fd, TUNSETOFFLOAD_, (size)bits)); }

static int tun_get_vnet_header_size(int fd)
{
	int bytes = 0;
	int r = result(sys_ioctl(fd, TUNGETVNETHDRSZ_, &bytes));
	return r < 0 ? r : bytes;
}

static int tun_set_vnet_header_size(int fd, int bytes) { return result(sys_ioctl(fd, TUNSETVNETHDRSZ_, &bytes)); }

/* `flags` is IFF_ATTACH_QUEUE or IFF_DETACH_QUEUE. */
static int tun_set_queue(int fd, int flags)
{
	struct ifreq ifr;
	memset(&ifr, 0, sizeof ifr);
	ifr.u.flags = (short)flags;
	return result(sys_ioctl(fd, TUNSETQUEUE_, &ifr));
}

/* `program` is the fd of an eBPF program that chooses queues, or -1 for none. */
static int tun_set_steering(int fd, int program) { return result(sys_ioctl(fd, TUNSETSTEERINGEBPF_, &program)); }

static int tun_set_carrier(int fd, int on) { return result(sys_ioctl(fd, TUNSETCARRIER_, &on)); }

static int tun_get_sndbuf(int fd)
{
	int bytes = 0;
	int r = result(sys_ioctl(fd, TUNGETSNDBUF_, &bytes));
	return r < 0 ? r : bytes;
}

static int tun_set_sndbuf(int fd, int bytes) { return result(sys_ioctl(fd, TUNSETSNDBUF_, &bytes)); }

/* An fd of the network namespace that the interface is in. Needs CAP_NET_ADMIN there. */
static int tun_get_dev_netns(int fd) { return result(sys_ioctl(fd, TUNGETDEVNETNS_)); }

static int tun_get_hwaddr(int fd, u8 *mac)
{
	struct ifreq ifr;
	int r;
	memset(&ifr, 0, sizeof ifr);
	r = result(sys_ioctl(fd, SIOCGIFHWADDR_, &ifr));
	if (r >= 0)
		memcpy(mac, ifr.u.hwaddr.data, 6);
	return r;
}

static int tun_set_hwaddr(int fd, const u8 *mac)
{
	struct ifreq ifr;
	memset(&ifr, 0, sizeof ifr);
	ifr.u.hwaddr.family = ARPHRD_ETHER_;
	memcpy(ifr.u.hwaddr.data, mac, 6);
	return result(sys_ioctl(fd, SIOCSIFHWADDR_, &ifr));
}

/* `filter` is a struct tun_filter. Returns the number of addresses that are matched exactly. */
static int tun_set_tx_filter(int fd, const u8 *filter) { return result(sys_ioctl(fd, TUNSETTXFILTER_, filter)); }

/* `instructions` are `count` structs sock_filter, which the kernel copies. */
static int tun_attach_filter(int fd, const u8 *instructions, int count)
{
	struct sock_fprog program;
	program.len = (u16)count;
	program.filter = instructions;
	return result(sys_ioctl(fd, TUNATTACHFILTER_, &program));
}

static int tun_detach_filter(int fd)
{
	struct sock_fprog program;
	memset(&program, 0, sizeof program);
	return result(sys_ioctl(fd, TUNDETACHFILTER_, &program));
}

/* Frames */

/*
 * Reads frames into `slab`, each at the next multiple of 8 behind the one
 * before, until `frame_max` bytes no longer fit, `count` frames are in, or
 * none is waiting. Lengths go to `lengths`. Returns the number of frames, or
 * -errno if the first read failed.
 *
 * The driver cuts a frame that is longer than the buffer and says nothing
 * (tun_put_user()), so where the slab has no room for the longest of all,
 * `spill` (64 KiB and more) stands behind it: a frame that runs into it ends
 * the batch, and its length shows it.
 */
static int tun_read(int fd, u8 *slab, int offset, int end, int frame_max, u8 *spill, int spill_size, int *lengths, int count)
{
	struct iovec v[2];
	int n = 0;
	v[1].base = spill;
	v[1].length = (size)spill_size;
	while (n < count && end - offset >= frame_max) {
		int room = end - offset, r;
		if (room >= spill_size)
			r = transfer(NR_read, fd, slab + offset, (size)room);
		else {
			v[0].base = slab + offset;
			v[0].length = (size)room;
			r = transfer(NR_readv, fd, v, 2);
		}
		if (r < 0)
			return n ? n : r;
		lengths[n++] = r;
		if (r > room)
			break;
		offset += (r + 7) & ~7;
	}
	return n;
}

static int tun_write(int fd, const u8 *frame, int length) { return transfer(NR_write, fd, frame, (size)length); }

/*
 * Writes frames one by one: the driver takes what one call carries as one
 * frame. Returns how many were taken; if one was not, its place in `lengths`
 * has -errno.
 */
static int tun_write_many(int fd, const u8 *base, const int *offsets, int *lengths, int count)
{
	int i, r;
	for (i = 0; i < count; i++) {
		r = tun_write(fd, base + offsets[i], lengths[i]);
		if (r < 0) {
			lengths[i] = r;
			break;
		}
	}
	return i;
}
