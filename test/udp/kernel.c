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
	udp_destination(state, peer, 1, segment_max, d);
	pushed = udp_push(3, state, d, bytes, offsets, lengths, count);
	r = pushed < count ? lengths[pushed] : udp_flush(3, state, d);
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
