/* Messages of sendmsg(2) and recvmsg(2): destinations, and control messages, each of which begins at a multiple of 8. */

static u8 *put_cmsg(u8 *at, int level, int type, const void *data, int n)
{
	struct cmsghdr h;
	h.length = sizeof h + (size)n;
	h.level = level;
	h.type = type;
	memset(at, 0, sizeof h + (size)((n + 7) & ~7));
	memcpy(at, &h, sizeof h);
	memcpy(at + sizeof h, data, (size)n);
	return at + sizeof h + ((n + 7) & ~7);
}

/*
 * Source address: IPV6_PKTINFO serves both families of an IPv6 socket
 * (net/ipv4/ip_sockglue.c ip_cmsg_send()), IP_PKTINFO an IPv4 one.
 */
static u32 put_source(u8 *control, int family, const struct peer *p)
{
	struct in_pktinfo v4;
	struct in6_pktinfo v6;
	if (is_unspecified(p->local))
		return 0;
	if (family == AF_INET_) {
		memset(&v4, 0, sizeof v4);
		memcpy(v4.source, p->local + 12, 4);
		return (u32)(put_cmsg(control, SOL_IP_, IP_PKTINFO_, &v4, sizeof v4) - control);
	}
	memcpy(v6.address, p->local, 16);
	v6.index = p->scope;
	return (u32)(put_cmsg(control, SOL_IPV6_, IPV6_PKTINFO_, &v6, sizeof v6) - control);
}

/*
 * The ECN bits of what is sent (RFC 3168 section 5); 0 is the default, and
 * takes no message. IPv4 of an IPv6 socket, too, takes that of IPv4
 * (net/ipv6/udp.c udpv6_sendmsg() hands mapped addresses to udp_sendmsg()).
 */
static u32 put_ecn(u8 *control, const struct peer *p, int ecn)
{
	if (!ecn)
		return 0;
	if (is_ipv4(p->address))
		return (u32)(put_cmsg(control, SOL_IP_, IP_TOS_, &ecn, sizeof ecn) - control);
	return (u32)(put_cmsg(control, SOL_IPV6_, IPV6_TCLASS_, &ecn, sizeof ecn) - control);
}

/* Fills a struct destination for the peer; one without a name is for a connected socket. */
static int udp_destination(const u8 *state, const u8 *peer, int connected, int segment_max, int ecn, u8 *destination)
{
	const struct udp *u = (const struct udp *)state;
	const struct peer *p = (const struct peer *)peer;
	struct destination *d = (struct destination *)destination;
	memset(d, 0, sizeof *d);
	d->segment_max = segment_max;
	if (!connected) {
		d->name_length = to_sockaddr(&d->name, u->family, p);
		d->control_length = put_source(d->control, u->family, p);
	}
	d->control_length += put_ecn(d->control + d->control_length, p, ecn);
	return 0;
}

/* sendmmsg(2) or recvmmsg(2), without blocking. Called through a pointer, as transfer() is. */
static int transfer_many_now(long number, int fd, struct mmsghdr *messages, size n)
{
	long r;
	do {
#if defined(__x86_64__)
		__asm__ volatile ("movl $0x4040, %%r10d\n\txorl %%r8d, %%r8d\n\tsyscall"
			: "=a"(r) : "a"(number), "D"((long)fd), "S"(messages), "d"(n) : "rcx", "r8", "r10", "r11", "memory");
#else
		r = result(sys_syscall(number, (long)fd, messages, n, (long)UDP_FLAGS, 0L));
#endif
	} while (r == -EINTR_);
	return (int)r;
}

static int (*transfer_many)(long number, int fd, struct mmsghdr *messages, size n) = transfer_many_now;

static int is_gone(int r) { return r == -EBADF_ || r == -ENOTSOCK_; }
