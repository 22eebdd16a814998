/*
 * A thread that closes fds. The kernel takes some 36 ms to close a TUN fd and
 * take its interface away (synchronize_net(), net/core/dev.c), and the
 * JavaScript thread would stand still for so long.
 *
 * A pipe is the queue. Its writing end belongs to the JavaScript thread: once
 * that is closed, at the latest by thread_end(), the closer closes what is
 * still in the pipe, and ends.
 */

static struct { int queue, done, push; } closer;

static void *closer_main(void *unused)
{
	u64 one = 1;
	int fd = -1;
	while (transfer(NR_read, closer.queue, &fd, sizeof fd) == sizeof fd) {
		sys_close(fd);
		transfer(NR_write, closer.done, &one, sizeof one);
	}
	sys_close(closer.queue);
	sys_close(closer.done);
	return unused;
}

/*
 * The closer's ends of the eventfd and the pipe. It has an eventfd of its own, because the caller's number may belong
 * to another fd when the closer ends.
 */
static int closer_ends(int wake)
{
	int ends[2];
	int r = result(sys_pipe2(ends, O_CLOEXEC_));
	if (r < 0)
		return r;
	closer.queue = ends[0];
	closer.push = fd_own(ends[1]);
	closer.done = result(sys_fcntl(wake, F_DUPFD_CLOEXEC_, 0));
	/* The caller deals with a full queue. */
	r = closer.done < 0 ? closer.done : result(sys_fcntl(closer.push, F_SETFL_, O_WRONLY_ | O_NONBLOCK_));
	if (r < 0) {
		sys_close(closer.queue);
		fd_close(closer.push);
	}
	return r;
}

/* Starts the thread. Returns the eventfd that counts what it has closed. */
static int closer_open(void)
{
	size id;
	int r, wake = ev_open();
	if (wake < 0)
		return wake;
	r = closer_ends(wake);
	if (r >= 0) {
		r = thread_start(&id, closer_main, 0);
		if (r == 0) {
			sys_pthread_detach(id);
			return wake;
		}
		sys_close(closer.queue);
		sys_close(closer.done);
		fd_close(closer.push);
	}
	fd_close(wake);
	return r;
}

/* Puts `fd` into the queue, which owns it then; returns -EAGAIN if too many wait already, and it stays the caller's. */
static int closer_push(int fd)
{
	int r = transfer(NR_write, closer.push, &fd, sizeof fd);
	if (r >= 0)
		fd_disown(fd);
	return r;
}

/* Returns how many fds have been closed since the last call. */
static int closer_count(int wake)
{
	u64 count = 0;
	int r = transfer(NR_read, wake, &count, sizeof count);
	return r < 0 ? r : (int)count;
}
