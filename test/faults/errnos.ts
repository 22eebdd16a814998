/** What each kind of call plausibly fails with: the man pages' lists, and what the kernel's drivers return besides. */

/** include/uapi/asm-generic/errno-base.h and errno.h */
export const errnos = {
  EPERM: 1,
  ENOENT: 2,
  EINTR: 4,
  EIO: 5,
  E2BIG: 7,
  EBADF: 9,
  EAGAIN: 11,
  ENOMEM: 12,
  EACCES: 13,
  EFAULT: 14,
  EBUSY: 16,
  EEXIST: 17,
  ENODEV: 19,
  EINVAL: 22,
  ENFILE: 23,
  EMFILE: 24,
  ENOSPC: 28,
  EPIPE: 32,
  ENOSYS: 38,
  EBADFD: 77,
  EPROTONOSUPPORT: 93,
  ENOPROTOOPT: 92,
  EOPNOTSUPP: 95,
  EAFNOSUPPORT: 97,
  EADDRINUSE: 98,
  EADDRNOTAVAIL: 99,
  ENETUNREACH: 101,
  ECONNABORTED: 103,
  ECONNRESET: 104,
  ENOBUFS: 105,
  EHOSTUNREACH: 113,
  EMSGSIZE: 90,
  ETOOMANYREFS: 109,
  ECONNREFUSED: 111,
} as const;

export type Errno = keyof typeof errnos;

const fdsUsedUp: readonly Errno[] = ["EMFILE", "ENFILE", "ENOMEM"];
const noMemory: readonly Errno[] = ["ENOMEM", "ENOBUFS"];

const unreachable: readonly Errno[] = [
  "EPERM",
  "ENOBUFS",
  "ENOMEM",
  "ENETUNREACH",
  "EHOSTUNREACH",
  "EMSGSIZE",
  "EINVAL",
  "EIO",
  "EAGAIN",
];

/** By the name of the kind, or of its function. The first one is that of a failure that lasts. */
const plausible: Readonly<Record<string, readonly Errno[]>> = {
  open: [...fdsUsedUp, "ENOENT", "EACCES", "EPERM", "ENODEV", "EINTR"],
  close: ["EIO", "EINTR"],
  fcntl: ["EBADF", "EPERM"],
  "fcntl(F_DUPFD_CLOEXEC)": ["EMFILE"],
  pipe2: ["EMFILE", "ENFILE"],
  ioctl: ["ENOMEM", "EPERM", "EINVAL", "EBADFD", "EFAULT"],
  "ioctl(TUNSETIFF)": ["ENOMEM", "EPERM", "EINVAL", "EBUSY", "E2BIG", "EEXIST", "EBADFD"],
  "ioctl(TUNGETIFF)": ["EBADFD", "EBADF", "EFAULT"],
  "ioctl(SIOCGSKNS)": [...fdsUsedUp, "EPERM", "EOPNOTSUPP"],
  "ioctl(TUNGETDEVNETNS)": [...fdsUsedUp, "EPERM", "EINVAL", "EBADFD"],
  "ioctl(TUNATTACHFILTER)": ["ENOMEM", "EINVAL", "EPERM", "EBADFD"],
  socket: ["EMFILE", "ENFILE", ...noMemory, "EACCES", "EPERM", "EAFNOSUPPORT", "EPROTONOSUPPORT"],
  setsockopt: ["ENOMEM", "ENOPROTOOPT", "EPERM"],
  getsockopt: ["ENOBUFS", "ENOPROTOOPT"],
  getsockname: ["ENOBUFS"],
  recvmmsg: ["ENOMEM", "EAGAIN", "ECONNREFUSED", "EINTR"],
  sendmmsg: [...unreachable, "EINTR"],
  "sendmsg(UDP)": unreachable,
  "recvmsg(UDP)": ["ENOMEM", "EAGAIN", "ECONNREFUSED"],
  bind: ["ENOMEM", "EADDRINUSE", "EACCES", "EPERM"],
  listen: ["EADDRINUSE"],
  accept4: [...fdsUsedUp, "ENOBUFS", "EAGAIN", "ECONNABORTED", "EPERM", "EINTR"],
  connect: ["ECONNREFUSED", "EACCES", "ENOENT", "EAGAIN"],
  send: [...noMemory, "EPERM", "EINTR"],
  recv: [...noMemory, "EAGAIN", "EINTR"],
  sendmsg: [...noMemory, "ETOOMANYREFS", "EPERM", "EPIPE", "ECONNRESET", "EAGAIN", "EINTR"],
  recvmsg: ["ENOMEM", "ECONNRESET", "EAGAIN", "EINTR"],
  setns: ["EPERM", "EINVAL", "ENOMEM"],
  unshare: ["EPERM", "ENOSPC", "ENOMEM"],
  eventfd: fdsUsedUp,
  epoll_create1: fdsUsedUp,
  "epoll_ctl(EPOLL_CTL_ADD)": ["ENOMEM", "ENOSPC", "EEXIST"],
  "epoll_ctl(EPOLL_CTL_MOD)": ["ENOMEM", "ENOENT"],
  "epoll_ctl(EPOLL_CTL_DEL)": ["ENOENT", "EBADF"],
  epoll_wait: ["EINTR"],
  poll: ["EINTR", "ENOMEM"],
  fstat: ["ENOMEM", "EBADF"],
  io_setup: ["ENOMEM", "EAGAIN", "ENOSYS", "EPERM"],
  io_submit: ["ENOMEM", "EAGAIN", "EINVAL"],
  io_getevents: ["EINTR"],
  wait4: ["EINTR"],
  clone: ["EPERM", "ENOSPC", "EAGAIN"],
  pthread_create: ["EAGAIN", "EPERM"],
  realloc: ["ENOMEM"],
  read: ["EIO", "ENOMEM", "EFAULT", "EBADFD", "EAGAIN"],
  readv: ["EIO", "ENOMEM", "EFAULT", "EBADFD", "EAGAIN"],
  write: ["EIO", "ENOMEM", "EINVAL", "EFAULT", "EBADFD", "ENOBUFS", "EAGAIN"],
  writev: ["EIO", "ENOMEM", "EINVAL", "EFAULT", "EBADFD", "ENOBUFS", "EAGAIN"],
  "read(eventfd)": ["EAGAIN"],
  // It fails only if a number would grow beyond 64 bits, or if it is no eventfd.
  "write(eventfd)": [],
  // Signals alone interrupt it, and all are blocked in the thread that reads it (fs/pipe.c, pipe_read()).
  "read(pipe)": [],
  "write(pipe)": ["EPIPE", "ENOMEM", "EAGAIN"],
  rtnetlink: ["ENOMEM", "EPERM", "EBUSY", "EINVAL", "ENODEV", "EOPNOTSUPP"],
  "rtnetlink(RTM_NEWADDR)": ["ENOMEM", "EPERM", "EEXIST", "EACCES", "ENODEV", "EADDRNOTAVAIL"],
  "rtnetlink(RTM_NEWROUTE)": ["ENOMEM", "EPERM", "EEXIST", "ENETUNREACH", "EINVAL"],
};

/** @throws {Error} for a kind that has no line yet */
export function plausibleErrnos(kind: string): readonly Errno[] {
  const found = plausible[kind] ?? plausible[kind.replace(/\(.*/, "")];
  if (found === undefined) throw new Error(`Which errnos does ${kind} fail with? Add it to errnos.ts`);
  return found;
}
