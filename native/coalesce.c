/* Merges packets of several flows on the way out: a window of open runs (flows.c), written by write_run.c. */

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
	run_begin(run, frame, length, &p, copy_for(tx, run));
	if (run_extend(run, &tx->window, frame, &none, &length, 1))
		return 0;
	flows_remove(flows, flows->open - 1);
	return write_alone(fd, tx, frame, length);
}

/* Tells whether the run that took the last packet has no room for another of its size, and no other run began before it. */
static int is_complete(const struct flows *s) { return s->last && s->last->room < s->last->size && s->last_at == 0; }

/* Writes that run: what it was copied to is still in the processor's cache, and serves the next run. */
static int close_complete(int fd, struct sending *tx)
{
	int r = close_run(fd, tx, 0);
	if (r >= 0 && !tx->flows.open)
		reset_window(tx);
	return r;
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
		i += taken;
		if (is_complete(&tx->flows) && close_complete(fd, tx) < 0)
			break;
		if (taken || i == count)
			continue;
		if (w->count == WINDOW) {
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
