/* The ground of the shim: libc by name, system calls by number, file descriptors, threads. */

extern void *dlsym(void *handle, const char *name);
extern void *memcpy(void *to, const void *from, size n);
extern void *memset(void *to, int byte, size n);

static int *(*errno_location)(void);
static void *(*libc_realloc)(void *, size);
static void (*libc_free)(void *);
static int (*sys_open)(const char *, int, ...);
static int (*sys_close)(int);
static int (*sys_fcntl)(int, int, ...);
static int (*sys_pipe2)(int *, int);
static int (*sys_ioctl)(int, size, ...);
static int (*sys_socket)(int, int, int);
static int (*sys_setsockopt)(int, int, int, const void *, u32);
static int (*sys_getsockopt)(int, int, int, void *, u32 *);
static int (*sys_bind)(int, const void *, u32);
static int (*sys_listen)(int, int);
static int (*sys_accept4)(int, void *, u32 *, int);
static int (*sys_connect)(int, const void *, u32);
static long (*sys_send)(int, const void *, size, int);
static long (*sys_recv)(int, void *, size, int);
static long (*sys_sendmsg)(int, const struct msghdr *, int);
static long (*sys_recvmsg)(int, struct msghdr *, int);
static int (*sys_setns)(int, int);
static int (*sys_unshare)(int);
static int (*sys_eventfd)(u32, int);
static int (*sys_epoll_create1)(int);
static int (*sys_epoll_ctl)(int, int, int, struct epoll_event *);
static int (*sys_epoll_wait)(int, struct epoll_event *, int, int);
static int (*sys_poll)(struct pollfd *, size, int);
static long (*sys_syscall)(long, ...);
static int (*sys_pthread_create)(size *, const void *, void *(*)(void *), void *);
static int (*sys_pthread_detach)(size);
static int (*sys_pthread_join)(size, void **);
static int (*sys_pthread_sigmask)(int, const void *, void *);

static const struct { void *slot; const char *name; } libc[] = {
	{ &errno_location, "__errno_location" },
	{ &libc_realloc, "realloc" },
	{ &libc_free, "free" },
	{ &sys_open, "open" },
	{ &sys_close, "close" },
	{ &sys_fcntl, "fcntl" },
	{ &sys_pipe2, "pipe2" },
	{ &sys_ioctl, "ioctl" },
	{ &sys_socket, "socket" },
	{ &sys_setsockopt, "setsockopt" },
	{ &sys_getsockopt, "getsockopt" },
	{ &sys_bind, "bind" },
	{ &sys_listen, "listen" },
	{ &sys_accept4, "accept4" },
	{ &sys_connect, "connect" },
	{ &sys_send, "send" }, { &sys_recv, "recv" },
	{ &sys_sendmsg, "sendmsg" }, { &sys_recvmsg, "recvmsg" },
	{ &sys_setns, "setns" },
	{ &sys_unshare, "unshare" },
	{ &sys_eventfd, "eventfd" },
	{ &sys_epoll_create1, "epoll_create1" },
	{ &sys_epoll_ctl, "epoll_ctl" },
	{ &sys_epoll_wait, "epoll_wait" },
	{ &sys_poll, "poll" },
	{ &sys_syscall, "syscall" },
	{ &sys_pthread_create, "pthread_create" },
	{ &sys_pthread_detach, "pthread_detach" },
	{ &sys_pthread_join, "pthread_join" },
	{ &sys_pthread_sigmask, "pthread_sigmask" },
};

static int result(long r) { return r < 0 ? -*errno_location() : (int)r; }

/*
 * read(2), write(2), readv(2) or writev(2), by number, retried after a signal. The functions of libc are cancellation
 * points: in a process with threads, as Bun is, those cost a tenth of a small packet (glibc, SYSCALL_CANCEL in
 * sysdeps/unix/sysdep.h). Called through a pointer, so that tests can replace the kernel.
 */
static int transfer_now(long number, int fd, const void *bytes, size n)
{
	long r;
	do {
#if defined(__x86_64__)
		__asm__ volatile ("syscall" : "=a"(r) : "a"(number), "D"((long)fd), "S"(bytes), "d"(n) : "rcx", "r11", "memory");
#else
		r = result(sys_syscall(number, (long)fd, bytes, n));
#endif
	} while (r == -EINTR_);
	return (int)r;
}

static int (*transfer)(long number, int fd, const void *bytes, size n) = transfer_now;

/* Descriptors */

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
