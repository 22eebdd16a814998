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
	/* An IPv6 and a UDP header. */
	UDP_HEADERS = 48,
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

struct udp_run { struct destination *to; int count, size, total, most, pieces, closed; };

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

	/* Bytes of headers that the kernel counts among those of a run: UDP_HEADERS once it has shown that it counts them, else 0. */
	int headers;
	int runs, used;
	struct udp_run run[UDP_MESSAGES];
	struct iovec piece[UDP_PIECES];

	/* The peer of the last message, plus one. */
	int last;
	/* Tells whether the last message was of one datagram. */
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

/* Tells whether it is the unspecified address of either family. */
static int is_unspecified(const u8 *address)
{
	int i;
	for (i = is_ipv4(address) ? 12 : 0; i < 16; i++)
		if (address[i])
			return 0;
	return 1;
}

/* Tells whether no datagram can be sent from it: a group, or the broadcast address. */
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
