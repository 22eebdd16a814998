/*
 * The functions of native/ that split and merge, with reads and writes that a
 * test hands in and takes out. Compiled by shim.ts.
 */
#include "../../../../native/kernel.c"
#include "../../../../native/base.c"
#include "../../../../native/descriptors.c"
#include "../../../../native/tun.c"
#include "../../../../native/checksum_x86.c"
#include "../../../../native/checksum.c"
#include "../../../../native/parts.c"
#include "../../../../native/split_x86.c"
#include "../../../../native/split.c"
#include "../../../../native/vnet.c"
#include "../../../../native/merge_x86.c"
#include "../../../../native/run.c"
#include "../../../../native/merge.c"
#include "../../../../native/flows.c"
#include "../../../../native/write_run.c"
#include "../../../../native/coalesce.c"

/* Splits `frame` as a whole. Returns the number of packets, 0 if it is refused, or -1 if `out` is too small. */
int shim_split(const u8 *frame, int n, const u8 *header, int link, u8 *out, int room, int *lengths, int count)
{
	struct virtio_net_hdr h;
	struct split s;
	int i, told;
	memcpy(&h, header, sizeof h);
	told = split_begin(&s, frame, n, &h, link);
	i = told ? split_many(&s, out, 0, room, lengths, count) : 0;
	if (told && split_length(&s) > 0)
		return -1;
	/* What split_begin() promised has to be what came. */
	return i == told ? i : -2;
}

int shim_finish(u8 *frame, int n, const u8 *header)
{
	struct virtio_net_hdr h;
	memcpy(&h, header, sizeof h);
	return finish_checksum(frame, n, &h);
}

int shim_checksum(const u8 *p, int n)
{
	u32 sum = add(0, p, n);
	return (int)SWAP16(~FOLD(sum));
}

/* Switches AVX2 on where the processor has it, or off. Returns whether it is on. */
int shim_use_avx2(int on)
{
#if defined(__TINYC__) && defined(__x86_64__)
	detect_avx2();
	if (!on)
		has_avx2 = 0;
	return has_avx2;
#else
	return on & 0;
#endif
}

/* Copies too. */
int shim_copy_checksum(const u8 *p, int n, u8 *out, int offset)
{
	u32 sum = copy_add(0, out + offset, p, n);
	return (int)SWAP16(~FOLD(sum));
}

/* What was written, one behind the other; and the errno (0: none) of each write, of which the last goes on for ever. */
static u8 *written;
static int written_room, *written_lengths, written_count, attempt, plan_count;
static const int *plan;

static int fake_writev(long number, int fd, const void *vectors, size n)
{
	const struct iovec *v = vectors;
	int total = 0, error = plan[attempt < plan_count ? attempt : plan_count - 1];
	size i;
	(void)fd;
	attempt++;
	if (error || number != NR_writev)
		return -error;
	for (i = 0; i < n; i++) {
		if (total + (int)v[i].length > written_room)
			return -90;
		memcpy(written + total, v[i].base, v[i].length);
		total += (int)v[i].length;
	}
	written += total;
	written_room -= total;
	written_lengths[written_count++] = total;
	return total;
}

/*
 * Pushes `count` frames, which lie one behind the other, and flushes. Returns
 * the number of writes. `report` gets the result, the number of frames that
 * were given when it came, how many are pending then, the kinds that are off
 * (in and out), how many are kept, how many were refused, and number and
 * -errno of each of these. The kept ones go behind the writes.
 */
int shim_send(u8 *state, const u8 *frames, const int *frame_lengths, int count, int link, const int *errors, int error_count, u8 *out, int room, int *lengths, int *report)
{
	struct sending *tx = (struct sending *)state;
	static int offsets[1 << 16];
	int i, r;
	transfer = fake_writev;
	written = out;
	written_room = room;
	written_lengths = lengths;
	written_count = attempt = 0;
	plan = errors;
	plan_count = error_count;
	tx->off = report[3];
	for (i = 0; i < count; i++)
		offsets[i] = i ? offsets[i - 1] + frame_lengths[i - 1] : 0;
	i = vnet_push_many(0, state, frames, offsets, frame_lengths, count, link);
	r = i < count ? -EAGAIN_ : 0;
	if (r >= 0)
		r = vnet_flush(0, state);
	report[0] = r;
	report[1] = i;
	report[2] = tx->pending;
	report[3] = tx->off;
	report[4] = r < 0 ? tx->kept : 0;
	report[5] = tx->refused;
	memcpy(report + 6, tx->refusals, (size)tx->refused * sizeof *tx->refusals);
	tx->refused = 0;
	if (report[4])
		report[4] = tx_keep(state, written, written_lengths + written_count);
	return written_count;
}

int shim_send_state(void) { return tx_size(); }
