/*
 * native/udp_send.c and udp_receive.c with a kernel that a test hands in.
 * Compiled by kernel.ts, behind the shim's own source.
 */

enum { LOG_MAX = 4096 };

/* What each call to come answers: 0 takes all; -errno; above 0: so many messages of a sendmmsg(2), and no more. */
static int plan[LOG_MAX], planned, asked;
/* Each message that was taken: bytes, segment, first byte; and each call: how many messages it was given. */
static int log_messages[LOG_MAX][3], logged, log_calls[LOG_MAX];

static int answer(void) { return asked < planned ? plan[asked++] : 0; }

static void take(const struct msghdr *m)
{
	size i, total = 0;
	u16 segment = 0;
	for (i = 0; i < m->iov_length; i++)
		total += m->iov[i].length;
	if (m->control_length >= 24)
		memcpy(&segment, (const u8 *)m->control + m->control_length - 8, 2);
	log_messages[logged][0] = (int)total;
	log_messages[logged][1] = segment;
	log_messages[logged++][2] = total ? *(const u8 *)m->iov[0].base : -1;
}

static int calls;

static int fake_one(long number, int fd, const void *message, size n)
{
	int r = answer();
	(void)number, (void)fd, (void)n;
	log_calls[calls++] = 1;
	if (r < 0)
		return r;
	take(message);
	return 1;
}

static int fake_many(long number, int fd, struct mmsghdr *messages, size n)
{
	int i, r = answer();
	(void)number, (void)fd;
	log_calls[calls++] = (int)n;
	if (r < 0)
		return r;
	if (!r || r > (int)n)
		r = (int)n;
	for (i = 0; i < r; i++)
		take(&messages[i].header);
	return r;
}

int kernel_send_state(void) { return udp_state_size(); }

/* Sends datagrams of the lengths given, each filled with its number; returns what udp_push() or udp_flush() said. */
int kernel_send(u8 *state, int segment_max, const u8 *bytes, const int *offsets, int *lengths, int count, const int *answers, int n, int *out)
{
	u8 peer[40], d[256];
	int i, r, pushed;
	transfer = fake_one;
	transfer_many = fake_many;
	planned = n;
	asked = logged = calls = 0;
	for (i = 0; i < n; i++)
		plan[i] = answers[i];
	memset(peer, 0, sizeof peer);
	udp_destination(state, peer, 1, segment_max, 0, d);
	pushed = udp_push(3, state, d, bytes, offsets, lengths, count);
	r = pushed < count ? lengths[pushed] : udp_flush(3, state);
	out[0] = pushed;
	out[1] = ((struct udp *)state)->pending;
	out[2] = ((struct destination *)d)->segment_max;
	out[3] = (int)((struct udp *)state)->icmp;
	out[4] = (int)((struct udp *)state)->refusals;
	out[5] = logged;
	out[6] = calls;
	for (i = 0; i < logged; i++)
		memcpy(out + 8 + 3 * i, log_messages[i], 12);
	return r;
}

/* Receiving: messages that wait, each of four numbers: bytes, size of a merged datagram or 0, port of its sender, MSG_* flags; bytes below 0 are an -errno. */
static const int *waiting;
static int waiting_count, waiting_at;
static u32 overflown;

static int arrive(struct msghdr *m)
{
	const int *w = waiting + 4 * waiting_at;
	struct sockaddr_in *from = m->name;
	u8 *at = m->control, destination[12] = { 0, 0, 0, 0, 192, 0, 2, 1, 192, 0, 2, 1 };
	if (waiting_at >= waiting_count)
		return -EAGAIN_;
	waiting_at++;
	if (w[0] < 0)
		return w[0];
	memset(m->iov[0].base, waiting_at, (size)w[0]);
	memset(from, 0, sizeof *from);
	from->family = AF_INET_;
	from->port = swap16((u16)w[2]);
	from->address[0] = 192;
	at = put_cmsg(at, SOL_IP_, IP_PKTINFO_, destination, 12);
	if (w[1])
		at = put_cmsg(at, SOL_UDP_, UDP_GRO_, &w[1], 4);
	if (overflown)
		at = put_cmsg(at, SOL_SOCKET_, SO_RXQ_OVFL_, &overflown, 4);
	m->control_length = (size)(at - (u8 *)m->control);
	m->flags = w[3];
	return w[0];
}

static int arrive_one(long number, int fd, const void *message, size n)
{
	(void)number, (void)fd, (void)n;
	return arrive((struct msghdr *)message);
}

static int arrive_many(long number, int fd, struct mmsghdr *messages, size n)
{
	int i, r = 0;
	(void)number, (void)fd;
	for (i = 0; i < (int)n && (r = arrive(&messages[i].header)) >= 0; i++)
		messages[i].length = (u32)r;
	/* The kernel tells an error that comes after a message with the next call. */
	if (i && r < 0 && r != -EAGAIN_)
		waiting_at--;
	return i ? i : r;
}

int kernel_receive(u8 *state, u8 *slab, int offset, int end, int *records, int limit, const int *messages, int count, int lost)
{
	transfer = arrive_one;
	transfer_many = arrive_many;
	waiting = messages;
	waiting_count = count;
	waiting_at = 0;
	overflown = (u32)lost;
	((struct udp *)state)->family = AF_INET_;
	return udp_read(3, state, slab, offset, end, records, limit);
}

/* Returns the number of messages that were taken. */
int kernel_taken(void) { return waiting_at; }
