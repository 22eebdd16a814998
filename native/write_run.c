/* Writes frames with a virtio header: single ones, and runs of packets as one frame (merge.c). */

enum {
	/*
	 * Room for refusals until JavaScript reads them, which it does after each push of GATHER_MAX (512) packets at
	 * most.
	 */
	REFUSALS = WINDOW + 512,
	/* Runs whose payloads are copied: further ones are gathered by the kernel, so that the copies stay in the processor's cache. */
	COPIES = 4
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
	u8 copies[COPIES][COPY_SIZE];
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

/* Returns the memory to which the payloads of a run are copied; null for runs beyond the first ones. */
static u8 *copy_for(struct sending *tx, const struct run *run)
{
	long place = run - tx->flows.runs;
	return place < COPIES ? tx->copies[place] : 0;
}

/* Writes a run of more than one packet as one frame. */
static int write_merged(int fd, struct sending *tx, const struct run *run)
{
	struct window *w = &tx->window;
	struct iovec *pieces = &w->pieces[run->begin], before, copied[2];
	int i, n, r, at;
	if (run->copy) {
		copied[0].base = tx->header;
		copied[0].length = (size)run_headers(run, w, tx->header);
		copied[1].base = run->copy;
		copied[1].length = (size)run->total;
		return transfer(NR_writev, fd, copied, 2);
	}
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

/* Tells whether packets that were refused as one frame may be taken one by one. */
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
