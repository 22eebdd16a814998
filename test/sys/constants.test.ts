/** Every number of the kernel's interface, and every layout, against this system's own C headers. */
import { describe, expect, test } from "bun:test";
import { existsSync } from "node:fs";
import * as netlink from "../../src/netlink/constants.ts";
import * as sys from "../../src/sys/constants.ts";
import { source as shim } from "../../src/sys/source.ts";
import { describeUnless } from "../support/privilege.ts";
import { runToEnd, top } from "../support/programs.ts";

const headers = [
  "errno.h",
  "fcntl.h",
  "poll.h",
  "signal.h",
  "stddef.h",
  "stdio.h",
  "sys/epoll.h",
  "sys/eventfd.h",
  "sys/socket.h",
  "sys/syscall.h",
  "sys/uio.h",
  "sys/un.h",
  "linux/aio_abi.h",
  "linux/capability.h",
  "linux/filter.h",
  "linux/if.h",
  "linux/if_addr.h",
  "linux/if_arp.h",
  "linux/if_ether.h",
  "linux/if_link.h",
  "linux/if_tun.h",
  "linux/memfd.h",
  "linux/netlink.h",
  "linux/rtnetlink.h",
  "linux/sched.h",
  "linux/sockios.h",
  "linux/virtio_net.h",
];

/** Names that no header for users has as they are, and what stands for them. */
const unlisted: Readonly<Record<string, string>> = {
  // As an int it has the upper bits too; types of attributes have 16.
  NLA_TYPE_MASK: "NLA_TYPE_MASK & 0xffff",
  // Since Linux 6.2.
  VIRTIO_NET_HDR_GSO_UDP_L4: "5",
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

const preamble = `#define _GNU_SOURCE\n${headers.map((header) => `#include <${header}>`).join("\n")}\n`;

type Numbers = readonly (readonly [name: string, value: number])[];

/** The names whose numbers the headers do not confirm; needs one run of the compiler. */
function wrong(numbers: Numbers): string[] {
  const asserts = numbers.map(([name, value]) => {
    const expression = Object.hasOwn(unlisted, name) ? unlisted[name] : name;
    return `_Static_assert((long long)(${expression}) == ${value}LL, "differs: ${name}");`;
  });
  const { exitCode, stderr } = compile(preamble + asserts.join("\n"), ["-fsyntax-only"]);
  const names = [...stderr.matchAll(/differs: (\w+)|'(\w+)' undeclared/g)].map(([, a, b]) => a ?? b ?? "");
  if (exitCode !== 0 && names.length === 0) throw new Error(stderr);
  return [...new Set(names)].sort();
}

function compile(source: string, flags: readonly string[]): { exitCode: number; stderr: string } {
  const { exitCode, stderr } = Bun.spawnSync(["gcc", "-std=c11", "-w", ...flags, "-x", "c", "-"], {
    stdin: new TextEncoder().encode(source),
    // For the plain quotation marks in its messages.
    env: { ...process.env, LC_ALL: "C" },
  });
  return { exitCode, stderr: stderr.toString() };
}

/** What a C program prints. */
function printed(source: string): string {
  const program = `${process.env["TMPDIR"] ?? "/tmp"}/bun-tuntap-layout-${process.pid}`;
  try {
    expect(compile(source, ["-o", program, "-ldl"])).toEqual({ exitCode: 0, stderr: "" });
    return runToEnd([program]).stdout;
  } finally {
    if (existsSync(program)) process.getBuiltinModule("node:fs").unlinkSync(program);
  }
}

/** "0x400454CA", "02000000" (octal), "16". */
function number(text: string): number {
  return /^0[0-7]+$/.test(text) ? Number.parseInt(text, 8) : Number(text);
}

/** The numbers of the comment tables at the tops of the files of native/. */
function shimNumbers(): Numbers {
  const comments = [...shim.matchAll(/\* Numbers\b(.*?)\*\//gs)].map(([, text]) => text).join("\n");
  const rows = [...comments.matchAll(/\b([A-Z][A-Z0-9_]{3,})\s+(0x[0-9A-F]+|\d+)/g)];
  return rows.map(([, name = "", value = ""]) => [name, number(value)]);
}

const reason =
  Bun.which("gcc") === null ||
  !headers.every((header) => compile(`#include <${header}>`, ["-fsyntax-only"]).exitCode === 0)
    ? "needs gcc and the headers of libc and Linux: `apt-get install gcc libc6-dev linux-libc-dev`"
    : undefined;

describeUnless(reason, "the constants of", () => {
  test.each([
    ["src/sys/constants.ts", sys],
    ["src/netlink/constants.ts", netlink],
  ] as const)("%s are the headers' own", (_file, module) => {
    const numbers = Object.entries(module) as unknown as Numbers;
    expect(numbers.length).toBeGreaterThan(30);
    expect(wrong(numbers)).toEqual([]);
  });

  test("native/'s tables are the headers' own", () => {
    const numbers = shimNumbers().map(([name, value]): [string, number] => [
      // A table writes "EPOLL_CTL_ADD 1, DEL 2, MOD 3".
      name === "EPOLL_CLOEXEC" || !/^(DEL|MOD)$/.test(name) ? name : `EPOLL_CTL_${name}`,
      value,
    ]);
    expect(numbers.length).toBeGreaterThan(25);
    expect(wrong(numbers)).toEqual([]);
  });

  test("native/'s system calls are those of this architecture", () => {
    const condition = process.arch === "x64" ? "#if defined\\(__x86_64__\\)" : "#el(?:if defined\\(__aarch64__\\)|se)";
    const lines = [...shim.matchAll(new RegExp(`${condition}\\nenum \\{([^}]*)\\}`, "g"))].map(([, line]) => line);
    const numbers = [...lines.join(",").matchAll(/NR_(\w+) = (\d+)/g)].map(([, name, value]): [string, number] => [
      `SYS_${name}`,
      Number(value),
    ]);
    const transfers = ["read", "write", "readv", "writev"];
    const names = [
      ...transfers,
      "fstat",
      "clone",
      "exit",
      "wait4",
      "io_setup",
      "io_destroy",
      "io_getevents",
      "io_submit",
    ];
    expect(numbers.map(([name]) => name)).toEqual(names.map((name) => `SYS_${name}`));
    expect(wrong(numbers)).toEqual([]);
  });

  test("this test, if they were wrong, would be noticed by it", () => {
    expect(wrong([["IFF_TUN", 1]])).toEqual([]);
    expect(
      wrong([
        ["IFF_TUN", 2],
        ["RTM_NEWLINK", 17],
        ["NO_SUCH_NAME", 1],
        ["TUN_PI_LEN", 5],
      ]),
    ).toEqual(["IFF_TUN", "NO_SUCH_NAME", "RTM_NEWLINK", "TUN_PI_LEN"]);
  });
});

describe("native/", () => {
  test("uses no ioctl number that its table lacks", () => {
    const known = new Set(shimNumbers().map(([, value]) => value));
    const used = [...shim.matchAll(/sys_ioctl\(fd, (0x[0-9A-F]+)/g)].map(([, value]) => Number(value));
    expect(used.length).toBeGreaterThan(10);
    expect(used.filter((value) => !known.has(value))).toEqual([]);
    expect(new Set(used).size).toBe(used.length);
  });
});

/** Structs of native/: own name of each field, and the headers'. */
const layouts: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  ifreq: {
    name: "ifr_name",
    "u.flags": "ifr_flags",
    "u.hwaddr.family": "ifr_hwaddr.sa_family",
    "u.hwaddr.data": "ifr_hwaddr.sa_data",
  },
  epoll_event: { events: "events", data: "data" },
  pollfd: { fd: "fd", events: "events", revents: "revents" },
  iovec: { base: "iov_base", length: "iov_len" },
  sock_fprog: { len: "len", filter: "filter" },
  sockaddr_un: { family: "sun_family", path: "sun_path" },
  sockaddr_nl: { family: "nl_family", pid: "nl_pid", groups: "nl_groups" },
  ucred: { pid: "pid", uid: "uid", gid: "gid" },
  msghdr: {
    name: "msg_name",
    name_length: "msg_namelen",
    iov: "msg_iov",
    iov_length: "msg_iovlen",
    control: "msg_control",
    control_length: "msg_controllen",
    flags: "msg_flags",
  },
  io_event: { data: "data", obj: "obj", res: "res", res2: "res2" },
  iocb: {
    data: "aio_data",
    key: "aio_key",
    rw_flags: "aio_rw_flags",
    opcode: "aio_lio_opcode",
    priority: "aio_reqprio",
    fd: "aio_fildes",
    buf: "aio_buf",
    nbytes: "aio_nbytes",
    offset: "aio_offset",
    flags: "aio_flags",
    resfd: "aio_resfd",
  },
};

describeUnless(reason, "the layout of", () => {
  function program(start: string, field: (own: string, theirs: string) => string): string {
    const lines = Object.entries(layouts).flatMap(([struct, fields]) => [
      `printf("${struct} %zu", sizeof(struct ${struct}));`,
      ...Object.entries(fields).map(([own, theirs]) => {
        const name = field(own, theirs);
        return `printf(" ${own} %zu+%zu", __builtin_offsetof(struct ${struct}, ${name}), sizeof(((struct ${struct} *)0)->${name}));`;
      }),
      `printf("\\n");`,
    ]);
    return `${start}\nint main(void) { ${lines.join("\n")} return 0; }`;
  }

  test("every struct of native/ is the headers' own", () => {
    const own = printed(program(`${shim}\nint printf(const char *, ...);`, (name) => name));
    const theirs = printed(program(preamble, (_own, name) => name));
    expect(own).toContain("iocb 64 data 0+8");
    expect(own).toBe(theirs);
  });

  test("every message of src/netlink is the headers' own", async () => {
    const local = async (file: string, name: string): Promise<number> => {
      const text = await Bun.file(`${top}/src/netlink/${file}`).text();
      return Number(new RegExp(`const ${name} = (\\d+);`).exec(text)?.[1]);
    };
    const sizes = {
      NLMSG_HDRLEN: await local("message.ts", "NLMSG_HDRLEN"),
      "sizeof(struct nlattr)": await local("message.ts", "NLA_HDRLEN"),
      "sizeof(struct ifinfomsg)": await local("link.ts", "IFINFOMSG_LEN"),
      "sizeof(struct ifaddrmsg)": await local("address.ts", "IFADDRMSG_LEN"),
      "offsetof(struct nlmsgerr, msg)": 4,
      "offsetof(struct nlmsghdr, nlmsg_type)": 4,
      "offsetof(struct nlmsghdr, nlmsg_flags)": 6,
      "offsetof(struct nlmsghdr, nlmsg_seq)": 8,
      "offsetof(struct ifinfomsg, ifi_index)": 4,
      "offsetof(struct ifinfomsg, ifi_flags)": 8,
      "offsetof(struct ifinfomsg, ifi_change)": 12,
      "offsetof(struct ifaddrmsg, ifa_prefixlen)": 1,
      "offsetof(struct ifaddrmsg, ifa_scope)": 3,
      "offsetof(struct ifaddrmsg, ifa_index)": 4,
      RT_SCOPE_UNIVERSE: 0,
      RT_SCOPE_SITE: 200,
      RT_SCOPE_LINK: 253,
      RT_SCOPE_HOST: 254,
      RT_SCOPE_NOWHERE: 255,
    };
    const counters = ["packets", "bytes", "errors", "dropped"].flatMap((name) => [`rx_${name}`, `tx_${name}`]);
    const numbers = [
      ...Object.entries(sizes),
      ...counters.map((name, i): [string, number] => [`offsetof(struct rtnl_link_stats64, ${name})`, 8 * i]),
    ];
    const asserts = numbers.map(([name, value]) => `_Static_assert(${name} == ${value}, "${name}");`);
    expect(compile(preamble + asserts.join("\n"), ["-fsyntax-only"])).toEqual({ exitCode: 0, stderr: "" });
  });
});
