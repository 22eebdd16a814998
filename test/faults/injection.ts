/** The other side of injection.c: which call is to fail, and what calls there were. */
import { ptr } from "bun:ffi";
import text from "./injection.c" with { type: "text" };

/** struct fault_plan, in 32-bit words. */
const FUNCTION = 0;
const DETAIL = 1;
const NTH = 2;
const ERROR = 3;
const STICKY = 4;
const FAILED = 5;
const COUNTING = 6;
const SPARED = 7;
const SPARED_MAX = 8;
const KINDS = SPARED + SPARED_MAX;
const KIND_WORDS = 3;
const KIND_MAX = 256;

// With a buffer of its own: a small array without one gets one later, and moves to it.
const plan: Int32Array = new Int32Array(new ArrayBuffer(4 * (KINDS + 1 + KIND_MAX * KIND_WORDS)));
plan.fill(-1, SPARED, SPARED + SPARED_MAX);

/** The shim's C with the injection around it. */
export function withInjection(shim: string): string {
  const [before = "", after = ""] = text.split(/^\/\* -{10,} \*\/$/m);
  const datagrams = shim.includes("transfer_many_now(") ? "#define HAS_DATAGRAMS\n" : "";
  return `#define FAULTS ${ptr(plan)}UL\n${datagrams}${before}\n${shim}\n${after}`;
}

/** A kind of call, as it is written in results: `ioctl(TUNSETIFF)`. */
export interface Kind {
  readonly name: string;
  readonly function: number;
  readonly detail: number;
}

/** One call that fails. */
export interface Fault {
  readonly kind: Kind;
  /** From 1 on. */
  readonly nth: number;
  readonly errno: number;
  /** True if all calls of the kind after it fail, too. */
  readonly sticky: boolean;
}

/** Counts calls from now on; `fault` says which is to fail. */
export function begin(fault?: Fault): void {
  plan[KINDS] = 0;
  plan[FAILED] = 0;
  plan[FUNCTION] = fault?.kind.function ?? 0;
  plan[DETAIL] = fault?.kind.detail ?? 0;
  plan[NTH] = fault?.nth ?? 0;
  plan[ERROR] = fault?.errno ?? 0;
  plan[STICKY] = fault?.sticky ? 1 : 0;
  plan[COUNTING] = 1;
}

/** Nothing fails any more. Returns how many calls have. */
export function end(): number {
  plan[COUNTING] = 0;
  plan[NTH] = 0;
  return plan[FAILED] ?? 0;
}

/** Calls are not counted, nor fail, until {@link resume}, which is given what this returns. */
export function suspend(): number {
  const was = plan[COUNTING] ?? 0;
  plan[COUNTING] = 0;
  return was;
}

export function resume(was: number): void {
  plan[COUNTING] = was;
}

/** Calls on these fds are left alone. */
export function spare(fds: readonly number[]): void {
  if (fds.length > SPARED_MAX) throw new RangeError(`At most ${SPARED_MAX} fds can be spared, got ${fds.length}`);
  plan.fill(-1, SPARED, SPARED + SPARED_MAX);
  plan.set(fds, SPARED);
}

/** The kinds of calls that there were since {@link begin}, and how many of each. */
export function counted(): { kind: Kind; count: number }[] {
  return Array.from({ length: plan[KINDS] ?? 0 }, (_, i) => {
    const [number = 0, detail = 0, count = 0] = plan.subarray(KINDS + 1 + i * KIND_WORDS);
    return { kind: { name: nameOf(number, detail), function: number, detail }, count };
  });
}

/** The functions of injection.c, in its order: the first has the number 1. */
const functions =
  "open close fcntl ioctl socket setsockopt getsockopt bind listen accept4 connect send recv sendmsg recvmsg setns unshare eventfd epoll_create1 epoll_ctl epoll_wait poll syscall pthread_create transfer rtnetlink realloc pipe2".split(
    " ",
  );

const arm = process.arch === "arm64";

/** What `detail` of each function means. */
const details: Readonly<Record<string, Readonly<Record<number, string>>>> = {
  // include/uapi/linux/if_tun.h, sockios.h
  ioctl: {
    1074025674: "TUNSETIFF",
    1074025675: "TUNSETPERSIST",
    1074025676: "TUNSETOWNER",
    1074025678: "TUNSETGROUP",
    [0x800454cf | 0]: "TUNGETFEATURES",
    1074025680: "TUNSETOFFLOAD",
    1074025681: "TUNSETTXFILTER",
    [0x800454d2 | 0]: "TUNGETIFF",
    1074025684: "TUNSETSNDBUF",
    1074812117: "TUNATTACHFILTER",
    1074812118: "TUNDETACHFILTER",
    [0x800454d7 | 0]: "TUNGETVNETHDRSZ",
    1074025688: "TUNSETVNETHDRSZ",
    1074025689: "TUNSETQUEUE",
    [0x800454e0 | 0]: "TUNSETSTEERINGEBPF",
    1074025698: "TUNSETCARRIER",
    21731: "TUNGETDEVNETNS",
    35111: "SIOCGIFHWADDR",
    35108: "SIOCSIFHWADDR",
    35148: "SIOCGSKNS",
    21521: "SIOCOUTQ",
  },
  fcntl: { 1: "F_GETFD", 2: "F_SETFD", 3: "F_GETFL", 4: "F_SETFL", 1030: "F_DUPFD_CLOEXEC" },
  socket: { 1: "AF_UNIX", 2: "AF_INET", 10: "AF_INET6", 16: "AF_NETLINK" },
  epoll_ctl: { 1: "EPOLL_CTL_ADD", 2: "EPOLL_CTL_DEL", 3: "EPOLL_CTL_MOD" },
  poll: { 0: "", 1: "the waiting thread" },
  // include/uapi/linux/rtnetlink.h
  rtnetlink: {
    16: "RTM_NEWLINK",
    17: "RTM_DELLINK",
    18: "RTM_GETLINK",
    20: "RTM_NEWADDR",
    21: "RTM_DELADDR",
    22: "RTM_GETADDR",
    24: "RTM_NEWROUTE",
    25: "RTM_DELROUTE",
    26: "RTM_GETROUTE",
    32: "RTM_NEWRULE",
    33: "RTM_DELRULE",
    34: "RTM_GETRULE",
  },
  syscall: arm
    ? {
        80: "fstat",
        0: "io_setup",
        1: "io_destroy",
        4: "io_getevents",
        2: "io_submit",
        220: "clone",
        260: "wait4",
        204: "getsockname",
        243: "recvmmsg",
        269: "sendmmsg",
      }
    : {
        5: "fstat",
        206: "io_setup",
        207: "io_destroy",
        208: "io_getevents",
        209: "io_submit",
        56: "clone",
        61: "wait4",
        51: "getsockname",
        299: "recvmmsg",
        307: "sendmmsg",
      },
  transfer: arm
    ? {
        63: "read",
        64: "write",
        65: "readv",
        66: "writev",
        211: "sendmsg(UDP)",
        212: "recvmsg(UDP)",
        243: "recvmmsg",
        269: "sendmmsg",
        4159: "read(eventfd)",
        4160: "write(eventfd)",
        8255: "read(pipe)",
        8256: "write(pipe)",
      }
    : {
        0: "read",
        1: "write",
        19: "readv",
        20: "writev",
        46: "sendmsg(UDP)",
        47: "recvmsg(UDP)",
        299: "recvmmsg",
        307: "sendmmsg",
        4096: "read(eventfd)",
        4097: "write(eventfd)",
        8192: "read(pipe)",
        8193: "write(pipe)",
      },
};

function nameOf(number: number, detail: number): string {
  const name = functions[number - 1] ?? `function ${number}`;
  const known = details[name]?.[detail];
  if (name === "syscall" || name === "transfer") return known ?? `${name} ${detail}`;
  return detail === 0 || known === "" ? name : `${name}(${known ?? `0x${(detail >>> 0).toString(16)}`})`;
}
