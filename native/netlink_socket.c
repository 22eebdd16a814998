/* Sockets for rtnetlink, and Unix sockets that carry fds. */

static int nl_open(void) { return fd_own(result(sys_socket(AF_NETLINK_, SOCK_RAW_ | SOCK_CLOEXEC_, NETLINK_ROUTE_))); }

/* Subscribes to `groups`, one bit each. A socket gets notifications only once it is bound to an address. */
static int nl_bind(int fd, u32 groups)
{
	struct sockaddr_nl address;
	memset(&address, 0, sizeof address);
	address.family = AF_NETLINK_;
	address.groups = groups;
	return result(sys_bind(fd, &address, sizeof address));
}

/* An fd of the network namespace that a socket is in. Needs CAP_NET_ADMIN there. */
static int sock_get_netns(int fd) { return result(sys_ioctl(fd, SIOCGSKNS_)); }

static int sock_set_option(int fd, int level, int option, int value)
{
	return result(sys_setsockopt(fd, level, option, &value, sizeof value));
}

static int sock_send(int fd, const u8 *message, int length)
{
	int r;
	do
		r = result(sys_send(fd, message, (size)length, MSG_NOSIGNAL_));
	while (r == -EINTR_);
	return r;
}

/* Never blocks: rtnetlink has queued its answer before send(2) returns. */
static int sock_recv(int fd, u8 *buffer, int capacity)
{
	int r;
	do
		r = result(sys_recv(fd, buffer, (size)capacity, MSG_DONTWAIT_));
	while (r == -EINTR_);
	return r;
}

/* Unix sockets */

/* struct cmsghdr with room for the one fd that we ever send. */
struct one_fd { struct cmsghdr header; int fd, pad; };
/* CMSG_LEN(sizeof(int)): without the padding. */
enum { ONE_FD_LENGTH = sizeof(struct cmsghdr) + sizeof(int) };

static int un_open(void) { return fd_own(result(sys_socket(AF_UNIX_, SOCK_STREAM_ | SOCK_NONBLOCK_ | SOCK_CLOEXEC_, 0))); }

/* `path` has up to 107 bytes and a NUL. */
static u32 un_address(struct sockaddr_un *address, const u8 *path, int length)
{
	memset(address, 0, sizeof *address);
	address->family = AF_UNIX_;
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
		r = result(sys_accept4(fd, 0, 0, SOCK_NONBLOCK_ | SOCK_CLOEXEC_));
	while (r == -EINTR_);
	return fd_own(r);
}

/* Fills `peer` with pid, uid and gid of the process that connected, as they were then. */
static int un_get_peer(int fd, u32 *peer)
{
	struct ucred who;
	u32 bytes = sizeof who;
	int r = result(sys_getsockopt(fd, SOL_SOCKET_, SO_PEERCRED_, &who, &bytes));
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
	control.header.length = ONE_FD_LENGTH;
	control.header.level = SOL_SOCKET_;
	control.header.type = SCM_RIGHTS_;
	control.fd = passed;
	do
		r = result(sys_sendmsg(fd, &m, MSG_NOSIGNAL_));
	while (r == -EINTR_);
	return r;
}

/* Bytes of memory that sent messages take which the other end has not received (net/unix/af_unix.c unix_outq_len()). */
static int un_unreceived(int fd)
{
	int bytes = 0;
	int r = result(sys_ioctl(fd, SIOCOUTQ_, &bytes));
	return r < 0 ? r : bytes;
}

static int has_fd(const struct one_fd *control)
{
	return control->header.length == ONE_FD_LENGTH && control->header.level == SOL_SOCKET_ &&
		control->header.type == SCM_RIGHTS_;
}

/*
 * Returns 0 at the end of the connection, 1 for a byte, 2 for a byte with more fds than there is room for, which the
 * kernel closes (MSG_CTRUNC): there is room for one, and in a process at its limit for none. `passed` gets the fd, or
 * -1.
 */
static int un_receive_fd(int fd, int *passed)
{
	struct msghdr m;
	struct iovec v;
	struct one_fd control;
	u8 byte;
	int r;
	un_message(&m, &v, &byte, &control);
	/* Without `pad`, into which a second fd would be put. */
	m.control_length = ONE_FD_LENGTH;
	do
		r = result(sys_recvmsg(fd, &m, MSG_CMSG_CLOEXEC_));
	while (r == -EINTR_);
	*passed = r > 0 && has_fd(&control) ? fd_own(control.fd) : -1;
	return r > 0 && m.flags & MSG_CTRUNC_ ? 2 : r;
}
