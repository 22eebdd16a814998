/*
 * The system calls of bun-tuntap. One function does one job and returns what
 * the kernel returned, or -errno; policy lives in TypeScript.
 *
 * TinyCC compiles this inside Bun, on machines without C headers or libc's
 * development files: nothing is included, and Bun's dlsym leads to libc. gcc
 * and clang must accept it too, so that sanitizers can run on it.
 *
 * Numbers, the same on x86-64 and arm64 unless a row says otherwise:
 *
 *   TUNSETIFF          0x400454CA   include/uapi/linux/if_tun.h
 *   TUNSETPERSIST      0x400454CB   "  argument by value
 *   TUNSETOWNER        0x400454CC   "  argument by value
 *   TUNSETGROUP        0x400454CE   "  argument by value
 *   TUNGETFEATURES     0x800454CF   "
 *   TUNSETOFFLOAD      0x400454D0   "  argument by value
 *   TUNGETIFF          0x800454D2   "
 *   TUNSETSNDBUF       0x400454D4   "
 *   TUNSETCARRIER      0x400454E2   "
 *   TUNGETDEVNETNS     0x54E3       "  since Linux 5.2
 *   SIOCGSKNS          0x894C       include/uapi/linux/sockios.h
 *   SIOCGIFHWADDR      0x8927       include/uapi/linux/sockios.h
 *   SIOCSIFHWADDR      0x8924       "
 *   ARPHRD_ETHER       1            include/uapi/linux/if_arp.h
 *   O_RDWR 02, O_NONBLOCK 04000, O_CLOEXEC 02000000
 *                                   include/uapi/asm-generic/fcntl.h
 *   AF_NETLINK 16, SOCK_RAW 3, SOCK_CLOEXEC 02000000, NETLINK_ROUTE 0
 *   SOL_NETLINK 270, NETLINK_EXT_ACK 11, NETLINK_GET_STRICT_CHK 12
 *                                   include/uapi/linux/netlink.h
 *   MSG_DONTWAIT 0x40               include/linux/socket.h
 *   EPOLL_CTL_ADD 1, DEL 2, MOD 3, EPOLL_CLOEXEC 02000000
 *                                   include/uapi/linux/eventpoll.h
 *   EFD_NONBLOCK 04000, EFD_CLOEXEC 02000000   include/linux/eventfd.h
 *   IOCB_CMD_POLL 5, IOCB_FLAG_RESFD 1         include/uapi/linux/aio_abi.h
 *   POLLIN 1                        include/uapi/asm-generic/poll.h
 *   io_setup, io_destroy, io_submit, io_getevents, fstat
 *                     x86-64: 206, 207, 209, 208, 5; arm64: 0, 1, 2, 4, 80
 *   SIG_SETMASK 2                   include/uapi/asm-generic/signal-defs.h
 */

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;
typedef unsigned long size;

extern void *dlsym(void *handle, const char *name);
extern void *memcpy(void *to, const void *from, size n);
extern void *memset(void *to, int byte, size n);

#define EINTR 4

#if defined(__x86_64__)
enum { NR_io_setup = 206, NR_io_destroy = 207, NR_io_getevents = 208, NR_io_submit = 209, NR_fstat = 5 };
#elif defined(__aarch64__)
enum { NR_io_setup = 0, NR_io_destroy = 1, NR_io_getevents = 4, NR_io_submit = 2, NR_fstat = 80 };
#else
#error "bun-tuntap knows the AIO system calls of x86-64 and arm64 only"
#endif

struct iovec { void *base; size length; };
struct pollfd { int fd; short events, revents; };

/* struct ifreq, include/uapi/linux/if.h: 40 bytes on every 64-bit machine. */
struct ifreq {
	char name[16];
	union {
		short flags;
		struct { u16 family; u8 data[14]; } hwaddr;
		u8 pad[24];
	} u;
};

/* struct epoll_event is packed on x86-64 alone (EPOLL_PACKED in eventpoll.h). */
#if defined(__x86_64__)
struct __attribute__((packed)) epoll_event { u32 events; u64 data; };
#else
struct epoll_event { u32 events; u64 data; };
#endif

/* include/uapi/linux/aio_abi.h, little-endian layout. */
struct iocb {
	u64 data;
	u32 key, rw_flags;
	u16 opcode;
	short priority;
	u32 fd;
	u64 buf, nbytes;
	long long offset;
	u64 reserved;
	u32 flags, resfd;
};
struct io_event { u64 data, obj; long long res, res2; };

static int *(*errno_location)(void);
static int (*sys_open)(const char *, int, ...);
static int (*sys_close)(int);
static int (*sys_fcntl)(int, int, ...);
static int (*sys_ioctl)(int, size, ...);
static long (*sys_read)(int, void *, size);
static long (*sys_readv)(int, const struct iovec *, int);
static long (*sys_write)(int, const void *, size);
static int (*sys_socket)(int, int, int);
static int (*sys_setsockopt)(int, int, int, const void *, u32);
static long (*sys_send)(int, const void *, size, int);
static long (*sys_recv)(int, void *, size, int);
static int (*sys_eventfd)(u32, int);
static int (*sys_epoll_create1)(int);
static int (*sys_epoll_ctl)(int, int, int, struct epoll_event *);
static int (*sys_epoll_wait)(int, struct epoll_event *, int, int);
static int (*sys_poll)(struct pollfd *, size, int);
static long (*sys_syscall)(long, ...);
static int (*sys_pthread_create)(size *, const void *, void *(*)(void *), void *);
static int (*sys_pthread_detach)(size);
static int (*sys_pthread_sigmask)(int, const void *, void *);

static const struct { void *slot; const char *name; } libc[] = {
	{ &errno_location, "__errno_location" },
	{ &sys_open, "open" },
	{ &sys_close, "close" },
	{ &sys_fcntl, "fcntl" },
	{ &sys_ioctl, "ioctl" },
	{ &sys_read, "read" }, { &sys_readv, "readv" },
	{ &sys_write, "write" },
	{ &sys_socket, "socket" },
	{ &sys_setsockopt, "setsockopt" },
	{ &sys_send, "send" }, { &sys_recv, "recv" },
	{ &sys_eventfd, "eventfd" },
	{ &sys_epoll_create1, "epoll_create1" },
	{ &sys_epoll_ctl, "epoll_ctl" },
	{ &sys_epoll_wait, "epoll_wait" },
	{ &sys_poll, "poll" },
	{ &sys_syscall, "syscall" },
	{ &sys_pthread_create, "pthread_create" },
	{ &sys_pthread_detach, "pthread_detach" },
	{ &sys_pthread_sigmask, "pthread_sigmask" },
};

static int result(long r) { return r < 0 ? -*errno_location() : (int)r; }

/* Descriptors */

/* The fds that this JavaScript thread has to close, a bit each. */
static u8 owned[1 << 17];

static int fd_own(int fd)
{
	if (fd >= 0 && fd < (int)sizeof owned * 8)
		owned[fd / 8] |= 1 << fd % 8;
	return fd;
}

static int fd_disown(int fd)
{
	if (fd >= 0 && fd < (int)sizeof owned * 8)
		owned[fd / 8] &= ~(1 << fd % 8);
	return fd;
}

static int fd_open(const char *path)
{
	int r;
	do
		r = result(sys_open(path, 02 | 04000 | 02000000));
	while (r == -EINTR);
	return fd_own(r);
}

/* Never retried: Linux has freed the number even where close(2) says EINTR. */
static int fd_close(int fd) { return result(sys_close(fd_disown(fd))); }

/* fcntl(2) with a number: F_GETFD, F_SETFD, F_GETFL, F_SETFL. */
static int fd_control(int fd, int command, int argument) { return result(sys_fcntl(fd, command, argument)); }

/* 1 if both lead to the same file: on both architectures struct stat begins with st_dev and st_ino, 64 bits each. */
static int fd_is_same(int one, int other)
{
	u64 a[32], b[32];
	int r = result(sys_syscall(NR_fstat, (long)one, a));
	if (r >= 0)
		r = result(sys_syscall(NR_fstat, (long)other, b));
	return r < 0 ? r : a[0] == b[0] && a[1] == b[1];
}

/* TUN/TAP control, drivers/net/tun.c __tun_chr_ioctl() */

/* `name` is 16 bytes, in and out: the kernel fills in the number of a pattern. */
static int tun_set_iff(int fd, char *name, int flags)
{
	struct ifreq ifr;
	int r;
	memset(&ifr, 0, sizeof ifr);
	memcpy(ifr.name, name, 15);
	ifr.u.flags = (short)flags;
	r = result(sys_ioctl(fd, 0x400454CA, &ifr));
	if (r >= 0)
		memcpy(name, ifr.name, 16);
	return r;
}

/* Fills `name` (16 bytes) and returns the flags. */
static int tun_get_iff(int fd, char *name)
{
	struct ifreq ifr;
	int r;
	memset(&ifr, 0, sizeof ifr);
	r = result(sys_ioctl(fd, 0x800454D2, &ifr));
	if (r < 0)
		return r;
	memcpy(name, ifr.name, 16);
	return (u16)ifr.u.flags;
}

static int tun_get_features(int fd)
{
	int features = 0;
	int r = result(sys_ioctl(fd, 0x800454CF, &features));
	return r < 0 ? r : features;
}

static int tun_set_persist(int fd, int on) { return result(sys_ioctl(fd, 0x400454CB, (size)on)); }

static int tun_set_owner(int fd, u32 uid) { return result(sys_ioctl(fd, 0x400454CC, (size)uid)); }

static int tun_set_group(int fd, u32 gid) { return result(sys_ioctl(fd, 0x400454CE, (size)gid)); }

static int tun_set_offload(int fd, u32 bits) { return result(sys_ioctl(fd, 0x400454D0, (size)bits)); }

static int tun_set_carrier(int fd, int on) { return result(sys_ioctl(fd, 0x400454E2, &on)); }

static int tun_set_sndbuf(int fd, int bytes) { return result(sys_ioctl(fd, 0x400454D4, &bytes)); }

/* An fd of the network namespace that the interface is in. Needs CAP_NET_ADMIN there. */
static int tun_get_dev_netns(int fd) { return result(sys_ioctl(fd, 0x54E3)); }

static int tun_get_hwaddr(int fd, u8 *mac)
{
	struct ifreq ifr;
	int r;
	memset(&ifr, 0, sizeof ifr);
	r = result(sys_ioctl(fd, 0x8927, &ifr));
	if (r >= 0)
		memcpy(mac, ifr.u.hwaddr.data, 6);
	return r;
}

static int tun_set_hwaddr(int fd, const u8 *mac)
{
	struct ifreq ifr;
	memset(&ifr, 0, sizeof ifr);
	ifr.u.hwaddr.family = 1;
	memcpy(ifr.u.hwaddr.data, mac, 6);
	return result(sys_ioctl(fd, 0x8924, &ifr));
}

/* Frames */

/*
 * Reads frames into `slab`, each at the next multiple of 8 behind the one
 * before, until `frame_max` bytes no longer fit, `count` frames are in, or
 * none is waiting. Lengths go to `lengths`. Returns the number of frames, or
 * -errno if the first read failed.
 *
 * The driver cuts a frame that is longer than the buffer and says nothing
 * (tun_put_user()), so `spill` (64 KiB and more) always stands behind the
 * slab: a frame that runs into it ends the batch, and its length shows it.
 */
static int tun_read(int fd, u8 *slab, int offset, int end, int frame_max, u8 *spill, int spill_size, int *lengths, int count)
{
	struct iovec v[2];
	int n = 0;
	v[1].base = spill;
	v[1].length = (size)spill_size;
	while (n < count && end - offset >= frame_max) {
		int room = end - offset, r;
		v[0].base = slab + offset;
		v[0].length = (size)room;
		r = result(sys_readv(fd, v, 2));
		if (r == -EINTR)
			continue;
		if (r < 0)
			return n ? n : r;
		lengths[n++] = r;
		if (r > room)
			break;
		offset += (r + 7) & ~7;
	}
	return n;
}

static int tun_write(int fd, const u8 *frame, int length)
{
	int r;
	do
		r = result(sys_write(fd, frame, (size)length));
	while (r == -EINTR);
	return r;
}

/* rtnetlink socket */

static int nl_open(void) { return fd_own(result(sys_socket(16, 3 | 02000000, 0))); }

/* An fd of the network namespace that a socket is in. Needs CAP_NET_ADMIN there. */
static int sock_get_netns(int fd) { return result(sys_ioctl(fd, 0x894C)); }

static int nl_set_option(int fd, int option, int value)
{
	return result(sys_setsockopt(fd, 270, option, &value, sizeof value));
}

static int nl_send(int fd, const u8 *message, int length)
{
	int r;
	do
		r = result(sys_send(fd, message, (size)length, 0));
	while (r == -EINTR);
	return r;
}

/* Never blocks: the kernel has queued its answer before send(2) returns. */
static int nl_recv(int fd, u8 *buffer, int capacity)
{
	int r;
	do
		r = result(sys_recv(fd, buffer, (size)capacity, 0x40));
	while (r == -EINTR);
	return r;
}

/* Waiting: an epoll set of all devices, watched by one AIO poll or one thread */

static int ev_open(void) { return fd_own(result(sys_eventfd(0, 04000 | 02000000))); }

static int ep_open(void) { return fd_own(result(sys_epoll_create1(02000000))); }

static int ep_control(int ep, int operation, int fd, u32 events, u32 token)
{
	struct epoll_event e;
	memset(&e, 0, sizeof e);
	e.events = events;
	e.data = token;
	return result(sys_epoll_ctl(ep, operation, fd, &e));
}

/* Fills `ready` with pairs of token and events, 64 at most; never blocks. */
static int ep_wait(int ep, u32 *ready)
{
	struct epoll_event e[64];
	int i, n;
	do
		n = result(sys_epoll_wait(ep, e, 64, 0));
	while (n == -EINTR);
	for (i = 0; i < n; i++) {
		ready[2 * i] = (u32)e[i].data;
		ready[2 * i + 1] = e[i].events;
	}
	return n;
}

static u64 aio_context;
static int aio_pending;

static int aio_open(void) { return result(sys_syscall(NR_io_setup, 1L, &aio_context)); }

/*
 * One-shot: `wake` becomes readable once `ep` is, which may be at once. While
 * an earlier poll is still pending there is nothing to do; a completed one has
 * to be taken off the ring first, or the ring fills up.
 */
static int aio_arm(int ep, int wake)
{
	struct io_event e;
	struct iocb cb, *list = &cb;
	u64 zero[2] = { 0, 0 };
	int r;
	if (aio_pending && sys_syscall(NR_io_getevents, aio_context, 0L, 1L, &e, zero) == 0)
		return 0;
	memset(&cb, 0, sizeof cb);
	cb.opcode = 5;
	cb.fd = (u32)ep;
	cb.buf = 1;
	cb.flags = 1;
	cb.resfd = (u32)wake;
	r = result(sys_syscall(NR_io_submit, aio_context, 1L, &list));
	aio_pending = r == 1;
	return r;
}

/* The same job for kernels without AIO poll (gVisor, qemu-user): a thread. */
static struct { int ep, wake, arm, running; volatile int stop; } waiter;

static void *waiter_main(void *unused)
{
	u64 one = 1, armed;
	int waiting = 0;
	while (!waiter.stop) {
		struct pollfd p[2] = { { waiter.arm, 1, 0 }, { waiter.ep, 1, 0 } };
		if (sys_poll(p, waiting ? 2 : 1, -1) < 0)
			continue;
		if (p[0].revents && sys_read(waiter.arm, &armed, 8) == 8)
			waiting = 1;
		else if (waiting && p[1].revents)
			waiting = sys_write(waiter.wake, &one, 8) != 8;
	}
	sys_close(waiter.arm);
	sys_close(waiter.wake);
	sys_close(waiter.ep);
	return unused;
}

static int thread_arm(void)
{
	u64 one = 1;
	return result(sys_write(waiter.arm, &one, 8));
}

/*
 * Every signal is blocked in the thread: Bun's handlers expect Bun's threads.
 * `ep` and `wake` are the thread's to close, if it starts.
 */
static int thread_open(int ep, int wake)
{
	u8 all[128], before[128];
	size id;
	int r;
	waiter.ep = ep;
	waiter.wake = wake;
	waiter.arm = ev_open();
	if (waiter.arm < 0)
		return waiter.arm;
	memset(all, 0xff, sizeof all);
	sys_pthread_sigmask(2, all, before);
	r = -sys_pthread_create(&id, 0, waiter_main, 0);
	sys_pthread_sigmask(2, before, 0);
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

/*
 * The end of this JavaScript thread, called as the deallocator of an
 * ArrayBuffer (src/sys/load.ts): a Worker that is terminated runs no
 * JavaScript any more, and what it had open would stay open in the process.
 */
static void thread_end(void *bytes, void *context)
{
	int fd;
	(void)bytes;
	(void)context;
	if (waiter.running) {
		waiter.stop = 1;
		thread_arm();
	}
	for (fd = 0; fd < (int)sizeof owned * 8; fd++)
		if (owned[fd / 8] >> fd % 8 & 1)
			sys_close(fd);
	/* Last: it takes some 40 ms. */
	if (aio_context)
		sys_syscall(NR_io_destroy, aio_context);
}

/* In the order of src/sys/symbols.ts, which binds them. */
static void *const functions[] = {
	fd_open, fd_own, fd_disown, fd_close, fd_control, fd_is_same,
	tun_set_iff, tun_get_iff, tun_get_features, tun_set_persist,
	tun_set_owner, tun_set_group, tun_set_offload, tun_set_carrier,
	tun_set_sndbuf, tun_get_dev_netns, tun_get_hwaddr, tun_set_hwaddr,
	tun_read, tun_write,
	nl_open, sock_get_netns, nl_set_option, nl_send, nl_recv,
	ev_open, ep_open, ep_control, ep_wait,
	aio_open, aio_arm, thread_open, thread_arm,
};

/* Null, or the name of the function that this libc lacks. */
const char *tuntap_link(void)
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

void *const *tuntap_functions(void) { return functions; }

void (*tuntap_thread_end(void))(void *, void *) { return thread_end; }

int tuntap_function_count(void) { return sizeof functions / sizeof *functions; }
