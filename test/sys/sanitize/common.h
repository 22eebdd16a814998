/* The whole shim (run.sh writes shim.c from test/support/shim.ts), linked as Bun links it, and what checks of it share. */
#include "shim.c"

extern void *malloc(size);
extern void free(void *);
extern int printf(const char *, ...);
extern int fflush(void *);
extern void abort(void);
extern long read(int, void *, size);
extern long write(int, const void *, size);
extern long readv(int, const void *, int);
extern long writev(int, const void *, int);
extern int socketpair(int, int, int, int *);

#define CHECK(condition) do { if (!(condition)) { printf("%s:%d: %s\n", __FILE__, __LINE__, #condition); fflush(0); abort(); } } while (0)

/* libc's functions in place of system calls by number: the sanitizers see what they read and write. */
static int transfer_by_libc(long number, int fd, const void *bytes, size n)
{
	long r;
	do
		r = result(number == NR_read ? read(fd, (void *)bytes, n) : number == NR_write ? write(fd, bytes, n) :
			number == NR_readv ? readv(fd, bytes, (int)n) : writev(fd, bytes, (int)n));
	while (r == -EINTR_);
	return (int)r;
}

/* Links the shim, as src/sys/load.ts does. */
static inline void link_shim(void)
{
	const void *const *shim = tuntap_core();
	CHECK(shim[0] == 0);
	transfer = transfer_by_libc;
}

static inline int is_open(int fd) { return fd_control(fd, 1 /* F_GETFD */, 0) >= 0; }

/* Counts those of the numbers below `end` that are open: the same before and after where nothing was left. */
static inline int open_below(int end)
{
	int fd, n = 0;
	for (fd = 0; fd < end; fd++)
		n += is_open(fd);
	return n;
}

/* Sends a message of up to 8 bytes with up to 6 times the same fd. */
static inline void send_fds(int fd, int bytes, int fds)
{
	struct { struct cmsghdr header; int fds[6]; } control;
	struct msghdr m;
	struct iovec v;
	u8 text[8];
	int i;
	memset(&m, 0, sizeof m);
	memset(&control, 0, sizeof control);
	memset(text, 0, sizeof text);
	v.base = text;
	v.length = (size)bytes;
	m.iov = &v;
	m.iov_length = 1;
	control.header.length = sizeof control.header + sizeof(int) * (size)fds;
	control.header.level = SOL_SOCKET_;
	control.header.type = SCM_RIGHTS_;
	for (i = 0; i < fds; i++)
		control.fds[i] = fd;
	m.control = fds ? &control : 0;
	m.control_length = fds ? (control.header.length + 7) & ~7ul : 0;
	sys_sendmsg(fd, &m, MSG_NOSIGNAL_ | MSG_DONTWAIT_);
}
