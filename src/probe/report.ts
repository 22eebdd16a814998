/**
 * The types of a report. Every value survives `JSON.stringify()`; null stands for a fact that could not be found out.
 */

/** A report of what this machine, kernel and user can do, and what to do about what is missing. */
export interface ProbeReport extends ProbeFacts {
  /** Tells whether a TUN interface can be made here: `openTun()` without options works. */
  readonly ok: boolean;
  /** The facts in words, for people, the most important ones first. */
  readonly checks: readonly ProbeCheck[];
}

/** One line of the report. */
export interface ProbeCheck {
  /** A stable name: `"node"`, `"tun"`. */
  readonly id: string;
  /** The group under which it stands. */
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
  /** The command that started this program, as a shell takes it. */
  readonly command: string;
  /** Facts about Bun. */
  readonly bun: ProbedBun;
  /** Facts about the machine and its kernel. */
  readonly system: ProbedSystem;
  /** Facts about the C part. */
  readonly shim: ProbedShim;
  /** Facts about the user that the process runs as. */
  readonly user: ProbedUser;
  /** Facts about the clone device. */
  readonly node: ProbedNode;
  /** The trial of a TUN, which is removed again. */
  readonly tun: ProbeTrial;
  /** The trial of a TAP, which is removed again. */
  readonly tap: ProbeTrial;
  /** Persistent interfaces here that belong to this user or a group of theirs: to these `openTun({ name })` attaches without privilege. */
  readonly attachable: readonly string[];
  /**
   * Flags of the driver (TUNGETFEATURES) by their kernel names, `IFF_MULTI_QUEUE`; those without a name as `0x0008`.
   */
  readonly features: Readonly<Record<string, boolean>> | null;
  /** Offloads of the driver (TUNSETOFFLOAD) by their kernel names, `TUN_F_TSO4`. */
  readonly offloads: Readonly<Record<string, boolean>> | null;
  /** Facts about what wakes the event loop. */
  readonly waker: ProbedWaker;
  /** The trial of a socket to rtnetlink, over which interfaces are asked and changed. */
  readonly rtnetlink: ProbeTrial;
  /** Services that run here and may take over a new interface. */
  readonly networkManagers: readonly ("systemd-networkd" | "NetworkManager")[];
}

/** The result of a trial. */
export interface ProbeTrial {
  /** Tells whether it worked; null if it could not be tried. */
  readonly works: boolean | null;
  /** The failure, if it did not work. */
  readonly failure: ProbeFailure | null;
}

/** A `TunTapError` in the form of JSON. */
export interface ProbeFailure {
  /** `"EPERM"`, `"ERR_TUNTAP_NATIVE"` */
  readonly code: string;
  /** The message of the error, without the hint. */
  readonly message: string;
  /** The negative errno; null if no system call failed. */
  readonly errno: number | null;
  /** The system call that failed; null if none did. */
  readonly syscall: string | null;
  /** The hint: one sentence that says what to do. */
  readonly hint: string | null;
}

/** Facts about Bun. */
export interface ProbedBun {
  /** The version of this Bun. */
  readonly version: string;
  /** The lowest version that this library is tested with. */
  readonly minimum: string;
  /** Tells whether this version is high enough. */
  readonly supported: boolean;
}

/** Facts about the machine and its kernel. */
export interface ProbedSystem {
  /** `process.platform`: `"linux"`. */
  readonly platform: string;
  /** `process.arch`: `"x64"`, `"arm64"`. */
  readonly arch: string;
  /** The kernel's release, as `uname -r` has it. */
  readonly kernel: string;
  /** The C library that Bun is linked to. */
  readonly libc: "glibc" | "musl" | null;
  /** `"docker"`, `"podman"`, `"lxc"`, `"systemd-nspawn"`, `"kubernetes"`, …; null if none shows. */
  readonly container: string | null;
}

/** The C part, which Bun compiles when it is first used. */
export interface ProbedShim extends ProbeTrial {
  /** Milliseconds that compiling it took in this JavaScript thread. */
  readonly compileMs: number | null;
}

/** Facts about the user that the process runs as. */
export interface ProbedUser {
  /** The effective user id. */
  readonly uid: number | null;
  /** The effective capabilities, as far as they matter here. */
  readonly capabilities: {
    /** CAP_NET_ADMIN, which making interfaces takes. */
    readonly netAdmin: boolean;
    /** CAP_SYS_ADMIN, which entering another network namespace takes. */
    readonly sysAdmin: boolean;
  };
  /**
   * Tells whether the user has CAP_NET_ADMIN in the user namespace that owns this network namespace: only there it counts.
   */
  readonly netAdmin: ProbeTrial;
  /** Tells whether the process is in the first user namespace, where root is root of the machine. */
  readonly initialUserNamespace: boolean | null;
  /** The trial of making and entering a network namespace, which the `netns` option needs. */
  readonly networkNamespaces: ProbeTrial;
  /** The trial of a user namespace: the way to an interface without privilege, `unshare -Urn`. */
  readonly userNamespaces: ProbeTrial;
}

/** The clone device. */
export interface ProbedNode {
  /** The path that was looked at. */
  readonly path: string;
  /** The kind of file, `"character device"`; null if there is none. */
  readonly kind: string | null;
  /** The mode in octal: `"0666"`. */
  readonly mode: string | null;
  /** Major and minor number: `"10:200"`. */
  readonly device: string | null;
  /** Tells whether the TUN driver is there. */
  readonly driver: boolean | null;
  /** The trial of opening it for reading and writing. */
  readonly opening: ProbeTrial;
}

/** The waker, which tells the event loop that a frame has come. */
export interface ProbedWaker {
  /** `"aio"` is the kernel's AIO poll, `"thread"` the fallback. */
  readonly kind: "aio" | "thread" | null;
  /** Tells whether BUN_TUNTAP_WAKER names it. */
  readonly chosen: boolean;
  /** The reason why it is not AIO. */
  readonly failure: ProbeFailure | null;
}
