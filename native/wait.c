/* Waiting: an epoll set of all devices, watched by one AIO poll or one thread. */

static int ev_open(void) { return fd_own(result(sys_eventfd(0, EFD_NONBLOCK_ | EFD_CLOEXEC_))); }

static int ep_open(void) { return fd_own(result(sys_epoll_create1(EPOLL_CLOEXEC_))); }

static int ep_control(int ep, int operation, int fd, u32 events, u32 token)
{
	struct epoll_event e;
	memset(&e, 0, sizeof e);
	e.events = events;
	e.data = token;
	return result(sys_epoll_ctl(ep, operation, fd, &e));
}

/* Fills `ready` with at most 64 pairs of token and events, without blocking. */
static int ep_wait(int ep, u32 *ready)
{
	struct epoll_event e[64];
	int i, n;
	do
		n = result(sys_epoll_wait(ep, e, 64, 0));
	while (n == -EINTR_);
	for (i = 0; i < n; i++) {
		ready[2 * i] = (u32)e[i].data;
		ready[2 * i + 1] = e[i].events;
	}
	return n;
}

/* Returns those of the given events for which `fd` is ready. */
static int fd_poll(int fd, int events)
{
	struct pollfd p = { 0, 0, 0 };
	int r;
	p.fd = fd;
	p.events = (short)events;
	do
		r = result(sys_poll(&p, 1, 0));
	while (r == -EINTR_);
	return r < 0 ? r : (u16)p.revents;
}

/* A timer that an epoll set can watch, with microseconds: setTimeout() of JavaScript has whole milliseconds. */
static int timer_open(void)
{
	return fd_own(result(sys_syscall(NR_timerfd_create, (long)CLOCK_MONOTONIC_, (long)(TFD_CLOEXEC_ | TFD_NONBLOCK_))));
}

/* Fires once, `us` microseconds from now; 0 stops it. */
static int timer_set(int fd, u32 us)
{
	struct itimerspec t;
	memset(&t, 0, sizeof t);
	t.seconds = us / 1000000;
	t.nanoseconds = us % 1000000 * 1000;
	return result(sys_syscall(NR_timerfd_settime, (long)fd, 0L, &t, 0L));
}

/* Returns how often it has fired since it was last asked, or -EAGAIN. */
static int timer_read(int fd)
{
	u64 count = 0;
	int r = transfer(NR_read, fd, &count, sizeof count);
	return r < 0 ? r : (int)count;
}

static u64 aio_context;
static int aio_pending;

static int aio_open(void) { return result(sys_syscall(NR_io_setup, 1L, &aio_context)); }

/*
 * Tells whether a poll is still pending; a completed one is taken off the ring,
 * or the ring would fill up. Without a timeout io_getevents(2) says EINTR where it
 * found no event and a signal was pending (fs/aio.c do_io_getevents()): that
 * tells nothing of the poll.
 */
static int aio_is_pending(void)
{
	struct io_event e;
	u64 zero[2] = { 0, 0 };
	int r;
	if (!aio_pending)
		return 0;
	do
		r = result(sys_syscall(NR_io_getevents, aio_context, 0L, 1L, &e, zero));
	while (r == -EINTR_);
	return r < 0 ? r : r == 0;
}

/*
 * Arms a poll that fires once: `wake` becomes readable once `ep` is, which may be at once. Does nothing while a poll
 * is pending.
 */
static int aio_arm(int ep, int wake)
{
	struct iocb cb, *list = &cb;
	int r = aio_is_pending();
	if (r)
		return r < 0 ? r : 0;
	memset(&cb, 0, sizeof cb);
	cb.opcode = IOCB_CMD_POLL_;
	cb.fd = (u32)ep;
	cb.buf = POLLIN_;
	cb.flags = IOCB_FLAG_RESFD_;
	cb.resfd = (u32)wake;
	r = result(sys_syscall(NR_io_submit, aio_context, 1L, &list));
	aio_pending = r == 1;
	return r;
}

/*
 * A thread that does this for kernels without AIO poll (gVisor, qemu-user). It is controlled only through the eventfd
 * `arm`, because TinyCC has no atomics: each arming adds 1, and the end adds STOP.
 */
static struct { int ep, wake, arm, running; } waiter;

static const u64 STOP = 1ull << 32;

static void *waiter_main(void *unused)
{
	u64 one = 1, armed = 0;
	int waiting = 0;
	while (armed < STOP) {
		struct pollfd p[2] = { { waiter.arm, POLLIN_, 0 }, { waiter.ep, POLLIN_, 0 } };
		if (sys_poll(p, waiting ? 2 : 1, -1) < 0)
			continue;
		if (p[0].revents && transfer(NR_read, waiter.arm, &armed, sizeof armed) == sizeof armed)
			waiting = 1;
		else if (waiting && p[1].revents)
			waiting = transfer(NR_write, waiter.wake, &one, sizeof one) != sizeof one;
	}
	sys_close(waiter.arm);
	sys_close(waiter.wake);
	sys_close(waiter.ep);
	return unused;
}

static int thread_tell(u64 what) { return transfer(NR_write, waiter.arm, &what, sizeof what); }

static int thread_arm(void) { return thread_tell(1); }

/* The thread closes `ep` and `wake`, if it starts. */
static int thread_open(int ep, int wake)
{
	size id;
	int r;
	waiter.ep = ep;
	waiter.wake = wake;
	waiter.arm = ev_open();
	if (waiter.arm < 0)
		return waiter.arm;
	r = thread_start(&id, waiter_main, 0);
	if (r < 0) {
		fd_close(waiter.arm);
		return r;
	}
	sys_pthread_detach(id);
	fd_disown(waiter.arm);
	fd_disown(ep);
	fd_disown(wake);
	waiter.running = 1;
	return 0;
}
