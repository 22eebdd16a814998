/* Writes frames behind a virtio header, and merges runs of packets on the way out (merge.c, flows.c). */

enum {
	/*
	 * Room for refusals until JavaScript reads them, which it does after each push of GATHER_MAX (512) packets at
	 * most.
	 */
	REFUSALS = WINDOW + 512
};

/*
 * Packets that were given and wait to be written. JavaScript reads the members before `earlier`
 * (src/io/merge-writer.ts).
 */
struct sending {
	/* After EAGAIN: how many of the last packets the caller must give again. */
	int pending;
	/* Kinds that are not merged, because this kernel refused them or the user switched them off: see kind_of(). */
	int off;
	/* After EAGAIN: packets before `pending` that were not written either, and their bytes: to be taken by tx_keep(). */
	int kept, kept_bytes;
	/*
	 * Packets that the kernel refused for good since JavaScript last read them: their numbers since the last flush,
	 * and -errno.
	 */
	int refused;
	struct { int at, error; } refusals[REFUSALS];
	/* Packets given before those in the window. */
	int earlier;
	/* One more than the highest number of a packet of the window that was written or refused; the same when the kernel last took no more. */
	int dealt, keep_end;
	struct window window;
	struct flows flows;
	struct iovec pieces[1 + RUN_TCP];
	u8 header[VNET_HDR + HEADERS_MAX];
};

static int tx_size(void)
{
	detect_avx2();
	return sizeof(struct sending);
}

/* A bit of `off`: 1 TCP and 2 UDP over IPv4, 4 and 8 over IPv6. */
static int kind_of(const struct parts *p) { return (p->protocol == IP_TCP ? 1 : 2) << (p->version == 4 ? 0 : 2); }

/* Writes one frame as it is. Returns its own length, or -errno. */
static int vnet_write(int fd, const u8 *frame, int length)
{
	static u8 none[VNET_HDR];
	struct iovec v[2];
	int r;
	v[0].base = none;
	v[0].length = VNET_HDR;
	v[1].base = (void *)frame;
	v[1].length = (size)length;
	r = transfer(NR_writev, fd, v, 2);
	return r < 0 ? r : r - VNET_HDR;
}

/* Notes that `count` packets up to number `end` were written, or refused with -errno. Returns 0, or -EAGAIN for neither. */
static int note(struct sending *tx, int begin, int end, int count, int r)
{
	if (r == -EAGAIN_)
		return r;
	if (end >= tx->dealt)
		tx->dealt = end + 1;
	for (; r < 0 && count > 0 && tx->refused < REFUSALS; count--, begin = tx->window.next[begin]) {
		tx->refusals[tx->refused].at = tx->earlier + begin;
		tx->refusals[tx->refused++].error = r;
	}
	return 0;
}

/* Writes a run of more than one packet as one frame. */
static int write_merged(int fd, struct sending *tx, const struct run *run)
{
	struct window *w = &tx->window;
	struct iovec *pieces = &w->pieces[run->begin], before;
	int i, n, r, at;
	if (run->end - run->begin != run->count - 1) {
		/* The packets are not side by side in the window. */
		pieces = tx->pieces;
		for (at = run->begin, i = 1; i <= run->count; i++, at = w->next[at]) {
			pieces[i].base = w->pieces[1 + at].base;
			pieces[i].length = w->pieces[1 + at].length;
		}
	}
	n = run_headers(run, w, tx->header);
	/* That place belongs to the packet before the run. */
	before.base = pieces->base;
	before.length = pieces->length;
	pieces->base = tx->header;
	pieces->length = (size)n;
	r = transfer(NR_writev, fd, pieces, (size)run->count + 1);
	pieces->base = before.base;
	pieces->length = before.length;
	return r;
}

/* Writes the packets of a run one by one and removes those that are written. Returns 0 or -EAGAIN. */
static int write_singly(int fd, struct sending *tx, struct run *run)
{
	int n, r;
	for (; run->count; run->count--, run->begin = tx->window.next[run->begin]) {
		const u8 *frame = run_packet(run, &tx->window, run->begin, &n);
		r = note(tx, run->begin, run->begin, 1, vnet_write(fd, frame, n));
		if (r < 0)
			return r;
	}
	return 0;
}

/* Whether packets that were refused as one frame may be taken one by one. */
static int is_refused_as_one(int r) { return r == -EINVAL_ || r == -ENOMEM_ || r == -ENOBUFS_; }

static int write_run(int fd, struct sending *tx, struct run *run)
{
	int refused = tx->refused, r, singly;
	if (run->count < 2)
		return write_singly(fd, tx, run);
	r = write_merged(fd, tx, run);
	if (!is_refused_as_one(r))
		return note(tx, run->begin, run->end, run->count, r);
	singly = write_singly(fd, tx, run);
	/*
	 * EINVAL: kernels around 6.6.44 refuse some valid super-packets. ENOBUFS and ENOMEM: there may be memory the next
	 * time.
	 */
	if (r == -EINVAL_ && !singly && tx->refused == refused)
		tx->off |= kind_of(&run->p);
	return singly;
}

/* Writes the `i`-th oldest run and gives its place back. Returns 0 or -EAGAIN. */
static int close_run(int fd, struct sending *tx, int i)
{
	int r = write_run(fd, tx, flows_at(&tx->flows, i));
	if (r >= 0)
		flows_remove(&tx->flows, i);
	return r;
}

/* Closes the runs that hold packets of these addresses, oldest first; all runs if there are none. */
static int close_runs(int fd, struct sending *tx, const u8 *frame, const struct parts *p)
{
	int i = 0, r;
	while (i < tx->flows.open) {
		if (p && !same_addresses(flows_at(&tx->flows, i), frame, p)) {
			i++;
			continue;
		}
		r = close_run(fd, tx, i);
		if (r < 0)
			return r;
	}
	return 0;
}

/* Starts the window anew once nothing in it waits. */
static void reset_window(struct sending *tx)
{
	tx->earlier += tx->window.count;
	tx->window.count = tx->dealt = 0;
}

/*
 * Called when the kernel takes no more. Packets are written in the order of the runs, but the caller learns how many
 * of the first packets are dealt with: those among them that were not written are kept (tx_keep()).
 */
static int stop(struct sending *tx)
{
	struct window *w = &tx->window;
	int i, k, at, next;
	tx->pending = w->count - tx->dealt;
	tx->kept = tx->kept_bytes = 0;
	for (k = 0; k < tx->flows.open; k++) {
		struct run *run = flows_at(&tx->flows, k);
		for (i = run->count, at = run->begin; i > 0; i--, at = next) {
			next = w->next[at];
			/* Holds the length of its headers in place of a number, which marks it as not written. */
			w->next[at] = -run->p.payload;
			if (at < tx->dealt) {
				tx->kept++;
				tx->kept_bytes += run->p.payload + (int)w->pieces[1 + at].length;
			}
		}
	}
	tx->flows.open = 0;
	tx->flows.last = 0;
	tx->keep_end = tx->dealt;
	tx->earlier = w->count = tx->dealt = 0;
	return -EAGAIN_;
}

/* Copies the `kept` packets to `to`, one behind the other, in the order in which they were given. Returns how many. */
static int tx_keep(u8 *state, u8 *to, int *lengths)
{
	struct sending *tx = (struct sending *)state;
	struct window *w = &tx->window;
	int i, n = 0;
	for (i = 0; i < tx->keep_end; i++) {
		int header = -w->next[i];
		if (header <= 0)
			continue;
		lengths[n] = header + (int)w->pieces[1 + i].length;
		memcpy(to, (const u8 *)w->pieces[1 + i].base - header, (size)lengths[n]);
		to += lengths[n++];
	}
	tx->kept = 0;
	return n;
}

/* Writes all open runs in the order in which they began. */
static int close_window(int fd, struct sending *tx)
{
	int r = close_runs(fd, tx, 0, 0);
	if (r >= 0)
		reset_window(tx);
	return r;
}

/*
 * Writes the packets that wait, at the end of a call. Returns 0, or -EAGAIN: then the caller has `pending` packets
 * again.
 */
static int vnet_flush(int fd, u8 *state)
{
	struct sending *tx = (struct sending *)state;
	if (close_window(fd, tx) < 0)
		return stop(tx);
	tx->earlier = tx->pending = 0;
	return 0;
}

/* Writes a packet that goes alone. */
static int write_alone(int fd, struct sending *tx, const u8 *frame, int length)
{
	int i = tx->window.count, r = note(tx, i, i, 1, vnet_write(fd, frame, length));
	if (r < 0)
		return r;
	tx->window.next[tx->window.count++] = 0;
	if (!tx->flows.open)
		reset_window(tx);
	return 0;
}

/* Takes a packet that does not continue the last run. */
static int take_other(int fd, struct sending *tx, const u8 *frame, int length, int link)
{
	struct flows *flows = &tx->flows;
	struct parts p;
	struct run *run;
	u32 key = 0;
	static const int none = 0;
	int known = flow_of(frame, length, link, &p), at, r = 0;
	if (known == FLOW_OF_PORTS) {
		key = flow_key(frame, &p);
		at = flows_find(flows, key, frame, &p);
		if (at >= 0) {
			run = flows_at(flows, at);
			if (run != flows->last && run_extend(run, &tx->window, frame, &none, &length, 1)) {
				flows->last = run;
				flows->last_at = at;
				return 0;
			}
			r = close_run(fd, tx, at);
		}
	} else
		r = close_runs(fd, tx, frame, known == FLOW_OF_ADDRESSES ? &p : 0);
	if (r < 0)
		return r;
	if (known != FLOW_OF_PORTS || (tx->off & kind_of(&p)) || !is_candidate(frame, length, &p))
		return write_alone(fd, tx, frame, length);
	if (flows->open == RUNS && (r = close_run(fd, tx, 0)) < 0)
		return r;
	run = flows_open(flows, key);
	run_begin(run, frame, length, &p);
	if (run_extend(run, &tx->window, frame, &none, &length, 1))
		return 0;
	flows_remove(flows, flows->open - 1);
	return write_alone(fd, tx, frame, length);
}

/*
 * Takes frames, which have to stay until vnet_flush(): they are written at
 * once, or with others of their flow. Returns how many were taken: fewer than
 * `count` if the kernel takes no more. Then the last `pending` of those are not
 * taken either.
 */
static int vnet_push_many(int fd, u8 *state, const u8 *base, const int *offsets, const int *lengths, int count, int link)
{
	struct sending *tx = (struct sending *)state;
	struct window *w = &tx->window;
	int i = 0, taken;
	while (i < count) {
		taken = flows_extend(&tx->flows, w, base, offsets + i, lengths + i, count - i);
		if (taken)
			i += taken;
		else if (w->count == WINDOW) {
			if (close_window(fd, tx) < 0)
				break;
		} else if (take_other(fd, tx, base + offsets[i], lengths[i], link) < 0)
			break;
		else
			i++;
	}
	if (i < count)
		stop(tx);
	return i;
}
