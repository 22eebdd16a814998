/**
 * Numbers of the kernel's interface, each under its kernel name. The ioctl
 * numbers themselves are in `native/kernel.c`.
 */

// include/uapi/linux/if_tun.h
export const IFF_TUN = 0x0001;
export const IFF_TAP = 0x0002;
export const IFF_MULTI_QUEUE = 0x0100;
export const IFF_ATTACH_QUEUE = 0x0200;
export const IFF_DETACH_QUEUE = 0x0400;
export const IFF_PERSIST = 0x0800;
export const IFF_NO_PI = 0x1000;
export const IFF_VNET_HDR = 0x4000;
export const IFF_TUN_EXCL = 0x8000;
export const TUN_FLT_ALLMULTI = 0x0001;

// include/uapi/linux/if.h
export const IFNAMSIZ = 16;
export const IFF_UP = 0x1;
export const IFF_PROMISC = 0x100;
export const IFF_ALLMULTI = 0x200;
export const IFF_MULTICAST = 0x1000;

// include/uapi/linux/if_ether.h
export const ETH_ALEN = 6;
export const ETH_HLEN = 14;
export const ETH_DATA_LEN = 1500;
export const VLAN_HLEN = 4;
export const ETH_MIN_MTU = 68;
export const ETH_MAX_MTU = 0xffff;

/** The MTU below which the kernel takes IPv6 off an interface: include/uapi/linux/ipv6.h, RFC 8200 section 5. */
export const IPV6_MIN_MTU = 1280;

/** `struct virtio_net_hdr`, include/uapi/linux/virtio_net.h: what an interface begins with. */
export const VNET_HDR_LEN = 10;

/** `struct tun_pi`, include/uapi/linux/if_tun.h. */
export const TUN_PI_LEN = 4;

// include/uapi/asm-generic/errno-base.h, errno.h
export const EPERM = 1;
export const ENOENT = 2;
export const EINTR = 4;
export const EIO = 5;
export const ENXIO = 6;
export const EBADF = 9;
export const EAGAIN = 11;
export const ENOMEM = 12;
export const EACCES = 13;
export const EFAULT = 14;
export const EBUSY = 16;
export const EEXIST = 17;
export const ENODEV = 19;
export const EINVAL = 22;
export const ENOTTY = 25;
export const EMFILE = 24;
export const EPIPE = 32;
export const EBADFD = 77;
export const ENOTSOCK = 88;
export const EMSGSIZE = 90;
export const EAFNOSUPPORT = 97;
export const EADDRINUSE = 98;
export const EADDRNOTAVAIL = 99;
export const ENETUNREACH = 101;
export const ECONNRESET = 104;
export const ENOBUFS = 105;
export const EHOSTUNREACH = 113;

// include/uapi/linux/eventpoll.h
export const EPOLL_CTL_ADD = 1;
export const EPOLL_CTL_DEL = 2;
export const EPOLL_CTL_MOD = 3;
export const EPOLLIN = 0x001;
export const EPOLLPRI = 0x002;
export const EPOLLOUT = 0x004;
export const EPOLLERR = 0x008;
export const EPOLLHUP = 0x010;
export const EPOLLET = 0x8000_0000;

// include/uapi/asm-generic/fcntl.h
export const O_RDONLY = 0;
export const O_RDWR = 0o2;
export const O_NONBLOCK = 0o4000;
export const O_PATH = 0o10000000;
export const F_GETFD = 1;
export const F_SETFD = 2;
export const F_GETFL = 3;
export const F_SETFL = 4;
export const FD_CLOEXEC = 1;

// include/uapi/linux/memfd.h
export const MFD_CLOEXEC = 0x1;

/** arch/x86/entry/syscalls/syscall_64.tbl, include/uapi/asm-generic/unistd.h */
export const SYS_memfd_create: number = isX64() ? 319 : 279;

// include/linux/socket.h
export const AF_INET = 2;
export const AF_INET6 = 10;
export const SOL_IP = 0;
export const SOL_UDP = 17;
export const SOL_IPV6 = 41;

// include/uapi/linux/in.h, in6.h
export const IP_PKTINFO = 8;
export const IP_RECVTOS = 13;
export const IPV6_V6ONLY = 26;
export const IPV6_RECVPKTINFO = 49;
export const IPV6_RECVTCLASS = 66;

// include/uapi/linux/udp.h
export const UDP_SEGMENT = 103;
export const UDP_GRO = 104;

// include/uapi/asm-generic/socket.h
export const SOL_SOCKET = 1;
export const SO_SNDBUF = 7;
export const SO_RCVBUF = 8;
export const SO_REUSEPORT = 15;
export const SO_SNDBUFFORCE = 32;
export const SO_MARK = 36;
export const SO_RXQ_OVFL = 40;
export const SO_RCVBUFFORCE = 33;

// include/uapi/linux/if_tun.h, further flags that TUNGETFEATURES tells of
export const IFF_NAPI = 0x0010;
export const IFF_NAPI_FRAGS = 0x0020;
export const IFF_NO_CARRIER = 0x0040;
export const IFF_BACKPRESSURE = 0x0080;
export const IFF_ONE_QUEUE = 0x2000;

// include/uapi/linux/if_tun.h, what TUNSETOFFLOAD takes
export const TUN_F_CSUM = 0x01;
export const TUN_F_TSO4 = 0x02;
export const TUN_F_TSO6 = 0x04;
export const TUN_F_TSO_ECN = 0x08;
export const TUN_F_UFO = 0x10;
export const TUN_F_USO4 = 0x20;
export const TUN_F_USO6 = 0x40;
export const TUN_F_UDP_TUNNEL_GSO = 0x080;
export const TUN_F_UDP_TUNNEL_GSO_CSUM = 0x100;

// include/uapi/linux/capability.h
export const CAP_NET_ADMIN = 12;
export const CAP_SYS_ADMIN = 21;

/** Tells whether this is x86-64. A browser, which can import this library, has no `process`. */
function isX64(): boolean {
  return "process" in globalThis && process.arch === "x64";
}
