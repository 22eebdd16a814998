/* Receives datagrams: merged by the kernel with UDP_GRO, or several in one call. */

/* The contents of the control messages of one message. */
struct arrival { int segment, ecn; const u8 *ipv4, *ipv6; };

static void read_control(struct udp *u, const struct msghdr *m, struct arrival *a)
{
	const u8 *at = m->control, *end = at + m->control_length;
	a->segment = a->ecn = 0;
	a->ipv4 = a->ipv6 = 0;
	while (at + sizeof(struct cmsghdr) <= end) {
		struct cmsghdr h;
		const u8 *data = at + sizeof h;
		memcpy(&h, at, sizeof h);
		if (h.length < sizeof h || h.length > (size)(end - at))
			return;
		if (h.level == SOL_UDP_ && h.type == UDP_GRO_)
			memcpy(&a->segment, data, sizeof a->segment);
		else if (h.level == SOL_IP_ && h.type == IP_PKTINFO_)
			/* The address to answer from, also if the datagram was sent to a group. */
			a->ipv4 = ((const struct in_pktinfo *)data)->source;
		else if (h.level == SOL_IPV6_ && h.type == IPV6_PKTINFO_)
			a->ipv6 = data;
		else if ((h.level == SOL_IP_ && h.type == IP_TOS_) || (h.level == SOL_IPV6_ && h.type == IPV6_TCLASS_))
			/* A byte, and an int in this machine's order, which are both little-endian. */
			a->ecn = data[0] & 3;
		else if (h.level == SOL_SOCKET_ && h.type == SO_RXQ_OVFL_)
			memcpy(&u->lost, data, sizeof u->lost);
		at += (h.length + 7) & ~(size)7;
	}
}

/* The number of the peer that a message is from, with bit 16 set if it is new. */
static int arrival_peer(struct udp *u, const union endpoint *from, const struct arrival *a)
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

struct inbox { union endpoint from; struct iovec v; u64 control[24]; };

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

/* Records a message of `n` bytes at `offset`: offset, length, segment, and peer with the ECN bits above it. Returns how many datagrams it contains. */
static int record_message(struct udp *u, const struct msghdr *m, const struct inbox *in, int offset, int n, int *record)
{
	struct arrival a;
	read_control(u, m, &a);
	if (m->flags & MSG_TRUNC_)
		u->cut++;
	record[0] = offset;
	record[1] = n;
	record[2] = a.segment > 0 && a.segment < n ? a.segment : n;
	record[3] = arrival_peer(u, &in->from, &a) | a.ecn << 17;
	return n ? (n + record[2] - 1) / record[2] : 1;
}

/* Counts errors of recvmsg(2) that do not concern the socket, at most `errors` of them. */
static int is_passing(struct udp *u, int r, int *errors)
{
	if (r == -EAGAIN_ || is_gone(r) || ++*errors > UDP_RUN)
		return 0;
	u->icmp++;
	return 1;
}

/* Receives one message in one call, of up to 64 datagrams, which are not moved. */
static int read_one(int fd, struct udp *u, u8 *slab, int *offset, int *records, int *datagrams)
{
	static struct inbox in;
	struct msghdr m;
	int r;
	expect_message(&m, &in, slab + *offset);
	u->reads++;
	r = transfer(NR_recvmsg, fd, &m, MSG_DONTWAIT_);
	if (r < 0)
		return r;
	*datagrams += record_message(u, &m, &in, *offset, r, records);
	*offset += (r + 7) & ~7;
	return 1;
}

/*
 * Receives several messages in one call, for senders whose datagrams do not come merged. Each gets room for the
 * longest; short ones are moved together afterwards.
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
 * message has four numbers in `records`, and they are `count`, or a quarter
 * of UDP_PEERS, at most.
 * Returns the number of messages, or -errno.
 */
static int udp_read(int fd, u8 *state, u8 *slab, int offset, int end, int *records, int count)
{
	struct udp *u = (struct udp *)state;
	int n = 0, datagrams = 0, errors = 0, r;
	u->now++;
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
