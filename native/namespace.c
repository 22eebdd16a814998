/* Namespaces other than the caller's. */

struct opening { int netns; const char *path; int flags, entered, result; };

static void *opening_main(void *argument)
{
	struct opening *o = argument;
	o->result = result(o->netns < 0 ? sys_unshare(CLONE_NEWNET_) : sys_setns(o->netns, CLONE_NEWNET_));
	o->entered = o->result >= 0;
	if (o->entered)
		o->result = o->path ? fd_open(o->path, o->flags) : nl_open();
	return 0;
}

/*
 * Opens `path`, or an rtnetlink socket if it is null, in the network namespace of `netns`, or in a new one if that is
 * -1. A thread goes there and ends: the caller never leaves its own namespace, into which it might not get back
 * (setns(2) asks for CAP_SYS_ADMIN over the one that is entered). `entered` tells which step failed: -1 the thread, 0
 * setns(2) or unshare(2).
 */
static int netns_open(int netns, const char *path, int flags, int *entered)
{
	struct opening o;
	int r;
	memset(&o, 0, sizeof o);
	o.netns = netns;
	o.path = path;
	o.flags = flags;
	r = thread_run(opening_main, &o);
	*entered = r < 0 ? -1 : o.entered;
	return r < 0 ? r : o.result;
}

/* Moves the calling thread. A caller that wants it back keeps an fd of the namespace that it was in. */
static int netns_enter(int netns) { return result(sys_setns(netns, CLONE_NEWNET_)); }

/* Brings up the loopback interface of the namespace of the socket `fd`: without it a host cannot reach itself. */
static int loopback_up(int fd)
{
	struct ifreq ifr;
	memset(&ifr, 0, sizeof ifr);
	memcpy(ifr.name, "lo", 3);
	ifr.u.flags = IFF_UP_;
	return result(sys_ioctl(fd, SIOCSIFFLAGS_, &ifr));
}

/* A raw socket for echo messages, where the caller is. The kernel makes and checks the checksums of IPv6 alone. */
static int icmp_open(int family)
{
	int protocol = family == AF_INET_ ? IPPROTO_ICMP_ : IPPROTO_ICMPV6_;
	return fd_own(result(sys_socket(family, SOCK_RAW_ | SOCK_NONBLOCK_ | SOCK_CLOEXEC_, protocol)));
}

/* Tells whether this process may make a user namespace: a child tries it, and ends. */
static int userns_try(void)
{
	int status = 0, waited;
	int child = result(sys_syscall(NR_clone, (long)CLONE_NEWUSER_, 0L, 0L, 0L, 0L));
	if (child < 0)
		return child;
	if (child == 0)
		sys_syscall(NR_exit, 0L);
	do
		waited = result(sys_syscall(NR_wait4, (long)child, &status, (long)__WALL_, 0L));
	while (waited == -EINTR_);
	return 0;
}

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
	int r;
	*entered = 1;
	if (netns < 0)
		return udp_socket(family);
	memset(&o, 0, sizeof o);
	o.netns = netns;
	o.family = family;
	r = thread_run(udp_opening_main, &o);
	*entered = r < 0 ? -1 : o.entered;
	return r < 0 ? r : o.result;
}
