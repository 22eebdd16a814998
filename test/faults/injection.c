/*
 * Stands between the shim and libc, for tests: counts the calls of each kind,
 * and lets the n-th of one kind fail. injection.ts puts this text before the
 * shim's, and the part behind the line of dashes after it.
 *
 * The shim finds libc by dlsym(), so a dlsym() of our own gives it functions
 * of our own. FAULTS is the address of memory that JavaScript shares.
 * HAS_DATAGRAMS is defined for the part for UDP.
 */

extern void *dlsym(void *handle, const char *name);
extern void *memcpy(void *to, const void *from, unsigned long n);

/* A call of one kind: which function, and which request of it. */
struct fault_kind { int function, detail, count; };

/* As in injection.ts. */
static struct fault_plan {
	/* The kind that fails, and its how manieth call; 0: none. */
	int function, detail, nth;
	/* What it fails with, positive. */
	int error;
	/* True if all calls of the kind fail from that one on. */
	int sticky;
	/* The calls that have failed. */
	int failed;
	int counting;
	/* Fds of the device that stands by: calls on them are neither counted nor failed. */
	int spared[8];
	int kinds;
	struct fault_kind kind[256];
} *const faults = (struct fault_plan *)FAULTS;

enum {
	F_open = 1, F_close, F_fcntl, F_ioctl, F_socket, F_setsockopt, F_getsockopt, F_bind, F_listen, F_accept4,
	F_connect, F_send, F_recv, F_sendmsg, F_recvmsg, F_setns, F_unshare, F_eventfd, F_epoll_create1, F_epoll_ctl,
	F_epoll_wait, F_poll, F_syscall, F_pthread_create, F_transfer, F_rtnetlink, F_realloc, F_pipe2
};

/* Tells whether this call is to fail. */
static int fault_due(int function, int detail)
{
	struct fault_kind *k = faults->kind, *end = k + faults->kinds;
	if (!faults->counting)
		return 0;
	while (k < end && (k->function != function || k->detail != detail))
		k++;
	if (k == end) {
		if (faults->kinds == 256)
			return 0;
		k->function = function;
		k->detail = detail;
		k->count = 0;
		faults->kinds++;
	}
	k->count++;
	if (function != faults->function || detail != faults->detail || !faults->nth)
		return 0;
	if (k->count != faults->nth && !(faults->sticky && k->count > faults->nth))
		return 0;
	faults->failed++;
	return 1;
}

static int fault_spares(long fd)
{
	int i;
	for (i = 0; i < 8; i++)
		if (faults->spared[i] == (int)fd)
			return 1;
	return 0;
}

static int *(*fault_errno)(void);

/* The answer to an rtnetlink request that never reached the kernel: struct nlmsghdr and nlmsgerr. */
static struct { int fd, waiting; unsigned int answer[9]; } fault_refusal;

static void fault_refuse(int fd, const unsigned int *request)
{
	unsigned int *a = fault_refusal.answer;
	fault_refusal.fd = fd;
	fault_refusal.waiting = 1;
	a[0] = 36;
	/* NLMSG_ERROR */
	a[1] = 2;
	a[2] = request[2];
	a[3] = 0;
	a[4] = (unsigned int)-faults->error;
	a[5] = request[0];
	a[6] = request[1];
	a[7] = request[2];
	a[8] = request[3];
}

typedef long fault_call(long, long, long, long, long, long, long);

/* What tells the calls of one function apart. */
static int fault_detail(int function, long a, long b, long c)
{
	switch (function) {
	case F_ioctl: case F_fcntl: case F_epoll_ctl:
		return (int)b;
	case F_setsockopt: case F_getsockopt:
		return (int)b << 16 | (int)c;
	case F_syscall: case F_socket:
		return (int)a;
	case F_poll:
		/* The waiting thread's, which has no time limit. */
		return (int)c < 0;
	default:
		return 0;
	}
}

static int fault_is_of_fd(int function)
{
	return function != F_open && function != F_socket && function != F_eventfd && function != F_epoll_create1 &&
		function != F_poll && function != F_syscall && function != F_pthread_create && function != F_unshare &&
		function != F_realloc && function != F_pipe2;
}

static long fault_made(int function, fault_call *call, long a, long b, long c, long d, long e, long f, long g)
{
	int fail;
	if (fault_is_of_fd(function) && (fault_spares(a) || (function == F_epoll_ctl && fault_spares(c))))
		return call(a, b, c, d, e, f, g);
	fail = fault_due(function, fault_detail(function, a, b, c));
	if (!fail && function == F_recv && fault_refusal.waiting && fault_refusal.fd == (int)a) {
		memcpy((void *)b, fault_refusal.answer, 36);
		fault_refusal.waiting = 0;
		return 36;
	}
	if (!fail && function == F_send && fault_due(F_rtnetlink, *(const unsigned short *)(b + 4))) {
		fault_refuse((int)a, (const unsigned int *)b);
		return c;
	}
	if (!fail)
		return call(a, b, c, d, e, f, g);
	if (function == F_pthread_create)
		return faults->error;
	/* Null: there is no memory. */
	if (function == F_realloc)
		return 0;
	/* Linux has freed the number whatever close(2) says. */
	if (function == F_close)
		call(a, b, c, d, e, f, g);
	*fault_errno() = faults->error;
	return -1;
}

#define EACH_FAULT(X) \
	X(open) X(close) X(fcntl) X(ioctl) X(socket) X(setsockopt) X(getsockopt) X(bind) X(listen) X(accept4) \
	X(connect) X(send) X(recv) X(sendmsg) X(recvmsg) X(setns) X(unshare) X(eventfd) X(epoll_create1) X(epoll_ctl) \
	X(epoll_wait) X(poll) X(syscall) X(pthread_create) X(realloc) X(pipe2)

#define FAULTY(name) \
	static fault_call *real_##name; \
	static long faulty_##name(long a, long b, long c, long d, long e, long f, long g) \
	{ return fault_made(F_##name, real_##name, a, b, c, d, e, f, g); }
EACH_FAULT(FAULTY)

static int fault_is(const char *a, const char *b)
{
	while (*a && *a == *b)
		a++, b++;
	return *a == *b;
}

static void fault_transfer_begin(void);

static void *faulty_dlsym(void *handle, const char *name)
{
	void *found = dlsym(handle, name);
	if (fault_is(name, "__errno_location")) {
		memcpy(&fault_errno, &found, sizeof found);
		fault_transfer_begin();
	}
#define GIVE(known) \
	if (fault_is(name, #known)) { \
		fault_call *ours = faulty_##known; \
		memcpy(&real_##known, &found, sizeof found); \
		memcpy(&found, &ours, sizeof found); \
		return found; \
	}
	EACH_FAULT(GIVE)
	return found;
}

#define dlsym faulty_dlsym
/* ---------------------------------------------------------------------- */

/* read(2), write(2), readv(2) and writev(2) are retried by transfer() itself, so it never gives EINTR. */
static int transfer_faulty(long number, int fd, const void *bytes, size n)
{
	/* Eight bytes are the number of an eventfd, four an fd in the pipe of the thread that closes; neither is a frame. */
	int detail = (int)number | (n == 8 ? 0x1000 : n == 4 ? 0x2000 : 0);
	if (!fault_spares(fd) && fault_due(F_transfer, detail))
		return -faults->error;
	return transfer_now(number, fd, bytes, n);
}

#if defined(HAS_DATAGRAMS)
/* sendmmsg(2) and recvmmsg(2), which the part for UDP calls by itself. */
static int transfer_many_faulty(long number, int fd, struct mmsghdr *messages, size n)
{
	if (!fault_spares(fd) && fault_due(F_transfer, (int)number))
		return -faults->error;
	return transfer_many_now(number, fd, messages, n);
}
#endif

static void fault_transfer_begin(void)
{
	transfer = transfer_faulty;
#if defined(HAS_DATAGRAMS)
	transfer_many = transfer_many_faulty;
#endif
}
