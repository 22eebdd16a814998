/*
 * File descriptors, and the threads that the shim starts. The table of owned file descriptors exists once in a
 * JavaScript thread: only the core may have this file.
 */

/*
 * The fds that this JavaScript thread has to close, one bit each. The table is allocated and grows with the fds: the
 * compiled code, and every variable in it, stays in the process when a Worker has ended.
 */
static u8 *owned;
static int owned_bytes;

/* Without memory the fd is left out; then only the end of a terminated Worker does not close it. */
static int fd_own(int fd)
{
	int bytes = owned_bytes ? owned_bytes : 32;
	u8 *more;
	if (fd < 0)
		return fd;
	while (fd / 8 >= bytes)
		bytes *= 2;
	if (bytes > owned_bytes) {
		more = libc_realloc(owned, (size)bytes);
		if (!more)
			return fd;
		memset(more + owned_bytes, 0, (size)(bytes - owned_bytes));
		owned = more;
		owned_bytes = bytes;
	}
	owned[fd / 8] |= 1 << fd % 8;
	return fd;
}

static int fd_disown(int fd)
{
	if (fd >= 0 && fd / 8 < owned_bytes)
		owned[fd / 8] &= ~(1 << fd % 8);
	return fd;
}

/* `flags` are O_*, to which O_CLOEXEC is added. */
static int fd_open(const char *path, int flags)
{
	int r;
	do
		r = result(sys_open(path, flags | O_CLOEXEC_));
	while (r == -EINTR_);
	return fd_own(r);
}

/* Never retried: Linux has freed the number even if close(2) returns EINTR. */
static int fd_close(int fd) { return result(sys_close(fd_disown(fd))); }

/* fcntl(2) with a number: F_GETFD, F_SETFD, F_GETFL, F_SETFL. */
static int fd_control(int fd, int command, int argument) { return result(sys_fcntl(fd, command, argument)); }

/*
 * Returns 1 if both are the same file: on both architectures struct stat begins with st_dev and st_ino, 64 bits each.
 */
static int fd_is_same(int one, int other)
{
	u64 a[32], b[32];
	int r = result(sys_syscall(NR_fstat, (long)one, a));
	if (r >= 0)
		r = result(sys_syscall(NR_fstat, (long)other, b));
	return r < 0 ? r : a[0] == b[0] && a[1] == b[1];
}

/* Every signal is blocked in the thread: Bun's handlers expect Bun's threads. */
static int thread_start(size *id, void *(*main)(void *), void *argument)
{
	u8 all[128], before[128];
	int r;
	memset(all, 0xff, sizeof all);
	sys_pthread_sigmask(SIG_SETMASK_, all, before);
	r = -sys_pthread_create(id, 0, main, argument);
	sys_pthread_sigmask(SIG_SETMASK_, before, 0);
	return r;
}

/* Runs `main` in a thread, and waits for its end. */
static int thread_run(void *(*main)(void *), void *argument)
{
	size id;
	int r = thread_start(&id, main, argument);
	if (r == 0)
		sys_pthread_join(id, 0);
	return r;
}
