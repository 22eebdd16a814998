/*
 * The shim of bun-tuntap, and first the kernel's numbers and layouts.
 *
 * One function does one job and returns what the kernel returned, or -errno;
 * policy lives in TypeScript. The files of this folder are one C source, in
 * the order of src/sys/source.ts. TinyCC compiles it inside Bun, on machines
 * without C headers or libc's development files: nothing is included, and
 * Bun's dlsym leads to libc. gcc and clang must accept it too, so that
 * sanitizers can run on it.
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
	NR_clone = 56, NR_exit = 60, NR_wait4 = 61,
	NR_io_setup = 206, NR_io_destroy = 207, NR_io_getevents = 208, NR_io_submit = 209
};
#elif defined(__aarch64__)
enum {
	NR_read = 63, NR_write = 64, NR_fstat = 80, NR_readv = 65, NR_writev = 66,
	NR_clone = 220, NR_exit = 93, NR_wait4 = 260,
	NR_io_setup = 0, NR_io_destroy = 1, NR_io_getevents = 4, NR_io_submit = 2
};
#else
#error "bun-tuntap knows the system calls of x86-64 and arm64 only"
#endif

enum {
	/* include/uapi/asm-generic/errno-base.h */
	EINTR_ = 4,
	/* include/uapi/asm-generic/fcntl.h */
	O_CLOEXEC_ = 02000000,
	/* include/uapi/asm-generic/signal-defs.h */
	SIG_SETMASK_ = 2,
	/* include/uapi/linux/sched.h */
	CLONE_NEWUSER_ = 0x10000000, CLONE_NEWNET_ = 0x40000000,
	/* include/uapi/linux/wait.h */
	__WALL_ = 0x40000000
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
	TUNSETSNDBUF_ = 0x400454d4,
	TUNATTACHFILTER_ = 0x401054d5,
	TUNDETACHFILTER_ = 0x401054d6,
	TUNSETVNETHDRSZ_ = 0x400454d8,
	TUNSETQUEUE_ = 0x400454d9,
	TUNSETSTEERINGEBPF_ = 0x800454e0,
	TUNSETCARRIER_ = 0x400454e2,
	/* Since Linux 5.2. */
	TUNGETDEVNETNS_ = 0x54e3
};

enum {
	/* include/uapi/linux/sockios.h */
	SIOCSIFHWADDR_ = 0x8924, SIOCGIFHWADDR_ = 0x8927, SIOCGSKNS_ = 0x894c,
	/* include/uapi/linux/if_arp.h */
	ARPHRD_ETHER_ = 1,
	/* include/uapi/linux/netlink.h */
	NETLINK_ROUTE_ = 0,
	/* include/linux/socket.h, include/linux/net.h */
	AF_UNIX_ = 1, AF_NETLINK_ = 16,
	SOCK_STREAM_ = 1, SOCK_RAW_ = 3, SOCK_NONBLOCK_ = 04000, SOCK_CLOEXEC_ = 02000000,
	SCM_RIGHTS_ = 1,
	MSG_CTRUNC_ = 0x8, MSG_DONTWAIT_ = 0x40, MSG_NOSIGNAL_ = 0x4000, MSG_CMSG_CLOEXEC_ = 0x40000000,
	/* include/uapi/asm-generic/socket.h */
	SOL_SOCKET_ = 1, SO_PEERCRED_ = 17
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
		struct { u16 family; u8 data[14]; } hwaddr;
		u8 pad[24];
	} u;
};

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
struct cmsghdr { size length; int level, type; };
struct ucred { int pid; u32 uid, gid; };
struct sockaddr_un { u16 family; char path[108]; };
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
