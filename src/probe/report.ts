/** The types of a report. Every value survives `JSON.stringify()`; null stands for what could not be found out. */

/** A report of what this machine, kernel and user can do, and what to do about what is missing. */
export interface ProbeReport extends ProbeFacts {
  /** A TUN interface can be made here: `openTun()` without options works. */
  readonly ok: boolean;
  /** The facts in words, for people, in the order in which they are worth reading. */
  readonly checks: readonly ProbeCheck[];
}

/** One line of the report. */
export interface ProbeCheck {
  /** Stable: `"node"`, `"tun"`. */
  readonly id: string;
  readonly group: ProbeGroup;
  /** A word or two. */
  readonly title: string;
  /**
   * `missing`: opening an interface needs it. `warning`: works, but something
   * is lost or may surprise. `skipped`: could not be tried.
   */
  readonly status: "ok" | "warning" | "missing" | "skipped";
  /** The finding. */
  readonly detail: string;
  /** One sentence: what to do about it. */
  readonly cure?: string;
}

/** Groups of checks. */
export type ProbeGroup = "machine" | "user" | "device" | "driver" | "neighbours";

/** The findings, for programs. */
export interface ProbeFacts {
  readonly bun: ProbedBun;
  readonly system: ProbedSystem;
  readonly shim: ProbedShim;
  readonly user: ProbedUser;
  readonly node: ProbedNode;
  /** A TUN was made, and is gone again. */
  readonly tun: ProbeTrial;
  /** A TAP was made, and is gone again. */
  readonly tap: ProbeTrial;
  /** Persistent interfaces here that belong to this user or a group of theirs: to these `openTun({ name })` attaches without privilege. */
  readonly attachable: readonly string[];
  /** TUNGETFEATURES: flags of the driver by their kernel names, `IFF_MULTI_QUEUE`; those without a name as `0x0008`. */
  readonly features: Readonly<Record<string, boolean>> | null;
  /** TUNSETOFFLOAD: what the driver takes, by kernel names, `TUN_F_TSO4`. */
  readonly offloads: Readonly<Record<string, boolean>> | null;
  readonly waker: ProbedWaker;
  /** A socket to rtnetlink can be opened, by which interfaces are asked about and set. */
  readonly rtnetlink: ProbeTrial;
  /** Services that run here and may take over a new interface. */
  readonly networkManagers: readonly ("systemd-networkd" | "NetworkManager")[];
}

/** Something that was tried. */
export interface ProbeTrial {
  /** null: it could not be tried. */
  readonly works: boolean | null;
  /** Why it does not. */
  readonly failure: ProbeFailure | null;
}

/** A `TunTapError`, as far as JSON can hold it. */
export interface ProbeFailure {
  /** `"EPERM"`, `"ERR_TUNTAP_NATIVE"` */
  readonly code: string;
  /** The message of the error, without the hint. */
  readonly message: string;
  /** Negative; null where no system call failed. */
  readonly errno: number | null;
  readonly syscall: string | null;
  /** One sentence: what to do. */
  readonly hint: string | null;
}

/** Facts about Bun. */
export interface ProbedBun {
  readonly version: string;
  /** The lowest version that this library is tested with. */
  readonly minimum: string;
  readonly supported: boolean;
}

/** Facts about the machine and its kernel. */
export interface ProbedSystem {
  readonly platform: string;
  readonly arch: string;
  /** The kernel's release, as `uname -r` has it. */
  readonly kernel: string;
  readonly libc: "glibc" | "musl" | null;
  /** `"docker"`, `"podman"`, `"lxc"`, `"systemd-nspawn"`, `"kubernetes"`, …; null: none that shows. */
  readonly container: string | null;
}

/** The C part, which Bun compiles when it is first used. */
export interface ProbedShim extends ProbeTrial {
  /** Milliseconds that compiling it took in this JavaScript thread. */
  readonly compileMs: number | null;
}

/** Facts about the user that the process runs as. */
export interface ProbedUser {
  /** Effective. */
  readonly uid: number | null;
  /** Effective capabilities of those that matter. */
  readonly capabilities: { readonly netAdmin: boolean; readonly sysAdmin: boolean };
  /** CAP_NET_ADMIN in the user namespace that owns this network namespace: there alone it counts. */
  readonly netAdmin: ProbeTrial;
  readonly initialUserNamespace: boolean | null;
  /** Network namespaces can be made, and entered: the `netns` option. */
  readonly networkNamespaces: ProbeTrial;
  /** User namespaces can be made: the way to an interface without privilege, `unshare -Urn`. */
  readonly userNamespaces: ProbeTrial;
}

/** The clone device. */
export interface ProbedNode {
  readonly path: string;
  /** The kind of file, `"character device"`; null if there is none. */
  readonly kind: string | null;
  /** Octal: `"0666"`. */
  readonly mode: string | null;
  /** Major and minor number: `"10:200"`. */
  readonly device: string | null;
  /** The TUN driver is there. */
  readonly driver: boolean | null;
  /** It opens for reading and writing. */
  readonly opening: ProbeTrial;
}

/** How the event loop learns that a frame has come. */
export interface ProbedWaker {
  /** `"aio"` is the kernel's AIO poll, `"thread"` the fallback. */
  readonly kind: "aio" | "thread" | null;
  /** BUN_TUNTAP_WAKER names it. */
  readonly chosen: boolean;
  /** Why it is not AIO. */
  readonly failure: ProbeFailure | null;
}
