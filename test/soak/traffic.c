/*
 * Numbered frames (frames.c) into one interface and out of another, with no
 * more under way than every queue between them holds: what does not arrive has
 * been lost, and not by a queue that was full.
 */
#include "../support/frames.c"

enum { SEEN = 1 << 16, STALLED_MS = 300, POLL_MS = 50, OVER_POLLS = 100, MSG_DONTWAIT = 0x40, ENETDOWN = 100, EAGAIN = 11 };

struct timespec { long seconds, nanoseconds; };

/* As in traffic.ts. */
struct report { u32 sent, arrived, reordered, duplicated, damaged, dropped, stalls, failed; };

static long milliseconds(void)
{
	int (*clock_gettime)(int, struct timespec *) = dlsym(0, "clock_gettime");
	struct timespec now;
	clock_gettime(1, &now);
	return now.seconds * 1000 + now.nanoseconds / 1000000;
}

/* The numbers of late that have arrived, a byte each. */
static u8 seen[SEEN];

static void take(struct report *r, int number, u32 first, u32 next, u32 *last)
{
	u32 n = (u32)number, i;
	if (number < 0 || n < first || n >= next) {
		r->damaged++;
		return;
	}
	if (n > *last || r->arrived == 0) {
		u32 from = r->arrived == 0 ? first : *last + 1;
		if (n - from >= SEEN)
			from = n - SEEN + 1;
		for (i = from; i < n; i++)
			seen[i % SEEN] = 0;
		seen[n % SEEN] = 1;
		*last = n;
		r->arrived++;
	} else if (*last - n >= SEEN || seen[n % SEEN])
		r->duplicated++;
	else {
		seen[n % SEEN] = 1;
		r->reordered++;
		r->arrived++;
	}
}

/* Sends frames `first` to `first + count - 1` into the interface `in`, and takes them from `out`. */
int traffic_run(int in, int out, u32 first, u32 count, u32 minimum, u32 maximum, u32 window, struct report *r)
{
	int (*setsockopt)(int, int, int, const void *, u32) = dlsym(0, "setsockopt");
	long (*send)(int, const void *, size, int) = dlsym(0, "send");
	long (*recv)(int, void *, size, int) = dlsym(0, "recv");
	int (*poll)(struct pollfd *, size, int) = dlsym(0, "poll");
	int (*usleep)(u32) = dlsym(0, "usleep");
	int *(*errno_location)(void) = dlsym(0, "__errno_location");
	static u8 frame[70000], inbox[70000];
	u32 seed = first * 2654435761u | 1, next = first, end = first + count, last = first, under_way = 0, length = 0;
	int one = 1, dropped = 0, empty_polls = 0, fd = open_on(in);
	long heard = milliseconds();
	r->sent = r->arrived = r->reordered = r->duplicated = r->damaged = r->dropped = r->stalls = r->failed = 0;
	if (fd < 0 || setsockopt(fd, SOL_PACKET, PACKET_QDISC_BYPASS, &one, sizeof one) < 0 || collect_open(out) < 0)
		return -1;
	for (;;) {
		int burst = 0;
		long n;
		while (next < end && under_way < window && burst++ < 64) {
			if (!length) {
				length = minimum + random_next(&seed) % (maximum - minimum + 1);
				frame_make(frame, next, length);
			}
			if (send(fd, frame, length, 0) < 0) {
				int e = *errno_location();
				/* Full, or down: the same frame again, later. */
				if (e != ENOBUFS && e != ENETDOWN && e != EAGAIN) {
					r->failed = (u32)e;
					return -1;
				}
				usleep(200);
				break;
			}
			length = 0;
			next++;
			under_way++;
			r->sent++;
		}
		while ((n = recv(collector, inbox, sizeof inbox, MSG_DONTWAIT)) >= 0) {
			take(r, frame_check(inbox, (u32)n), first, next, &last);
			if (under_way)
				under_way--;
			heard = milliseconds();
			empty_polls = 0;
		}
		add_dropped(&dropped);
		r->dropped = (u32)dropped;
		if (next == end && r->arrived >= count)
			return 0;
		if (milliseconds() - heard > STALLED_MS && next < end) {
			/* Lost, or late: others may be sent in their place. */
			if (under_way)
				r->stalls++;
			under_way = 0;
			heard = milliseconds();
		}
		/* By polls, not by the clock: a machine that stops all of this for a while loses nothing. */
		if (next == end && empty_polls >= OVER_POLLS)
			return 0;
		if (under_way >= window || next == end) {
			struct pollfd p = { collector, 1, 0 };
			if (poll(&p, 1, POLL_MS) == 0)
				empty_polls++;
		}
	}
}
