/*
 * The shim of bun-tuntap, and first the kernel's numbers and layouts.
 *
 * One function does one job and returns what the kernel returned, or -errno;
 * policy lives in TypeScript. The files of this folder are three C sources,
 * each compiled when it is first used, in the orders of src/sys/source.ts,
 * offload-source.ts and udp-source.ts; all begin with this file and base.c.
 * TinyCC compiles them inside Bun, on machines without C headers or libc's
 * development files: nothing is included, and Bun's dlsym leads to libc. gcc
 * and clang must accept them too, so that sanitizers can run on them.
 *
 * Every number of the kernel's interface has its name here: the kernel's own
 * with an underscore behind it, because the real one may be a macro where a
 * test includes the headers. test/sys/kernel.test.ts compiles native/ with
 * those headers, and a _Static_assert holds each number and each layout of
 * this file. The numbers are the same on x86-64 and arm64 unless a
 * condition says otherwise.
 */

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;
typedef unsigned long size;

/* System calls: arch/x86/entry/syscalls/syscall_64.tbl, include/uapi/asm-generic/unistd.h. */
#if defined(__x86_64__)
enum {
	NR_read = 0, NR_write = 1, NR_fstat = 5, NR_readv = 19, NR_writev = 20,
	NR_sendmsg = 46, NR_recvmsg = 47, NR_getsockname = 51, NR_recvmmsg = 299, NR_sendmmsg = 307,
	NR_clone = 56, NR_exit = 60, NR_wait4 = 61, NR_timerfd_create = 283, NR_timerfd_settime = 286,
	NR_io_setup = 206, NR_io_destroy = 207, NR_io_getevents = 208, NR_io_submit = 209
};
#elif defined(__aarch64__)
enum {
	NR_read = 63, NR_write = 64, NR_fstat = 80, NR_readv = 65, NR_writev = 66,
	NR_sendmsg = 211, NR_recvmsg = 212, NR_getsockname = 204, NR_recvmmsg = 243, NR_sendmmsg = 269,
	NR_clone = 220, NR_exit = 93, NR_wait4 = 260, NR_timerfd_create = 85, NR_timerfd_settime = 86,
	NR_io_setup = 0, NR_io_destroy = 1, NR_io_getevents = 4, NR_io_submit = 2
};
#else
#error "bun-tuntap knows the system calls of x86-64 and arm64 only"
#endif

enum {
	/* include/uapi/asm-generic/errno-base.h, errno.h */
	EINTR_ = 4, EIO_ = 5, EBADF_ = 9, EAGAIN_ = 11, ENOMEM_ = 12, EINVAL_ = 22,
	ENOTSOCK_ = 88, EMSGSIZE_ = 90, ENOBUFS_ = 105,
	/* include/uapi/asm-generic/fcntl.h */
	O_WRONLY_ = 1, O_NONBLOCK_ = 04000, O_CLOEXEC_ = 02000000,
	/* include/uapi/linux/fcntl.h, include/uapi/asm-generic/fcntl.h */
	F_SETFL_ = 4, F_DUPFD_CLOEXEC_ = 1030,
	/* include/uapi/asm-generic/signal-defs.h */
	SIG_SETMASK_ = 2,
	/* include/uapi/linux/sched.h */
	CLONE_NEWUSER_ = 0x10000000, CLONE_NEWNET_ = 0x40000000,
	/* include/uapi/linux/wait.h */
	__WALL_ = 0x40000000,
	/* include/uapi/linux/time.h, include/uapi/linux/timerfd.h */
	CLOCK_MONOTONIC_ = 1, TFD_CLOEXEC_ = 02000000, TFD_NONBLOCK_ = 04000
};

/* include/uapi/linux/if_tun.h */
enum {
	TUNSETIFF_ = 0x400454ca,
	/* These four take their argument by value. */
	TUNSETPERSIST_ = 0x400454cb,
	TUNSETOWNER_ = 0x400454cc,
	TUNSETGROUP_ = 0x400454ce,
	TUNSETOFFLOAD_ = 0x400454d0,
	TUNGETFEATURES_ = 0x800454cf,
	TUNSETTXFILTER_ = 0x400454d1,
	TUNGETIFF_ = 0x800454d2,
	TUNGETSNDBUF_ = 0x800454d3,
	TUNSETSNDBUF_ = 0x400454d4,
	TUNATTACHFILTER_ = 0x401054d5,
	TUNDETACHFILTER_ = 0x401054d6,
	TUNGETVNETHDRSZ_ = 0x800454d7,
	TUNSETVNETHDRSZ_ = 0x400454d8,
	TUNSETQUEUE_ = 0x400454d9,
	TUNSETSTEERINGEBPF_ = 0x800454e0,
	TUNSETCARRIER_ = 0x400454e2,
	/* Since Linux 5.2. */
	TUNGETDEVNETNS_ = 0x54e3
};

enum {
	/* include/uapi/linux/sockios.h */
	SIOCGIFNAME_ = 0x8910, SIOCSIFFLAGS_ = 0x8914, SIOCGIFINDEX_ = 0x8933, SIOCSIFHWADDR_ = 0x8924, SIOCGIFHWADDR_ = 0x8927, SIOCGSKNS_ = 0x894c, SIOCOUTQ_ = 0x5411,
	/* include/uapi/linux/if.h */
	IFF_UP_ = 0x1,
	/* include/uapi/linux/if_arp.h */
	ARPHRD_ETHER_ = 1,
	/* include/uapi/linux/netlink.h */
	NETLINK_ROUTE_ = 0,
	/* include/linux/socket.h, include/linux/net.h */
	AF_UNIX_ = 1, AF_INET_ = 2, AF_INET6_ = 10, AF_NETLINK_ = 16,
	SOCK_STREAM_ = 1, SOCK_DGRAM_ = 2, SOCK_RAW_ = 3, SOCK_NONBLOCK_ = 04000, SOCK_CLOEXEC_ = 02000000,
	SCM_RIGHTS_ = 1,
	MSG_CTRUNC_ = 0x8, MSG_TRUNC_ = 0x20, MSG_DONTWAIT_ = 0x40, MSG_NOSIGNAL_ = 0x4000, MSG_CMSG_CLOEXEC_ = 0x40000000,
	/* include/uapi/asm-generic/socket.h */
	SOL_SOCKET_ = 1, SO_ERROR_ = 4, SO_PEERCRED_ = 17, SO_BINDTODEVICE_ = 25, SO_RXQ_OVFL_ = 40,
	/* include/linux/socket.h, include/uapi/linux: in.h, in6.h, udp.h */
	SOL_IP_ = 0, SOL_UDP_ = 17, SOL_IPV6_ = 41,
	IPPROTO_ICMP_ = 1, IPPROTO_ICMPV6_ = 58,
	IP_TOS_ = 1, IP_PKTINFO_ = 8, IPV6_PKTINFO_ = 50, IPV6_TCLASS_ = 67,
	UDP_SEGMENT_ = 103, UDP_GRO_ = 104
};

enum {
	/* include/uapi/asm-generic/poll.h */
	POLLIN_ = 0x1,
	/* include/uapi/linux/eventpoll.h, include/linux/eventfd.h */
	EPOLL_CLOEXEC_ = 02000000, EFD_NONBLOCK_ = 04000, EFD_CLOEXEC_ = 02000000,
	/* include/uapi/linux/aio_abi.h */
	IOCB_CMD_POLL_ = 5, IOCB_FLAG_RESFD_ = 1
};

/* include/uapi/linux/virtio_net.h */
enum {
	VIRTIO_NET_HDR_F_NEEDS_CSUM_ = 1,
	VIRTIO_NET_HDR_GSO_TCPV4_ = 1,
	VIRTIO_NET_HDR_GSO_TCPV6_ = 4,
	VIRTIO_NET_HDR_GSO_UDP_L4_ = 5,
	VIRTIO_NET_HDR_GSO_ECN_ = 0x80
};
struct virtio_net_hdr { u8 flags, gso_type; u16 hdr_len, gso_size, csum_start, csum_offset; };

/* include/uapi/linux/if.h: 40 bytes on every 64-bit machine. */
struct ifreq {
	char name[16];
	union {
		short flags;
		int index;
		struct { u16 family; u8 data[14]; } hwaddr;
		u8 pad[24];
	} u;
};

/* include/uapi/linux/time_types.h: 64 bits wide in every part on a 64-bit machine. */
struct itimerspec { long interval_seconds, interval_nanoseconds, seconds, nanoseconds; };

/* include/uapi/linux/filter.h */
struct sock_fprog { u16 len; const void *filter; };

/* include/uapi/linux/uio.h, include/linux/socket.h, include/uapi/linux/un.h, include/uapi/linux/netlink.h */
struct iovec { void *base; size length; };
struct msghdr {
	void *name;
	u32 name_length;
	struct iovec *iov;
	size iov_length;
	void *control;
	size control_length;
	int flags;
};
struct mmsghdr { struct msghdr header; u32 length; };
struct cmsghdr { size length; int level, type; };
struct ucred { int pid; u32 uid, gid; };
struct sockaddr_un { u16 family; char path[108]; };
/* include/uapi/linux: in.h, in6.h, ipv6.h; ports and IPv4 addresses in network order */
struct sockaddr_in { u16 family, port; u8 address[4], zero[8]; };
struct sockaddr_in6 { u16 family, port; u32 flow; u8 address[16]; u32 scope; };
struct in_pktinfo { u32 index; u8 source[4], destination[4]; };
struct in6_pktinfo { u8 address[16]; u32 index; };
struct sockaddr_nl { u16 family, pad; u32 pid, groups; };

/* include/uapi/asm-generic/poll.h */
struct pollfd { int fd; short events, revents; };

/* include/uapi/linux/eventpoll.h: packed on x86-64 alone (EPOLL_PACKED). */
#if defined(__x86_64__)
struct __attribute__((packed)) epoll_event { u32 events; u64 data; };
#else
struct epoll_event { u32 events; u64 data; };
#endif

/* include/uapi/linux/aio_abi.h, in the little-endian layout */
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
