/* Sends datagrams: runs of one size with UDP_SEGMENT, several runs in one call. */

/* For a run, EIO, EINVAL and EMSGSIZE may be about segmentation, ENOBUFS and ENOMEM about its length. */
static int may_go_singly(int r) { return r == -EIO_ || r == -EINVAL_ || r == -EMSGSIZE_ || r == -ENOBUFS_ || r == -ENOMEM_; }

/*
 * Sends one message. Any error may be about an earlier datagram (net/ipv4/icmp.c icmp_err_convert[], and EMSGSIZE by
 * path MTU discovery). The call that reports it clears it, so the result of the second call is about this message.
 */
static int send_message(int fd, struct udp *u, struct msghdr *m)
{
	int r;
	u->sends++;
	r = transfer(NR_sendmsg, fd, m, UDP_FLAGS);
	if (r >= 0 || r == -EAGAIN_ || is_gone(r))
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
	m->control_length = (size)(put_cmsg(control + d->control_length, SOL_UDP_, UDP_SEGMENT_, &bytes, 2) - control);
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

/* Sends a run alone, and finds out why the kernel refuses it. */
static int send_run(int fd, struct udp *u, struct destination *d, struct udp_run *run, struct iovec *pieces, int *sent)
{
	struct msghdr m;
	u8 control[sizeof d->control + 24];
	int r;
	address_message(&m, d, pieces, run->pieces);
	if (run->count > 1)
		segment_message(&m, d, control, run->size);
	r = send_message(fd, u, &m);
	if (r >= 0)
		*sent += run->count;
	if (r >= 0 || run->count == 1 || !may_go_singly(r))
		return r;
	/* The kernel has no memory for a run now, which is not about the path. */
	if (r == -ENOBUFS_ || r == -ENOMEM_)
		return send_singly(fd, u, d, run, pieces, sent);
	/* Linux before 5.16 counts the headers among the bytes of 64 datagrams (udp_send_skb()). */
	if (r == -EINVAL_ && run->total + UDP_HEADERS > UDP_RUN * run->size) {
		u->headers = UDP_HEADERS;
		return send_singly(fd, u, d, run, pieces, sent);
	}
	/* A datagram longer than the path's MTU is never segmented (udp_send_skb(); EINVAL before 6.14), a shorter one may be. */
	if (r == -EIO_)
		u->refusals++;
	d->segment_max = r == -EIO_ ? 0 : run->size - 1;
	return send_singly(fd, u, d, run, pieces, sent);
}

/* Sends `n` runs from number `i` on, with one call. Returns how many went, or -errno. */
static int send_runs(int fd, struct udp *u, int i, int n, struct iovec *pieces)
{
	static struct mmsghdr messages[UDP_MESSAGES];
	static u64 control[UDP_MESSAGES][11];
	int k;
	for (k = 0; k < n; k++) {
		const struct udp_run *run = &u->run[i + k];
		address_message(&messages[k].header, run->to, pieces, run->pieces);
		if (run->count > 1)
			segment_message(&messages[k].header, run->to, (u8 *)control[k], run->size);
		pieces += run->pieces;
	}
	u->sends++;
	return transfer_many(NR_sendmmsg, fd, messages, (size)n);
}

/*
 * Sends the pending datagrams, in order. If that fails, `pending` datagrams are not sent, and forgotten; the first of
 * these is the one that failed.
 */
static int udp_flush(int fd, u8 *state)
{
	struct udp *u = (struct udp *)state;
	struct iovec *pieces = u->piece;
	int i = 0, r = 0, many = 1;
	while (i < u->runs && r >= 0) {
		int left = u->runs - i, sent = 0, done = 1, k;
		/* sendmmsg(2) does not tell why it stopped, so the run at which it stopped is sent alone. */
		if (many && left > 1) {
			r = send_runs(fd, u, i, left, pieces);
			done = r > 0 ? r : 0;
			many = r == left;
			for (k = 0; k < done; k++)
				sent += u->run[i + k].count;
			r = r == -EAGAIN_ || is_gone(r) ? r : 0;
		} else {
			r = send_run(fd, u, u->run[i].to, &u->run[i], pieces, &sent);
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

static int continues_run(const struct udp_run *run, const struct destination *d, int length)
{
	return run->to == d && !run->closed && length <= run->size && length && run->total + length <= run->most;
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
static int udp_push_one(int fd, u8 *state, struct destination *d, const u8 *datagram, int length)
{
	struct udp *u = (struct udp *)state;
	struct udp_run *run = u->runs ? &u->run[u->runs - 1] : 0;
	int r;
	/* Without those of a failure that has been reported. */
	if (!run)
		u->pending = 0;
	if (!run || !continues_run(run, d, length)) {
		if (u->runs == UDP_MESSAGES || u->used >= UDP_PIECES - UDP_RUN) {
			r = udp_flush(fd, state);
			if (r < 0)
				return r;
		}
		run = &u->run[u->runs++];
		run->to = d;
		run->count = run->total = run->pieces = 0;
		run->size = length;
		/* A datagram that is not segmented may be so long that the product below would overflow. */
		run->closed = !length || length > d->segment_max;
		run->most = run->closed ? length : UDP_RUN * length - u->headers;
		if (run->most > UDP_RUN_BYTES)
			run->most = UDP_RUN_BYTES;
	}
	add_piece(u, run, datagram, length);
	run->count++;
	run->total += length;
	if (length < run->size)
		run->closed = 1;
	u->pending++;
	return 0;
}

/*
 * Counts the datagrams from number `i` on that continue the last run and lie one behind the other in memory: they
 * make its last piece longer. Makes no calls, which TinyCC does not inline: most datagrams of a tunnel end here.
 */
static int extend_run(struct udp *u, const u8 *base, const int *offsets, const int *lengths, int i, int count)
{
	struct udp_run *run = &u->run[u->runs - 1];
	struct iovec *last = &u->piece[u->used - 1];
	int n, begin = i, each = run->size;
	long end = (const u8 *)last->base + last->length - base;
	if (run->closed)
		return 0;
	n = (run->most - run->total) / each;
	if (n > count - i)
		n = count - i;
	for (n += i; i < n && lengths[i] == each && offsets[i] == end; i++)
		end += each;
	n = i - begin;
	last->length += (size)n * (size)each;
	run->total += n * each;
	run->count += n;
	u->pending += n;
	return n;
}

/* Pushes `count` datagrams. Returns how many were taken; if one was not, its place in `lengths` has -errno. */
static int udp_push(int fd, u8 *state, u8 *destination, const u8 *base, const int *offsets, int *lengths, int count)
{
	struct udp *u = (struct udp *)state;
	int i = 0, r;
	while (i < count) {
		r = udp_push_one(fd, state, (struct destination *)destination, base + offsets[i], lengths[i]);
		if (r < 0) {
			lengths[i] = r;
			break;
		}
		i++;
		i += extend_run(u, base, offsets, lengths, i, count);
	}
	return i;
}

/*
 * Pushes `count` datagrams as udp_push() does, each to a destination of its own: `to` has the address of one for each,
 * from number `from` on.
 */
static int udp_push_each(int fd, u8 *state, const double *to, int from, const u8 *base, const int *offsets, int *lengths, int count)
{
	int i, r;
	for (i = 0; i < count; i++) {
		r = udp_push_one(fd, state, (struct destination *)(size)to[from + i], base + offsets[i], lengths[i]);
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
