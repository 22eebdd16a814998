/* Completing the checksum of one frame: the virtio header's last four bytes, then the frame. */
#include "common.h"

int LLVMFuzzerTestOneInput(const u8 *data, size given)
{
	struct virtio_net_hdr h;
	int n = (int)given - 4, at, done;
	u8 *frame;
	u32 sum;
	if (n < 0)
		return 0;
	memset(&h, 0, sizeof h);
	h.flags = 1;
	memcpy(&h.csum_start, data, 4);
	at = h.csum_start + h.csum_offset;
	frame = copy_of(data + 4, n);
	done = finish_checksum(frame, n, &h);
	CHECK(done == (h.csum_start < n && at + 2 <= n));
	if (done) {
		sum = ~slow_sum(0, data + 4 + h.csum_start, n - h.csum_start) & 0xffff;
		/* The field is in machine order what it is in network order, at an even distance from where the sum begins or not. */
		CHECK(is_same_sum(get16(frame + at), sum));
		CHECK(h.csum_offset != 6 || get16(frame + at) != 0);
		/* And nothing else has changed. */
		memcpy(frame + at, data + 4 + at, 2);
	}
	CHECK(!memcmp(frame, data + 4, (size)n));
	free(frame);
	return 0;
}
