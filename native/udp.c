/*
 * UDP sockets: several datagrams a system call, both ways.
 *
 * A run is datagrams of one size, of which the last may be shorter. It goes
 * as one message with UDP_SEGMENT, and comes as one with UDP_GRO
 * (net/ipv4/udp_offload.c). Messages are batched by sendmmsg(2), too.
 *
 * Numbers:
 *
 *   AF_INET 2, AF_INET6 10, SOCK_DGRAM 2      include/linux/socket.h, net.h
 *   SOCK_NONBLOCK 04000, SOCK_CLOEXEC 02000000
 *   MSG_TRUNC 0x20, MSG_DONTWAIT 0x40, MSG_NOSIGNAL 0x4000
 *   SOL_IP 0, SOL_SOCKET 1, SOL_UDP 17, SOL_IPV6 41
 *   IP_PKTINFO 8                              include/uapi/linux/in.h
 *   IPV6_PKTINFO 50                           include/uapi/linux/in6.h
 *   UDP_SEGMENT 103, UDP_GRO 104              include/uapi/linux/udp.h
 *   SO_ERROR 4, SO_BINDTODEVICE 25, SO_RXQ_OVFL 40   asm-generic/socket.h
 *   SIOCGIFNAME 0x8910, SIOCGIFINDEX 0x8933   include/uapi/linux/sockios.h
 *   sendmsg, recvmsg, sendmmsg, recvmmsg, getsockname
 *               x86-64: 46, 47, 307, 299, 51; arm64: 211, 212, 269, 243, 204
 */

#if defined(__x86_64__)
enum { NR_sendmsg = 46, NR_recvmsg = 47, NR_sendmmsg = 307, NR_recvmmsg = 299, NR_getsockname = 51 };
#else
enum { NR_sendmsg = 211, NR_recvmsg = 212, NR_sendmmsg = 269, NR_recvmmsg = 243, NR_getsockname = 204 };
#endif

enum {
	UDP_AF_INET = 2,
	UDP_AF_INET6 = 10,
	/* UDP_MAX_SEGMENTS of the kernels that have the fewest. */
	UDP_RUN = 64,
	/* An IPv4 packet without options: 65,535 - 20 - 8. */
	UDP_RUN_BYTES = 65507,
	UDP_MESSAGE_ROOM = 65536,
	UDP_MESSAGES = 64,
	UDP_PIECES = 512,
	/* Messages that one recvmmsg(2) takes, and of how many bytes they are moved together. */
	UDP_TOGETHER = 16,
	UDP_MOVED_MAX = 4096,
	UDP_PEERS = 4096,
	UDP_BUCKETS = 8192,
	UDP_FLAGS = 0x40 | 0x4000,
};

struct sockaddr_any { u16 family, port; u32 flow_or_address; u8 address[16]; u32 scope; };
struct mmsghdr { struct msghdr header; u32 length, pad; };
struct cmsg { size length; int level, type; };

/*
 * Two ends of a path. Addresses are IPv6 ones; ::ffff:a.b.c.d is IPv4's, and
 * a `local` of zeros lets the kernel choose. TypeScript reads and writes these.
 */
struct peer { u8 address[16], local[16]; u32 scope; u16 port, pad; };

/* Where datagrams go, in the form that sendmsg(2) takes. */
struct destination {
	/* The longest datagram that may be one of a segmented run: 0 where the path has refused segmentation. */
	int segment_max;
	u32 name_length, control_length, pad;
	struct sockaddr_any name;
	u8 pad_to_8[4];
	u8 control[40];
};

struct udp_run { int count, size, total, pieces, closed; };

struct udp {
	/* TypeScript reads these. */
	/* Datagrams that were given and are not sent. */
	int pending;
	/* sendmsg(2) and sendmmsg(2), recvmsg(2) and recvmmsg(2). */
	u32 sends, reads;
	/* Datagrams that found no room in the socket's queue: SO_RXQ_OVFL. */
	u32 lost;
	/* Messages that were longer than 65,536 bytes, and so were cut. */
	u32 cut;
	/* Errors that an earlier datagram had met: ICMP. */
	u32 icmp;
	/* Times that a path refused segmentation. */
	u32 refusals;
	int family;
	/* Each kept under its number. */
	struct peer peer[UDP_PEERS];

	int runs, used;
	struct udp_run run[UDP_MESSAGES];
	struct iovec piece[UDP_PIECES];

	/* The peer of the last message, plus one. */
	int last;
	/* Whether the last message was of one datagram. */
	int single;
	/* Makes it unknown to strangers which peers share a bucket. */
	u32 seed;
	int peers, hand;
	u16 bucket[UDP_BUCKETS], next[UDP_PEERS];
	u8 seen[UDP_PEERS];
};

static int udp_state_size(void) { return sizeof(struct udp); }

static int udp_destination_size(void) { return sizeof(struct destination); }

/* Addresses */

static const u8 mapped[12] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff };

static int is_ipv4(const u8 *address)
{
	int i;
	for (i = 0; i < 12; i++)
		if (address[i] != mapped[i])
			return 0;
	return 1;
}

/* Whether it is no address, of either family. */
static int is_unspecified(const u8 *address)
{
	int i;
	for (i = is_ipv4(address) ? 12 : 0; i < 16; i++)
		if (address[i])
			return 0;
	return 1;
}

/* Nobody can send from it: a group, or the broadcast address. */
static int is_group(const u8 *address)
{
	if (!is_ipv4(address))
		return address[0] == 0xff;
	return address[12] >> 4 == 14 || (address[12] & address[13] & address[14] & address[15]) == 255;
}

static void map_ipv4(u8 *address, const void *four)
{
	memcpy(address, mapped, 12);
	memcpy(address + 12, four, 4);
}

static u16 swap16(u16 x) { return (u16)(x << 8 | x >> 8); }

/* Returns the length of the sockaddr for a socket of `family`. */
static u32 to_sockaddr(struct sockaddr_any *a, int family, const u8 *address, u16 port, u32 scope)
{
	memset(a, 0, sizeof *a);
	a->family = (u16)family;
	a->port = swap16(port);
	if (family == UDP_AF_INET) {
		memcpy(&a->flow_or_address, address + 12, 4);
		return 16;
	}
	memcpy(a->address, address, 16);
	a->scope = scope;
	return 28;
}

static void from_sockaddr(struct peer *p, const struct sockaddr_any *a)
{
	p->port = swap16(a->port);
	p->scope = 0;
	if (a->family == UDP_AF_INET)
		map_ipv4(p->address, &a->flow_or_address);
	else {
		memcpy(p->address, a->address, 16);
		p->scope = a->scope;
	}
}

/* Peers, each kept once: the same one has the same number until it is forgotten. */

static int is_same_peer(const struct peer *one, const struct peer *other)
{
	u64 a[5], b[5];
	memcpy(a, one, sizeof a);
	memcpy(b, other, sizeof b);
	return a[0] == b[0] && a[1] == b[1] && a[2] == b[2] && a[3] == b[3] && a[4] == b[4];
}

static u32 peer_bucket(const struct udp *u, const struct peer *p)
{
	u32 word[10], h = u->seed;
	int i;
	memcpy(word, p, sizeof word);
	for (i = 0; i < 10; i++) {
		h = (h ^ word[i]) * 2654435761u;
		h ^= h >> 15;
	}
	return h % UDP_BUCKETS;
}

static void forget_peer(struct udp *u, int id)
{
	u16 *link = &u->bucket[peer_bucket(u, &u->peer[id])];
	while (*link && *link != id + 1)
		link = &u->next[*link - 1];
	*link = u->next[id];
}

/* A number that is free, or that of a peer that has not been seen since the hand came by: a flood of strangers costs none that is served. */
static int free_peer(struct udp *u)
{
	int id;
	if (u->peers < UDP_PEERS)
		return u->peers++;
	while (u->seen[u->hand]) {
		u->seen[u->hand] = 0;
		u->hand = (u->hand + 1) % UDP_PEERS;
	}
	id = u->hand;
	u->hand = (u->hand + 1) % UDP_PEERS;
	forget_peer(u, id);
	return id;
}

/* The number of a peer; negative, ~number, if it is new. */
static int intern_peer(struct udp *u, const struct peer *p)
{
	u16 *first = &u->bucket[peer_bucket(u, p)];
	int id;
	for (id = *first; id; id = u->next[id - 1])
		if (is_same_peer(&u->peer[id - 1], p)) {
			u->seen[id - 1] = 1;
			return id - 1;
		}
	id = free_peer(u);
	u->peer[id] = *p;
	/* So that none which came with one udp_read() is forgotten before TypeScript has looked at it. */
	u->seen[id] = 1;
	/* Not before: forgetting a peer may have changed the list. */
	u->next[id] = *first;
	*first = (u16)(id + 1);
	return ~id;
}

/* The number of the peer with bit 16 set if it is new. */
static int udp_intern(u8 *state, const u8 *peer)
{
	int id = intern_peer((struct udp *)state, (const struct peer *)peer);
	return id < 0 ? ~id | 1 << 16 : id;
}

/* Control messages; each begins at a multiple of 8. */

static u8 *put_cmsg(u8 *at, int level, int type, const void *data, int n)
{
	struct cmsg h;
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
	u32 info[5] = { 0, 0, 0, 0, 0 };
	if (is_unspecified(p->local))
		return 0;
	if (family == UDP_AF_INET) {
		/* struct in_pktinfo: index, ipi_spec_dst, ipi_addr */
		memcpy(&info[1], p->local + 12, 4);
		return (u32)(put_cmsg(control, 0, 8, info, 12) - control);
	}
	/* struct in6_pktinfo: address, index */
	memcpy(info, p->local, 16);
	info[4] = p->scope;
	return (u32)(put_cmsg(control, 41, 50, info, 20) - control);
}

/* Fills a struct destination for the peer; one without a name is for a connected socket. */
static int udp_destination(const u8 *state, const u8 *peer, int connected, int segment_max, u8 *destination)
{
	const struct udp *u = (const struct udp *)state;
	const struct peer *p = (const struct peer *)peer;
	struct destination *d = (struct destination *)destination;
	memset(d, 0, sizeof *d);
	d->segment_max = segment_max;
	if (connected)
		return 0;
	d->name_length = to_sockaddr(&d->name, u->family, p->address, p->port, p->scope);
	d->control_length = put_source(d->control, u->family, p);
	return 0;
}

/* Opening */

struct udp_opening { int netns, family, entered, result; };

static int udp_socket(int family) { return fd_own(result(sys_socket(family, 2 | 04000 | 02000000, 0))); }

static void *udp_opening_main(void *argument)
{
	struct udp_opening *o = argument;
	o->result = result(sys_setns(o->netns, 0x40000000));
	o->entered = o->result >= 0;
	if (o->entered)
		o->result = udp_socket(o->family);
	return 0;
}

/* As netns_open() does it: in the network namespace `netns`, or, if that is -1, in the caller's. */
static int udp_open(int netns, int family, int *entered)
{
	struct udp_opening o = { 0, 0, 0, 0 };
	size id;
	int r;
	*entered = 1;
	if (netns < 0)
		return udp_socket(family);
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
	const struct peer *p = (const struct peer *)peer;
	struct sockaddr_any a;
	u32 n = to_sockaddr(&a, family, p->address, p->port, p->scope);
	return result(sys_bind(fd, &a, n));
}

static int udp_connect(int fd, int family, const u8 *peer)
{
	const struct peer *p = (const struct peer *)peer;
	struct sockaddr_any a;
	u32 n = to_sockaddr(&a, family, p->address, p->port, p->scope);
	return result(sys_connect(fd, &a, n));
}

/* Where the socket is bound: `address`, `scope` and `port` of the peer. */
static int udp_get_name(int fd, u8 *peer)
{
	struct sockaddr_any a;
	u32 n = sizeof a;
	int r = result(sys_syscall(NR_getsockname, (long)fd, &a, &n));
	if (r >= 0)
		from_sockaddr((struct peer *)peer, &a);
	return r;
}

static int udp_bind_device(int fd, const u8 *name, int length)
{
	return result(sys_setsockopt(fd, 1, 25, name, (u32)length));
}

/* The value of an option that is an int of 0 or more. */
static int sock_get_option(int fd, int level, int option)
{
	int value = 0, r;
	u32 n = sizeof value;
	r = result(sys_getsockopt(fd, level, option, &value, &n));
	return r < 0 ? r : value;
}

/* Interface index of a name (16 bytes), in the network namespace of the socket. */
static int sock_get_interface_index(int fd, const u8 *name)
{
	struct ifreq ifr;
	int r, index;
	memset(&ifr, 0, sizeof ifr);
	memcpy(ifr.name, name, 15);
	r = result(sys_ioctl(fd, 0x8933, &ifr));
	memcpy(&index, &ifr.u, sizeof index);
	return r < 0 ? r : index;
}

/* The other way round. */
static int sock_get_interface_name(int fd, int index, u8 *name)
{
	struct ifreq ifr;
	int r;
	memset(&ifr, 0, sizeof ifr);
	memcpy(&ifr.u, &index, sizeof index);
	r = result(sys_ioctl(fd, 0x8910, &ifr));
	if (r >= 0)
		memcpy(name, ifr.name, 16);
	return r;
}

/* Takes the error that an earlier datagram met, or epoll would tell of it for ever. */
static int udp_take_error(int fd, u8 *state)
{
	int error = sock_get_option(fd, 1, 4);
	if (error > 0)
		((struct udp *)state)->icmp++;
	return error;
}

/* Sending */

/* sendmmsg(2) or recvmmsg(2); never blocks. Through a pointer, as transfer(). */
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
	} while (r == -EINTR);
	return (int)r;
}

static int (*transfer_many)(long number, int fd, struct mmsghdr *messages, size n) = transfer_many_now;

static int is_gone(int r) { return r == -9 || r == -88; }

/* EIO, EINVAL and EMSGSIZE of a run may be about segmentation; ENOBUFS and ENOMEM about its length. */
static int may_go_singly(int r) { return r == -5 || r == -22 || r == -90 || r == -105 || r == -12; }

/*
 * Sends one message. An error may be about an earlier datagram, whatever it
 * is (net/ipv4/icmp.c icmp_err_convert[], and EMSGSIZE by path MTU
 * discovery): it is taken by the call that tells it, so the second call tells
 * the truth.
 */
static int send_message(int fd, struct udp *u, struct msghdr *m)
{
	int r;
	u->sends++;
	r = transfer(NR_sendmsg, fd, m, UDP_FLAGS);
	if (r >= 0 || r == -11 || is_gone(r))
		return r;
	u->sends++;
	r = transfer(NR_sendmsg, fd, m, UDP_FLAGS);
	if (r >= 0)
		u->icmp++;
	return r;
}

static void address_message(struct msghdr *m, struct destination *d, struct iovec *pieces, int n)
{
	memset(m, 0, sizeof *m);
	m->name = d->name_length ? &d->name : 0;
	m->name_length = d->name_length;
	m->iov = pieces;
	m->iov_length = (size)n;
	m->control = d->control_length ? d->control : 0;
	m->control_length = d->control_length;
}

/* `control` has room for what is in the destination's, and 24 bytes. */
static void segment_message(struct msghdr *m, const struct destination *d, u8 *control, int segment)
{
	u16 bytes = (u16)segment;
	memcpy(control, d->control, d->control_length);
	m->control_length = (size)(put_cmsg(control + d->control_length, 17, 103, &bytes, 2) - control);
	m->control = control;
}

/* Sends a run one by one, as far as it goes; `sent` counts. A datagram never begins in one piece and ends in another. */
static int send_singly(int fd, struct udp *u, struct destination *d, const struct udp_run *run, const struct iovec *pieces, int *sent)
{
	struct msghdr m;
	struct iovec v;
	int i, r = 0;
	size at = 0;
	for (i = 0; i < run->count; i++) {
		size left = pieces->length - at;
		v.base = (u8 *)pieces->base + at;
		v.length = left < (size)run->size ? left : (size)run->size;
		address_message(&m, d, &v, 1);
		r = send_message(fd, u, &m);
		if (r < 0)
			return r;
		++*sent;
		at += v.length;
		if (at >= pieces->length) {
			pieces++;
			at = 0;
		}
	}
	return 0;
}

/* Sends a run alone, and finds out what it is that the kernel does not like. */
static int send_run(int fd, struct udp *u, struct destination *d, struct udp_run *run, struct iovec *pieces, int *sent)
{
	struct msghdr m;
	u8 control[64];
	int r;
	address_message(&m, d, pieces, run->pieces);
	if (run->count > 1)
		segment_message(&m, d, control, run->size);
	r = send_message(fd, u, &m);
	if (r >= 0)
		*sent += run->count;
	if (r >= 0 || run->count == 1 || !may_go_singly(r))
		return r;
	/* The kernel has no memory for a run now: that is not about the path. */
	if (r == -105 || r == -12)
		return send_singly(fd, u, d, run, pieces, sent);
	/* A datagram longer than the path's MTU is never segmented (udp_send_skb()), a shorter one may be. */
	if (r != -90)
		u->refusals++;
	d->segment_max = r == -90 ? run->size - 1 : 0;
	return send_singly(fd, u, d, run, pieces, sent);
}

/* Sends `n` runs from number `i` on, with one call. Returns how many went, or -errno. */
static int send_runs(int fd, struct udp *u, struct destination *d, int i, int n, struct iovec *pieces)
{
	static struct mmsghdr messages[UDP_MESSAGES];
	static u64 control[UDP_MESSAGES][8];
	int k;
	for (k = 0; k < n; k++) {
		const struct udp_run *run = &u->run[i + k];
		address_message(&messages[k].header, d, pieces, run->pieces);
		if (run->count > 1)
			segment_message(&messages[k].header, d, (u8 *)control[k], run->size);
		pieces += run->pieces;
	}
	u->sends++;
	return transfer_many(NR_sendmmsg, fd, messages, (size)n);
}

/*
 * Sends what is pending, in order. If that fails, `pending` datagrams are not
 * sent, and forgotten; the first of these is the one that failed.
 */
static int udp_flush(int fd, u8 *state, u8 *destination)
{
	struct udp *u = (struct udp *)state;
	struct destination *d = (struct destination *)destination;
	struct iovec *pieces = u->piece;
	int i = 0, r = 0, many = 1;
	while (i < u->runs && r >= 0) {
		int left = u->runs - i, sent = 0, done = 1, k;
		/* sendmmsg(2) does not tell why it stopped: the run at which it did goes alone. */
		if (many && left > 1) {
			r = send_runs(fd, u, d, i, left, pieces);
			done = r > 0 ? r : 0;
			many = r == left;
			for (k = 0; k < done; k++)
				sent += u->run[i + k].count;
			r = r == -11 || is_gone(r) ? r : 0;
		} else {
			r = send_run(fd, u, d, &u->run[i], pieces, &sent);
			many = 1;
		}
		for (k = 0; k < done; k++)
			pieces += u->run[i + k].pieces;
		i += done;
		u->pending -= sent;
	}
	u->runs = u->used = 0;
	if (r >= 0)
		u->pending = 0;
	return r < 0 ? r : 0;
}

static int continues_run(const struct udp_run *run, int length)
{
	return !run->closed && length <= run->size && length && run->count < UDP_RUN && run->total + length <= UDP_RUN_BYTES;
}

static void add_piece(struct udp *u, struct udp_run *run, const u8 *datagram, int length)
{
	struct iovec *last = u->used ? &u->piece[u->used - 1] : 0;
	if (run->pieces && (const u8 *)last->base + last->length == datagram) {
		last->length += (size)length;
		return;
	}
	u->piece[u->used].base = (void *)datagram;
	u->piece[u->used].length = (size)length;
	u->used++;
	run->pieces++;
}

/*
 * Takes one datagram, which has to stay until it is sent: by a later call or
 * by udp_flush(). If this fails, `pending` datagrams before it are not sent,
 * and forgotten.
 */
static int udp_push_one(int fd, u8 *state, u8 *destination, const u8 *datagram, int length)
{
	struct udp *u = (struct udp *)state;
	const struct destination *d = (const struct destination *)destination;
	struct udp_run *run = u->runs ? &u->run[u->runs - 1] : 0;
	int r;
	if (!run || !continues_run(run, length)) {
		if (u->runs == UDP_MESSAGES || u->used >= UDP_PIECES - UDP_RUN) {
			r = udp_flush(fd, state, destination);
			if (r < 0)
				return r;
		}
		run = &u->run[u->runs++];
		run->count = run->total = run->pieces = 0;
		run->size = length;
		run->closed = !length || length > d->segment_max;
	}
	add_piece(u, run, datagram, length);
	run->count++;
	run->total += length;
	if (length < run->size)
		run->closed = 1;
	u->pending++;
	return 0;
}

/* Pushes `count` datagrams. Returns how many were taken; if one was not, its place in `lengths` has -errno. */
static int udp_push(int fd, u8 *state, u8 *destination, const u8 *base, const int *offsets, int *lengths, int count)
{
	int i, r;
	for (i = 0; i < count; i++) {
		r = udp_push_one(fd, state, destination, base + offsets[i], lengths[i]);
		if (r < 0) {
			lengths[i] = r;
			break;
		}
	}
	return i;
}

/* Sends one datagram, now. Returns its length, or -errno. */
static int udp_send(int fd, u8 *state, u8 *destination, const u8 *datagram, int length)
{
	struct msghdr m;
	struct iovec v;
	v.base = (void *)datagram;
	v.length = (size)length;
	address_message(&m, (struct destination *)destination, &v, 1);
	return send_message(fd, (struct udp *)state, &m);
}

/* Receiving */

/* What the control messages of one message say. */
struct arrival { int segment; const u8 *ipv4, *ipv6; };

static void read_control(struct udp *u, const struct msghdr *m, struct arrival *a)
{
	const u8 *at = m->control, *end = at + m->control_length;
	a->segment = 0;
	a->ipv4 = a->ipv6 = 0;
	while (at + sizeof(struct cmsg) <= end) {
		struct cmsg h;
		const u8 *data = at + sizeof h;
		memcpy(&h, at, sizeof h);
		if (h.length < sizeof h || h.length > (size)(end - at))
			return;
		if (h.level == 17 && h.type == 104)
			memcpy(&a->segment, data, sizeof a->segment);
		else if (h.level == 0 && h.type == 8)
			/* ipi_spec_dst: where to answer from, also if it was sent to a group. */
			a->ipv4 = data + 4;
		else if (h.level == 41 && h.type == 50)
			a->ipv6 = data;
		else if (h.level == 1 && h.type == 40)
			memcpy(&u->lost, data, sizeof u->lost);
		at += (h.length + 7) & ~(size)7;
	}
}

/* The number of the peer that a message is from, with bit 16 set if it is new. */
static int arrival_peer(struct udp *u, const struct sockaddr_any *from, const struct arrival *a)
{
	struct peer p;
	int id;
	memset(&p, 0, sizeof p);
	from_sockaddr(&p, from);
	if (a->ipv4)
		map_ipv4(p.local, a->ipv4);
	else if (a->ipv6 && !is_group(a->ipv6))
		memcpy(p.local, a->ipv6, 16);
	if (u->last && is_same_peer(&u->peer[u->last - 1], &p))
		return u->last - 1;
	id = intern_peer(u, &p);
	u->last = (id < 0 ? ~id : id) + 1;
	return id < 0 ? ~id | 1 << 16 : id;
}

struct inbox { struct sockaddr_any from; struct iovec v; u64 control[24]; };

static void expect_message(struct msghdr *m, struct inbox *in, u8 *bytes)
{
	memset(m, 0, sizeof *m);
	in->v.base = bytes;
	in->v.length = UDP_MESSAGE_ROOM;
	m->name = &in->from;
	m->name_length = sizeof in->from;
	m->iov = &in->v;
	m->iov_length = 1;
	m->control = in->control;
	m->control_length = sizeof in->control;
}

/* Puts down a message of `n` bytes that lies at `offset`: offset, length, segment, peer. Returns how many datagrams it is. */
static int record_message(struct udp *u, const struct msghdr *m, const struct inbox *in, int offset, int n, int *record)
{
	struct arrival a;
	read_control(u, m, &a);
	if (m->flags & 0x20)
		u->cut++;
	record[0] = offset;
	record[1] = n;
	record[2] = a.segment > 0 && a.segment < n ? a.segment : n;
	record[3] = arrival_peer(u, &in->from, &a);
	return n ? (n + record[2] - 1) / record[2] : 1;
}

/* Errors of recvmsg(2) that say nothing about the socket are counted, `errors` of them at most. */
static int is_passing(struct udp *u, int r, int *errors)
{
	if (r == -11 || is_gone(r) || ++*errors > UDP_RUN)
		return 0;
	u->icmp++;
	return 1;
}

/* One message a call, of up to 64 datagrams: they stay where they are. */
static int read_one(int fd, struct udp *u, u8 *slab, int *offset, int *records, int *datagrams)
{
	static struct inbox in;
	struct msghdr m;
	int r;
	expect_message(&m, &in, slab + *offset);
	u->reads++;
	r = transfer(NR_recvmsg, fd, &m, 0x40);
	if (r < 0)
		return r;
	*datagrams += record_message(u, &m, &in, *offset, r, records);
	*offset += (r + 7) & ~7;
	return 1;
}

/*
 * Several messages a call, for senders whose datagrams do not come merged.
 * Each gets room for the longest, and short ones are moved together then.
 */
static int read_many(int fd, struct udp *u, u8 *slab, int *offset, int many, int *records, int *datagrams)
{
	static struct inbox in[UDP_TOGETHER];
	static struct mmsghdr messages[UDP_TOGETHER];
	int start = *offset, i, r;
	for (i = 0; i < many; i++)
		expect_message(&messages[i].header, &in[i], slab + start + i * UDP_MESSAGE_ROOM);
	u->reads++;
	r = transfer_many(NR_recvmmsg, fd, messages, (size)many);
	for (i = 0; i < r; i++) {
		int n = (int)messages[i].length, at = start + i * UDP_MESSAGE_ROOM;
		if (n <= UDP_MOVED_MAX && at - *offset >= n) {
			memcpy(slab + *offset, slab + at, (size)n);
			at = *offset;
		}
		*datagrams += record_message(u, &messages[i].header, &in[i], at, n, records + 4 * i);
		*offset = at + ((n + 7) & ~7);
	}
	return r;
}

/*
 * Receives into `slab`, one message behind the other, until there is no room
 * for the longest, `count` datagrams or more are in, or none is waiting. Each
 * message has four numbers in `records`, and they are `count` at most.
 * Returns the number of messages, or -errno.
 */
static int udp_read(int fd, u8 *state, u8 *slab, int offset, int end, int *records, int count)
{
	struct udp *u = (struct udp *)state;
	int n = 0, datagrams = 0, errors = 0, r;
	while (datagrams < count && end - offset >= UDP_MESSAGE_ROOM) {
		int many = (end - offset) / UDP_MESSAGE_ROOM;
		if (many > UDP_TOGETHER)
			many = UDP_TOGETHER;
		if (many > count - datagrams)
			many = count - datagrams;
		if (!u->single)
			many = 1;
		r = many > 1 ? read_many(fd, u, slab, &offset, many, records + 4 * n, &datagrams)
			: read_one(fd, u, slab, &offset, records + 4 * n, &datagrams);
		if (r < 0 && is_passing(u, r, &errors))
			continue;
		if (r < 0)
			return n ? n : r;
		n += r;
		if (r < many)
			break;
		u->single = records[4 * n - 3] == records[4 * n - 2];
	}
	return n;
}
