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

/* How often it has fired since it was last asked, or -EAGAIN. */
static int timer_read(int fd)
{
	u64 count = 0;
	int r = transfer(NR_read, fd, &count, sizeof count);
	return r < 0 ? r : (int)count;
}
