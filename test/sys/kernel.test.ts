/** The kernel's numbers and layouts in native/, compiled together with the real headers. */
import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { describeUnless } from "../support/privilege.ts";
import { top } from "../support/programs.ts";
import { source as shim } from "../support/shim.ts";
import { type Claim, headersMissing, isNumber, preamble, printed, refuted } from "./headers.ts";

/** Fields of the structs of native/kernel.c: their names in it, and in the headers. */
const layouts: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  ifreq: {
    name: "ifr_name",
    "u.flags": "ifr_flags",
    "u.index": "ifr_ifindex",
    "u.hwaddr.family": "ifr_hwaddr.sa_family",
    "u.hwaddr.data": "ifr_hwaddr.sa_data",
  },
  epoll_event: { events: "events", data: "data" },
  pollfd: { fd: "fd", events: "events", revents: "revents" },
  iovec: { base: "iov_base", length: "iov_len" },
  sock_fprog: { len: "len", filter: "filter" },
  sockaddr_un: { family: "sun_family", path: "sun_path" },
  itimerspec: {
    interval_seconds: "it_interval.tv_sec",
    interval_nanoseconds: "it_interval.tv_nsec",
    seconds: "it_value.tv_sec",
    nanoseconds: "it_value.tv_nsec",
  },
  sockaddr_nl: { family: "nl_family", pid: "nl_pid", groups: "nl_groups" },
  ucred: { pid: "pid", uid: "uid", gid: "gid" },
  cmsghdr: { length: "cmsg_len", level: "cmsg_level", type: "cmsg_type" },
  msghdr: {
    name: "msg_name",
    name_length: "msg_namelen",
    iov: "msg_iov",
    iov_length: "msg_iovlen",
    control: "msg_control",
    control_length: "msg_controllen",
    flags: "msg_flags",
  },
  mmsghdr: { header: "msg_hdr", length: "msg_len" },
  sockaddr_in: { family: "sin_family", port: "sin_port", address: "sin_addr" },
  sockaddr_in6: {
    family: "sin6_family",
    port: "sin6_port",
    flow: "sin6_flowinfo",
    address: "sin6_addr",
    scope: "sin6_scope_id",
  },
  in_pktinfo: { index: "ipi_ifindex", source: "ipi_spec_dst", destination: "ipi_addr" },
  in6_pktinfo: { address: "ipi6_addr", index: "ipi6_ifindex" },
  virtio_net_hdr: {
    flags: "flags",
    gso_type: "gso_type",
    hdr_len: "hdr_len",
    gso_size: "gso_size",
    csum_start: "csum_start",
    csum_offset: "csum_offset",
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

/** The ioctl that each function of native/ is to ask for. */
const ioctls: Readonly<Record<string, string>> = {
  tun_set_iff: "TUNSETIFF",
  tun_get_iff: "TUNGETIFF",
  tun_get_features: "TUNGETFEATURES",
  tun_set_persist: "TUNSETPERSIST",
  tun_set_owner: "TUNSETOWNER",
  tun_set_group: "TUNSETGROUP",
  tun_set_offload: "TUNSETOFFLOAD",
  tun_set_vnet_header_size: "TUNSETVNETHDRSZ",
  tun_get_vnet_header_size: "TUNGETVNETHDRSZ",
  tun_set_queue: "TUNSETQUEUE",
  tun_set_steering: "TUNSETSTEERINGEBPF",
  tun_set_carrier: "TUNSETCARRIER",
  tun_set_sndbuf: "TUNSETSNDBUF",
  tun_get_sndbuf: "TUNGETSNDBUF",
  tun_get_dev_netns: "TUNGETDEVNETNS",
  tun_get_hwaddr: "SIOCGIFHWADDR",
  tun_set_hwaddr: "SIOCSIFHWADDR",
  tun_set_tx_filter: "TUNSETTXFILTER",
  tun_attach_filter: "TUNATTACHFILTER",
  tun_detach_filter: "TUNDETACHFILTER",
  loopback_up: "SIOCSIFFLAGS",
  sock_get_netns: "SIOCGSKNS",
  un_unreceived: "SIOCOUTQ",
  sock_get_interface_index: "SIOCGIFINDEX",
  sock_get_interface_name: "SIOCGIFNAME",
};

/** The structs that native/ shares with the headers, under other names, so that both can be in one program. */
function apart(source: string): string {
  return Object.keys(layouts)
    .map((name) => `#define ${name} shim_${name}\n`)
    .concat(source)
    .concat(Object.keys(layouts).map((name) => `\n#undef ${name}`))
    .join("");
}

/** Enumerators of `source` that stand for a number of the kernel: those that end in "_", and the system calls. */
function kernelNumbers(source: string): string[] {
  const names = source.matchAll(/\b(NR_\w+|[A-Z_][A-Z0-9_]*_) = /g);
  return [...new Set([...names].map(([, name]) => name as string))];
}

function numberClaims(source: string): Claim[] {
  return kernelNumbers(source).map((name) =>
    name.startsWith("NR_") ? isNumber(name.replace("NR_", "SYS_"), name) : isNumber(name.slice(0, -1), name),
  );
}

function layoutClaims(): Claim[] {
  return Object.entries(layouts).flatMap(([struct, fields]) => {
    const [own, theirs] = [`struct shim_${struct}`, `struct ${struct}`];
    return [
      { label: struct, own: `sizeof(${own})`, theirs: `sizeof(${theirs})` },
      ...Object.entries(fields).flatMap(([field, header]) => [
        {
          label: `${struct} ${field}`,
          own: `__builtin_offsetof(${own}, ${field})`,
          theirs: `__builtin_offsetof(${theirs}, ${header})`,
        },
        {
          label: `${struct} ${field}`,
          own: `sizeof(((${own} *)0)->${field})`,
          theirs: `sizeof(((${theirs} *)0)->${header})`,
        },
      ]),
    ];
  });
}

function wrongNumbers(source: string): string[] {
  return refuted(preamble + apart(source), numberClaims(source));
}

function wrongLayouts(source: string): string[] {
  return refuted(preamble + apart(source), layoutClaims());
}

/** `source` with the values of two enumerators exchanged. */
function swapped(source: string, one: string, other: string): string {
  const value = (name: string): string => new RegExp(`\\b${name} = (\\w+)`).exec(source)?.[1] ?? "";
  const [first, second] = [value(one), value(other)];
  return source
    .replace(`${one} = ${first}`, `${one} = ${second}`)
    .replace(`${other} = ${second}`, `${other} = ${first}`);
}

const labelsOf = (claims: readonly Claim[]): string[] => [...new Set(claims.map(({ label }) => label))].sort();

describeUnless(headersMissing(), "native/ and the kernel's headers", () => {
  test("agree on every number", () => {
    expect(kernelNumbers(shim).length).toBeGreaterThan(50);
    expect(wrongNumbers(shim)).toEqual([]);
  });

  test("disagree on two ioctls whose numbers are exchanged", () => {
    expect(wrongNumbers(swapped(shim, "TUNSETOWNER_", "TUNSETGROUP_"))).toEqual(["TUNSETGROUP", "TUNSETOWNER"]);
  });

  test("disagree on every number that is one more", () => {
    const increased = shim.replace(/\b((?:NR_\w+|[A-Z_][A-Z0-9_]*_) = \w+)/g, "$1 + 1");
    expect(wrongNumbers(increased)).toEqual(labelsOf(numberClaims(shim)));
  });

  test("agree on every layout", () => {
    expect(wrongLayouts(shim)).toEqual([]);
  });

  test("disagree on every layout with 16 bytes more in front", () => {
    const shifted = Object.keys(layouts).reduce(
      (source, struct) => source.replace(new RegExp(`(\\b${struct} \\{)`), "$1 u64 in_front[2];"),
      shim,
    );
    expect(wrongLayouts(shifted)).toEqual(labelsOf(layoutClaims()));
  });

  test("agree on the ioctl that each function asks for", () => {
    const calls = Object.keys(ioctls).map((name) => {
      const parameters = new RegExp(`EXPORT\\(${name}, "([^"]*)"\\)`).exec(shim)?.[1]?.split(" ") ?? [];
      return `${name}(${parameters.map((kind) => (kind === "ptr" ? "bytes" : "0")).join()}); printf("${name} %lx\\n", asked);`;
    });
    const asked = printed(`${preamble}#include <stdio.h>\n${apart(shim)}
      static unsigned long asked;
      static int ask(int fd, unsigned long request, ...) { asked = request; return 0; }
      static char bytes[4096];
      int main(void) { sys_ioctl = ask; ${calls.join("\n")} return 0; }`);
    const wanted = printed(
      `${preamble}#include <stdio.h>\nint main(void) {
      ${Object.entries(ioctls).map(([name, ioctl]) => `printf("${name} %lx\\n", (unsigned long)(unsigned)${ioctl});`)}
      return 0; }`.replaceAll(";,", ";"),
    );
    expect(asked).toBe(wanted);
  });

  test.if(process.arch === "x64")("agree on the system calls of arm64", () => {
    // The list that architectures without one of their own share; arch/arm64/include/uapi/asm/unistd.h asks for these parts.
    const generic = `#define __ARCH_WANT_NEW_STAT\n#include <asm-generic/unistd.h>\n#undef __x86_64__\n#define __aarch64__\n`;
    const names = kernelNumbers(shim).filter((name) => name.startsWith("NR_"));
    const claims = names.map((name) => ({ label: name, own: name, theirs: `__${name}` }));
    expect(names.length).toBeGreaterThan(10);
    expect(refuted(generic + shim, claims)).toEqual([]);
    const wrong = shim.replace("NR_read = 63", "NR_read = 64").replace("NR_exit = 93", "NR_exit = 94");
    expect(refuted(generic + wrong, claims)).toEqual(["NR_exit", "NR_read"]);
  });
});

describe("native/kernel.c", () => {
  test("has no struct whose layout is not compared", () => {
    const kernel = readFileSync(`${top}/native/kernel.c`, "utf8");
    const structs = [...kernel.matchAll(/^struct (?:__attribute__\(\(packed\)\) )?(\w+) \{/gm)].map(([, name]) => name);
    expect([...new Set(structs)].sort()).toEqual(Object.keys(layouts).sort());
  });

  test("has the number of every ioctl that is used, each by one function", () => {
    const used = [...shim.matchAll(/\bsys_ioctl\(\w+, (\w+)/g)].map(([, request]) => request as string);
    expect(used.sort()).toEqual(
      Object.values(ioctls)
        .map((name) => `${name}_`)
        .sort(),
    );
  });
});
