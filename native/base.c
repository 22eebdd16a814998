/* The beginning of each part of the shim: libc by name, system calls by number, and how a part is bound. Keeps no state of the program. */

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

/* Returns null, or the name of a function that this libc lacks. */
static const char *libc_link(void)
{
	size i;
	for (i = 0; i < sizeof libc / sizeof *libc; i++) {
		void *address = dlsym(0, libc[i].name);
		if (!address)
			return libc[i].name;
		memcpy(libc[i].slot, &address, sizeof address);
	}
	return 0;
}

/*
 * Everything that TypeScript binds, by name (src/sys/load.ts), is in one list of each part: a function, and the types
 * of its parameters in bun:ffi's words. Every function returns an int. `cc` does not bind these by itself: its own
 * bindings misread integers of 32 bits and less that do not arrive as tagged int32 values (oven-sh/bun#37978:
 * 0x800454ca arrived as another number), cost four times as much a call, and take three times as long to load.
 *
 * The list is expanded twice: into one text, because reading two strings for each function would cost as much as
 * compiling the shim, and into the addresses in the order of its lines.
 */
#define EXPORT_LINE(function, parameters) #function " " parameters "\n"
#define EXPORT_ADDRESS(function, parameters) (void *)function,

/* The result of the entry of a part, for TypeScript: four pointers wide. */
struct part {
	/* Null, or the name of a function that this libc lacks. */
	const char *missing;
	const char *lines;
	void *const *addresses;
	/* To be called at the end of the JavaScript thread: the core's alone. */
	void (*thread_end)(void *, void *);
};

static const void *part_link(struct part *part, const char *lines, void *const *addresses)
{
	part->missing = libc_link();
	part->lines = lines;
	part->addresses = addresses;
	return part;
}
