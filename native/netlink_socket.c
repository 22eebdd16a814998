/*
 * Sockets: rtnetlink, and Unix sockets that carry fds.
 *
 * Numbers:
 *
 *   AF_UNIX 1, SOCK_STREAM 1, SOCK_NONBLOCK 04000, SOL_SOCKET 1
 *   SCM_RIGHTS 1, SO_PEERCRED 17    include/linux/socket.h, asm-generic/socket.h
 *   AF_NETLINK 16, SOCK_RAW 3, SOCK_CLOEXEC 02000000, NETLINK_ROUTE 0
 *   MSG_CTRUNC 8, MSG_DONTWAIT 0x40, MSG_NOSIGNAL 0x4000
 *   MSG_CMSG_CLOEXEC 0x40000000     include/linux/socket.h
 *   SIOCGSKNS          0x894C       include/uapi/linux/sockios.h
 */

static int nl_open(void) { return fd_own(result(sys_socket(16, 3 | 02000000, 0))); }

struct sockaddr_nl { u16 family, pad; u32 pid, groups; };

/* Subscribes to `groups`, a bit each; without an address of its own a socket gets no notification. */
static int nl_bind(int fd, u32 groups)
{
	struct sockaddr_nl address;
	memset(&address, 0, sizeof address);
	address.family = 16;
	address.groups = groups;
	return result(sys_bind(fd, &address, sizeof address));
}

/* An fd of the network namespace that a socket is in. Needs CAP_NET_ADMIN there. */
static int sock_get_netns(int fd) { return result(sys_ioctl(fd, 0x894C)); }

static int sock_set_option(int fd, int level, int option, int value)
{
	return result(sys_setsockopt(fd, level, option, &value, sizeof value));
}

static int sock_send(int fd, const u8 *message, int length)
{
	int r;
	do
		r = result(sys_send(fd, message, (size)length, 0x4000));
	while (r == -EINTR);
	return r;
}

/* Never blocks: rtnetlink has queued its answer before send(2) returns. */
static int sock_recv(int fd, u8 *buffer, int capacity)
{
	int r;
	do
		r = result(sys_recv(fd, buffer, (size)capacity, 0x40));
	while (r == -EINTR);
	return r;
}

/* Unix sockets */

struct sockaddr_un { u16 family; char path[108]; };
struct ucred { int pid; u32 uid, gid; };
struct msghdr {
	void *name;
	u32 name_length;
	struct iovec *iov;
	size iov_length;
	void *control;
	size control_length;
	int flags;
};
/* struct cmsghdr with room for the one fd that we ever send. */
struct one_fd { size length; int level, type, fd, pad; };

static int un_open(void) { return fd_own(result(sys_socket(1, 1 | 04000 | 02000000, 0))); }

/* `path` has up to 107 bytes and a NUL. */
static u32 un_address(struct sockaddr_un *address, const u8 *path, int length)
{
	memset(address, 0, sizeof *address);
	address->family = 1;
	memcpy(address->path, path, (size)length);
	return (u32)(2 + length);
}

static int un_bind(int fd, const u8 *path, int length)
{
	struct sockaddr_un address;
	u32 bytes = un_address(&address, path, length);
	return result(sys_bind(fd, &address, bytes));
}

static int un_connect(int fd, const u8 *path, int length)
{
	struct sockaddr_un address;
	u32 bytes = un_address(&address, path, length);
	return result(sys_connect(fd, &address, bytes));
}

static int un_listen(int fd, int backlog) { return result(sys_listen(fd, backlog)); }

static int un_accept(int fd)
{
	int r;
	do
		r = result(sys_accept4(fd, 0, 0, 04000 | 02000000));
	while (r == -EINTR);
	return fd_own(r);
}

/* Who connected, as it was then: `peer` gets pid, uid, gid. */
static int un_get_peer(int fd, u32 *peer)
{
	struct ucred who;
	u32 bytes = sizeof who;
	int r = result(sys_getsockopt(fd, 1, 17, &who, &bytes));
	if (r < 0)
		return r;
	peer[0] = (u32)who.pid;
	peer[1] = who.uid;
	peer[2] = who.gid;
	return 0;
}

static void un_message(struct msghdr *m, struct iovec *v, u8 *byte, struct one_fd *control)
{
	memset(m, 0, sizeof *m);
	memset(control, 0, sizeof *control);
	v->base = byte;
	v->length = 1;
	m->iov = v;
	m->iov_length = 1;
	m->control = control;
	m->control_length = sizeof *control;
}

/* Sends one byte, which is 0, and `passed` with it: a message without bytes carries no fd. */
static int un_send_fd(int fd, int passed)
{
	struct msghdr m;
	struct iovec v;
	struct one_fd control;
	u8 byte = 0;
	int r;
	un_message(&m, &v, &byte, &control);
	control.length = 20;
	control.level = 1;
	control.type = 1;
	control.fd = passed;
	do
		r = result(sys_sendmsg(fd, &m, 0x4000));
	while (r == -EINTR);
	return r;
}

/*
 * Returns 0 at the end of the connection, 1 for a byte, 2 for a byte with more
 * fds than were let in, the others being closed (MSG_CTRUNC): there is room
 * for one, and in a process at its limit for none. `passed` gets the fd, or -1.
 */
static int un_receive_fd(int fd, int *passed)
{
	struct msghdr m;
	struct iovec v;
	struct one_fd control;
	u8 byte;
	int r;
	un_message(&m, &v, &byte, &control);
	/* Not `pad`: a second fd would be put there. */
	m.control_length = 20;
	do
		r = result(sys_recvmsg(fd, &m, 0x40000000));
	while (r == -EINTR);
	*passed = r > 0 && control.length == 20 && control.level == 1 && control.type == 1 ? fd_own(control.fd) : -1;
	return r > 0 && m.flags & 8 ? 2 : r;
}
