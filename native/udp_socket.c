/* Binds UDP sockets, and reads and sets their options. The core opens them: namespace.c. */

/* `state` is all zeros. */
static int udp_init(u8 *state, int family, u32 seed)
{
	struct udp *u = (struct udp *)state;
	u->family = family;
	u->seed = seed;
	return 0;
}

static int udp_bind(int fd, int family, const u8 *peer)
{
	union endpoint a;
	u32 n = to_sockaddr(&a, family, (const struct peer *)peer);
	return result(sys_bind(fd, &a, n));
}

static int udp_connect(int fd, int family, const u8 *peer)
{
	union endpoint a;
	u32 n = to_sockaddr(&a, family, (const struct peer *)peer);
	return result(sys_connect(fd, &a, n));
}

/* Fills `address`, `scope` and `port` of the peer with those to which the socket is bound. */
static int udp_get_name(int fd, u8 *peer)
{
	union endpoint a;
	u32 n = sizeof a;
	int r = result(sys_syscall(NR_getsockname, (long)fd, &a, &n));
	if (r >= 0)
		from_sockaddr((struct peer *)peer, &a);
	return r;
}

static int udp_bind_device(int fd, const u8 *name, int length)
{
	return result(sys_setsockopt(fd, SOL_SOCKET_, SO_BINDTODEVICE_, name, (u32)length));
}

/* Returns the value of an option that is an int of 0 or more. */
static int sock_get_option(int fd, int level, int option)
{
	int value = 0, r;
	u32 n = sizeof value;
	r = result(sys_getsockopt(fd, level, option, &value, &n));
	return r < 0 ? r : value;
}

/* Returns the index of the interface with that name (16 bytes), in the network namespace of the socket. */
static int sock_get_interface_index(int fd, const u8 *name)
{
	struct ifreq ifr;
	int r;
	memset(&ifr, 0, sizeof ifr);
	memcpy(ifr.name, name, 15);
	r = result(sys_ioctl(fd, SIOCGIFINDEX_, &ifr));
	return r < 0 ? r : ifr.u.index;
}

/* Fills `name` (16 bytes) with the name of the interface with that index, in the network namespace of the socket. */
static int sock_get_interface_name(int fd, int index, u8 *name)
{
	struct ifreq ifr;
	int r;
	memset(&ifr, 0, sizeof ifr);
	ifr.u.index = index;
	r = result(sys_ioctl(fd, SIOCGIFNAME_, &ifr));
	if (r >= 0)
		memcpy(name, ifr.name, 16);
	return r;
}

/* Takes the error that an earlier datagram met: epoll would report it for ever. */
static int udp_take_error(int fd, u8 *state)
{
	int error = sock_get_option(fd, SOL_SOCKET_, SO_ERROR_);
	if (error > 0)
		((struct udp *)state)->icmp++;
	return error;
}
