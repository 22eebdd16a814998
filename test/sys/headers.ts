/** This system's own C headers, and the compiler that holds numbers and layouts against them. */
import { runToEnd } from "../support/programs.ts";

const headers = [
  "errno.h",
  "fcntl.h",
  "netinet/in.h",
  "poll.h",
  "signal.h",
  "stddef.h",
  "sys/epoll.h",
  "sys/eventfd.h",
  "sys/ioctl.h",
  "sys/socket.h",
  "sys/syscall.h",
  "sys/timerfd.h",
  "sys/uio.h",
  "sys/un.h",
  "linux/aio_abi.h",
  "linux/capability.h",
  "linux/fib_rules.h",
  "linux/filter.h",
  "linux/if.h",
  "linux/if_addr.h",
  "linux/if_arp.h",
  "linux/if_ether.h",
  "linux/if_link.h",
  "linux/if_tun.h",
  "linux/ipv6.h",
  "linux/memfd.h",
  "linux/netlink.h",
  "linux/rtnetlink.h",
  "linux/sched.h",
  "linux/sockios.h",
  "linux/udp.h",
  "linux/virtio_net.h",
  "linux/wait.h",
];

/** Expressions for names that user-space headers lack, or had not when this was written. */
const unlisted: Readonly<Record<string, string>> = {
  // As an int it has the upper bits too; types of attributes have 16.
  NLA_TYPE_MASK: "NLA_TYPE_MASK & 0xffff",
  // Since Linux 6.2.
  VIRTIO_NET_HDR_GSO_UDP_L4: "5",
  // In libc's netinet/udp.h, which cannot be included with the kernel's.
  SOL_UDP: "IPPROTO_UDP",
  VNET_HDR_LEN: "sizeof(struct virtio_net_hdr)",
  TUN_PI_LEN: "sizeof(struct tun_pi)",
  // include/linux/if_vlan.h is the kernel's own: a tag is two 16-bit fields (IEEE 802.1Q).
  VLAN_HLEN: "2 * sizeof(__be16)",
  // Headers have them since Linux 6.2, 6.17 and (IFF_BACKPRESSURE) 7.2; many machines have older ones.
  TUN_F_USO4: "TUN_F_UFO << 1",
  TUN_F_USO6: "TUN_F_UFO << 2",
  TUN_F_UDP_TUNNEL_GSO: "TUN_F_UFO << 3",
  TUN_F_UDP_TUNNEL_GSO_CSUM: "TUN_F_UFO << 4",
  IFF_BACKPRESSURE: "IFF_NO_CARRIER << 1",
};

/** Includes every header. */
export const preamble: string = `#define _GNU_SOURCE\n${headers.map((header) => `#include <${header}>`).join("\n")}\n`;

/** Why tests that need the headers cannot run here; undefined if they can. */
export function headersMissing(): string | undefined {
  if (Bun.which("gcc") !== null && compile(preamble, ["-fsyntax-only"]).exitCode === 0) return undefined;
  return "needs gcc and the headers of libc and Linux: `apt-get install gcc libc6-dev linux-libc-dev`";
}

/** Runs gcc over `source`. */
export function compile(source: string, flags: readonly string[]): { exitCode: number; stderr: string } {
  const { exitCode, stderr } = Bun.spawnSync(["gcc", "-std=c11", "-w", ...flags, "-x", "c", "-"], {
    stdin: new TextEncoder().encode(source),
    // For the plain quotation marks in its messages.
    env: { ...process.env, LC_ALL: "C" },
  });
  return { exitCode, stderr: stderr.toString() };
}

/** Compiles and runs a C program, and returns what it prints. */
export function printed(source: string): string {
  const program = `${process.env["TMPDIR"] ?? "/tmp"}/bun-tuntap-headers-${process.pid}`;
  try {
    const { exitCode, stderr } = compile(source, ["-o", program, "-ldl"]);
    if (exitCode !== 0) throw new Error(stderr);
    return runToEnd([program]).stdout;
  } finally {
    process.getBuiltinModule("node:fs").rmSync(program, { force: true });
  }
}

/** One thing that must hold: a C expression on each side, and the label that a failure is reported under. */
export interface Claim {
  readonly label: string;
  readonly own: string | number;
  readonly theirs: string;
}

/** Claims that a number is the one that the headers have under a name. */
export function isNumber(name: string, own: string | number = name): Claim {
  return { label: name, own, theirs: Object.hasOwn(unlisted, name) ? (unlisted[name] as string) : name };
}

/** The labels of the claims that the compiler refutes, each a `_Static_assert` on a line of its own behind `source`. */
export function refuted(source: string, claims: readonly Claim[]): string[] {
  const asserts = claims.map(
    ({ label, own, theirs }) => `_Static_assert((long long)(${own}) == (long long)(${theirs}), "${label}");\n`,
  );
  const { exitCode, stderr } = compile(`${source}\n#line 1 "claims"\n${asserts.join("")}`, ["-fsyntax-only"]);
  const labels = [...stderr.matchAll(/^claims:(\d+):\d+: error: /gm)].map(
    ([, line]) => claims[Number(line) - 1]?.label,
  );
  if (/^(?!claims:)\S+ (?:fatal )?error: /m.test(stderr) || (exitCode === 0) !== (labels.length === 0)) {
    throw new Error(stderr);
  }
  return [...new Set(labels as string[])].sort();
}
