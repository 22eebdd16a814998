/* The two threads of the shim, and those that go to another namespace, under ThreadSanitizer. */
#include "common.h"

enum { MOST = 1024, FDS = 300, ROUNDS = 2000 };

static void wait_for(int fd)
{
	struct pollfd p = { 0, POLLIN_, 0 };
	p.fd = fd;
	while (sys_poll(&p, 1, -1) != 1)
		;
}

/* Arms, has an event come, is woken, and takes it: as src/io/reactor.ts does. */
static void waiter_rounds(void)
{
	int ep = ep_open(), wake = ev_open(), event = ev_open(), i;
	u32 ready[128];
	u64 one = 1, count;
	CHECK(ep_control(ep, 1, event, POLLIN_, 5) == 0 && thread_open(ep, wake) == 0);
	for (i = 0; i < ROUNDS; i++) {
		CHECK(thread_arm() == 8);
		CHECK(transfer(NR_write, event, &one, 8) == 8);
		wait_for(wake);
		CHECK(transfer(NR_read, wake, &count, 8) == 8);
		CHECK(ep_wait(ep, ready) == 1 && transfer(NR_read, event, &count, 8) == 8);
	}
	CHECK(fd_close(event) == 0);
}

static void closer_rounds(void)
{
	int wake = closer_open(), i, closed = 0, before;
	CHECK(wake >= 0);
	before = open_below(MOST);
	for (i = 0; i < FDS; i++)
		CHECK(closer_push(ev_open()) == 4);
	while (closed < FDS) {
		wait_for(wake);
		closed += closer_count(wake);
	}
	CHECK(closed == FDS && open_below(MOST) == before);
	/* Some are still in the queue at the end. */
	for (i = 0; i < FDS; i++)
		CHECK(closer_push(ev_open()) == 4);
}

int main(void)
{
	int entered, i, before, here;
	link_shim();
	before = open_below(MOST);
	here = fd_open("/proc/self/ns/net", 0);
	for (i = 0; i < 50; i++) {
		CHECK(fd_close(netns_open(-1, 0, 0, &entered)) == 0);
		CHECK(fd_close(udp_open(here, 2 /* AF_INET */, &entered)) == 0);
	}
	CHECK(fd_close(here) == 0);
	waiter_rounds();
	closer_rounds();
	thread_end(0, 0);
	/* Both threads close what is theirs, and end. */
	while (open_below(MOST) != before)
		sys_poll(0, 0, 1);
	return 0;
}
