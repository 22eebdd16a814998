/* Opens and binds UDP sockets, and reads and sets their options. */

struct udp_opening { int netns, family, entered, result; };

static int udp_socket(int family) { return fd_own(result(sys_socket(family, SOCK_DGRAM_ | SOCK_NONBLOCK_ | SOCK_CLOEXEC_, 0))); }

static void *udp_opening_main(void *argument)
{
	struct udp_opening *o = argument;
	o->result = result(sys_setns(o->netns, CLONE_NEWNET_));
	o->entered = o->result >= 0;
	if (o->entered)
		o->result = udp_socket(o->family);
	return 0;
}

/* Opens a socket in the network namespace `netns`, or in the caller's if that is -1, as netns_open() does. */
static int udp_open(int netns, int family, int *entered)
{
	struct udp_opening o;
	size id;
	int r;
	*entered = 1;
	if (netns < 0)
		return udp_socket(family);
	memset(&o, 0, sizeof o);
	o.netns = netns;
	o.family = family;
	r = thread_start(&id, udp_opening_main, &o);
	if (r == 0)
		sys_pthread_join(id, 0);
	*entered = r < 0 ? -1 : o.entered;
	return r < 0 ? r : o.result;
}

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
