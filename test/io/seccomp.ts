/** Makes the kernel refuse system calls of a child program (seccomp(2)). */

const isX64 = process.arch === "x64";

/** System call numbers of this architecture. */
export const numbers: Readonly<
  Record<"io_setup" | "io_submit" | "recvfrom" | "epoll_ctl" | "write" | "fcntl" | "pipe2" | "clone" | "clone3", number>
> = {
  io_setup: isX64 ? 206 : 0,
  io_submit: isX64 ? 209 : 2,
  recvfrom: isX64 ? 45 : 207,
  epoll_ctl: isX64 ? 233 : 21,
  write: isX64 ? 1 : 64,
  fcntl: isX64 ? 72 : 25,
  pipe2: isX64 ? 293 : 59,
  clone: isX64 ? 56 : 220,
  clone3: 435,
};

/** errno values. */
export const ENOMEM = 12;
export const EAGAIN = 11;
export const EMFILE = 24;

/**
 * Source text that makes one system call fail with an errno, in this thread and
 * those to come; with `value`, only where an argument has that value: the second, or the one of that `index` from 0 on.
 */
export function refuse(systemCall: number, errno: number, value?: number, index = 1): string {
  // Classic BPF, struct sock_filter { u16 code; u8 jt, jf; u32 k }: load seccomp_data.nr; if it is the one, its errno.
  const result = 0x0005_0000 | errno;
  const code =
    value === undefined
      ? [0x20, 0, 0x0100_0015, systemCall, 0x06, result, 0x06, 0x7fff_0000]
      : // … and seccomp_data.args[index]; args begin at 16.
        [0x20, 0, 0x0300_0015, systemCall, 0x20, 16 + 8 * index, 0x0100_0015, value, 0x06, result, 0x06, 0x7fff_0000];
  return `{
    const { dlopen, ptr } = require("bun:ffi");
    const { symbols } = dlopen("libc.so.6", {
      prctl: { args: ["i32", "u64", "u64", "u64", "u64"], returns: "i32" },
    });
    const code = new Uint32Array(${JSON.stringify(code)});
    const program = new BigUint64Array([${code.length / 2}n, BigInt(ptr(code))]);
    if (symbols.prctl(38, 1, 0, 0, 0) !== 0) throw new Error("PR_SET_NO_NEW_PRIVS");
    if (symbols.prctl(22, 2, ptr(program), 0, 0) !== 0) throw new Error("PR_SET_SECCOMP");
  }`;
}
