/*
 * UDP sockets: sends and receives several datagrams in one system call.
 *
 * A run is datagrams of one size, of which the last may be shorter. It is sent as one message with UDP_SEGMENT, and
 * received as one with UDP_GRO (net/ipv4/udp_offload.c). Messages are batched by sendmmsg(2), too.
 */

enum {
	/* UDP_MAX_SEGMENTS of the kernels that have the fewest. */
	UDP_RUN = 64,
	/* An IPv4 packet without options: 65,535 - 20 - 8. */
	UDP_RUN_BYTES = 65507,
	UDP_MESSAGE_ROOM = 65536,
	UDP_MESSAGES = 64,
	UDP_PIECES = 512,
	/* The most messages of one recvmmsg(2), and the size up to which they are moved together. */
	UDP_TOGETHER = 16,
	UDP_MOVED_MAX = 4096,
	UDP_PEERS = 4096,
	UDP_BUCKETS = 8192,
	UDP_FLAGS = MSG_DONTWAIT_ | MSG_NOSIGNAL_
};

union endpoint { struct sockaddr_in v4; struct sockaddr_in6 v6; };

/*
 * The two ends of a path. Addresses have the form of IPv6, with ::ffff:a.b.c.d for IPv4; with a `local` of zeros the
 * kernel chooses. TypeScript reads and writes these.
 */
struct peer { u8 address[16], local[16]; u32 scope; u16 port, pad; };

/* The destination of datagrams, in the form of sendmsg(2). */
struct destination {
	/* The longest datagram of a segmented run: 0 if the path has refused segmentation. */
	int segment_max;
	u32 name_length, control_length, pad;
	union endpoint name;
	u32 pad_to_8;
	u8 control[64];
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
	/* ICMP errors about earlier datagrams. */
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
	/* A secret, so that strangers cannot know which peers share a bucket. */
	u32 seed;
	int peers, hand;
	/* Counts the calls that may meet new peers. */
	u32 now;
	u16 bucket[UDP_BUCKETS], next[UDP_PEERS];
	u8 seen[UDP_PEERS];
	u32 born[UDP_PEERS];
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

/* Whether it is the unspecified address of either family. */
static int is_unspecified(const u8 *address)
{
	int i;
	for (i = is_ipv4(address) ? 12 : 0; i < 16; i++)
		if (address[i])
			return 0;
	return 1;
}

/* Whether no datagram can be sent from it: a group, or the broadcast address. */
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

/* Returns the length of the address for a socket of `family`. */
static u32 to_sockaddr(union endpoint *a, int family, const struct peer *p)
{
	memset(a, 0, sizeof *a);
	a->v6.family = (u16)family;
	a->v6.port = swap16(p->port);
	if (family == AF_INET_) {
		memcpy(a->v4.address, p->address + 12, 4);
		return sizeof a->v4;
	}
	memcpy(a->v6.address, p->address, 16);
	a->v6.scope = p->scope;
	return sizeof a->v6;
}

static void from_sockaddr(struct peer *p, const union endpoint *a)
{
	p->port = swap16(a->v6.port);
	p->scope = 0;
	if (a->v6.family == AF_INET_)
		map_ipv4(p->address, a->v4.address);
	else {
		memcpy(p->address, a->v6.address, 16);
		p->scope = a->v6.scope;
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

/*
 * Returns a free number, or that of a peer that has not been seen since the clock hand last passed: a flood of
 * strangers displaces no peer that is being served. Peers of this call stay, because TypeScript has not read them
 * yet.
 */
static int free_peer(struct udp *u)
{
	int id;
	if (u->peers < UDP_PEERS)
		return u->peers++;
	while (u->seen[u->hand] || u->born[u->hand] == u->now) {
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
	memcpy(&u->peer[id], p, sizeof *p);
	u->seen[id] = 0;
	u->born[id] = u->now;
	/* Only now, because forgetting a peer may have changed the list. */
	u->next[id] = *first;
	*first = (u16)(id + 1);
	return ~id;
}

/* The number of the peer with bit 16 set if it is new. */
static int udp_intern(u8 *state, const u8 *peer)
{
	struct udp *u = (struct udp *)state;
	int id;
	u->now++;
	id = intern_peer(u, (const struct peer *)peer);
	return id < 0 ? ~id | 1 << 16 : id;
}

/* Control messages. Each begins at a multiple of 8. */

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
