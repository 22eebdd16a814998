import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { type OpenRequest, openHint, type Surroundings } from "../../src/device/open-hints.ts";
import { checkName } from "../../src/interface/checks.ts";
import type { LinkInfo, TunInfo } from "../../src/netlink/link.ts";
import { isOneSentence } from "../support/programs.ts";

const request: OpenRequest = { kind: "tun", name: "tun0", path: "/dev/net/tun", exclusive: false };
const around: Surroundings = {
  existing: undefined,
  container: undefined,
  netAdmin: false,
  uid: 1000,
  modeAllows: false,
};
const single: TunInfo = {
  kind: "tun",
  packetInfo: false,
  vnetHeader: false,
  multiQueue: false,
  owner: undefined,
  group: undefined,
  persistent: false,
  queues: 1,
  disabledQueues: 0,
};

function link(tun: TunInfo | undefined): LinkInfo {
  return {
    index: 2,
    flags: 0,
    name: "tun0",
    mtu: 1500,
    txQueueLength: 500,
    mac: undefined,
    carrier: false,
    alias: undefined,
    master: undefined,
    addressMode: undefined,
    stats: undefined,
    tun,
  };
}

interface Row {
  readonly when: string;
  readonly code: string;
  readonly syscall?: string;
  readonly request?: Partial<OpenRequest>;
  readonly around?: Partial<Surroundings>;
  /** Texts that the hint must hold: the cure. */
  readonly cure: readonly string[];
}

const dockerRun = "docker run --device /dev/net/tun --cap-add NET_ADMIN";
const podmanRun = "podman run --device /dev/net/tun --cap-add NET_ADMIN";
const docker = { container: "docker" } as const;
const podman = { container: "podman" } as const;
const own = { path: "/run/my-tun" };

const open: readonly Row[] = [
  { when: "there is no device node", code: "ENOENT", cure: ["sudo modprobe tun", "--device /dev/net/tun"] },
  { when: "there is no device node in Docker", code: "ENOENT", around: docker, cure: [dockerRun] },
  { when: "there is no device node in Podman", code: "ENOENT", around: podman, cure: [podmanRun] },
  { when: "there is no file of that path", code: "ENOENT", request: own, cure: ["leave out the `path` option"] },
  { when: "path is wrong in Docker", code: "ENOENT", request: own, around: docker, cure: ["leave out the `path`"] },
  { when: "the driver is missing", code: "ENODEV", cure: ["sudo modprobe tun", "CONFIG_TUN"] },
  { when: "the driver is missing (ENXIO)", code: "ENXIO", cure: ["sudo modprobe tun", "CONFIG_TUN"] },
  { when: "the mode keeps a user out", code: "EACCES", cure: ["run as root", "sudo chmod 0666 /dev/net/tun"] },
  { when: "the mode keeps a user out of another path", code: "EACCES", request: own, cure: ["chmod 0666 /run/my-tun"] },
  {
    when: "the mode keeps root of a user namespace out",
    code: "EACCES",
    around: { uid: 0 },
    cure: ["user namespace", "on the host, `sudo chmod 0666 /dev/net/tun`"],
  },
  {
    when: "the device cgroup forbids it",
    code: "EPERM",
    cure: ["c 10:200 rwm", "DeviceAllow=/dev/net/tun rw", "lxc.cgroup2.devices.allow"],
  },
  { when: "the device cgroup of Docker forbids it", code: "EPERM", around: docker, cure: [dockerRun, "runc 1.2.0"] },
  { when: "the device cgroup of Podman forbids it", code: "EPERM", around: podman, cure: [podmanRun] },
];

const attach: readonly Row[] = [
  {
    when: "nobody may",
    code: "EPERM",
    cure: ["CAP_NET_ADMIN", "sudo setcap cap_net_admin+ep $(command -v bun)", "ip tuntap add"],
  },
  { when: "the container lacks the capability", code: "EPERM", around: docker, cure: [dockerRun] },
  { when: "the Podman container lacks it", code: "EPERM", around: podman, cure: [podmanRun] },
  {
    when: "the capability is there but not here",
    code: "EPERM",
    around: { ...docker, netAdmin: true },
    cure: ["CAP_NET_ADMIN is there", "user namespace", "security module"],
  },
  {
    when: "the interface is another user's",
    code: "EPERM",
    around: { existing: link({ ...single, owner: 1001 }) },
    cure: ['"tun0" belongs to user 1001:', "run as that user", "CAP_NET_ADMIN"],
  },
  {
    when: "the interface is root's",
    code: "EPERM",
    around: { existing: link({ ...single, owner: 0 }) },
    cure: ['"tun0" belongs to user 0:'],
  },
  {
    when: "the interface is a group's",
    code: "EPERM",
    around: { existing: link({ ...single, group: 0 }) },
    cure: ['"tun0" belongs to group 0'],
  },
  {
    when: "the interface is a user's and a group's",
    code: "EPERM",
    around: { existing: link({ ...single, owner: 1001, group: 100 }) },
    cure: ["belongs to user 1001 and group 100"],
  },
  {
    when: "the interface is none of the driver's",
    code: "EPERM",
    around: { existing: link(undefined) },
    cure: ["setcap"],
  },
  {
    when: "the name exists and must not",
    code: "EBUSY",
    request: { exclusive: true },
    around: { existing: link(single) },
    cure: ['an interface "tun0" exists already', '"tun%d"', "`exclusive`"],
  },
  {
    when: "another process has it open",
    code: "EBUSY",
    around: { existing: link(single) },
    cure: ['"tun0" is in use', "lsof /dev/net/tun", '"tun%d"'],
  },
  { when: "it was in use and is gone", code: "EBUSY", request: { exclusive: true }, cure: ["lsof /dev/net/tun"] },
  {
    when: "the kernel refuses the name",
    code: "EINVAL",
    request: { name: "à" },
    cure: ['"à" as a name', "15 letters"],
  },
  {
    when: "the name is a TAP's",
    code: "EINVAL",
    around: { existing: link({ ...single, kind: "tap" }) },
    cure: ['"tun0" exists and is a TAP: use openTap'],
  },
  {
    when: "the name is a TUN's",
    code: "EINVAL",
    request: { kind: "tap" },
    around: { existing: link(single) },
    cure: ['"tun0" exists and is a TUN: use openTun'],
  },
  {
    when: "the name is no TUN/TAP's",
    code: "EINVAL",
    around: { existing: link(undefined) },
    cure: ['"tun0" exists and is no TUN/TAP interface', "another name"],
  },
  {
    when: "the interface has multiple queues",
    code: "EINVAL",
    around: { existing: link({ ...single, multiQueue: true }) },
    cure: ["IFF_MULTI_QUEUE", "multiQueue: true"],
  },
  {
    when: "the interface is otherwise different",
    code: "EINVAL",
    around: { existing: link(single) },
    cure: ["other settings", "delete it"],
  },
];

const elsewhere: readonly Row[] = [
  {
    when: "the path is no clone device",
    code: "ENOTTY",
    syscall: "ioctl(TUNGETFEATURES)",
    request: own,
    cure: ['"/run/my-tun" is no TUN clone device', "`path`"],
  },
  {
    when: "a setting needs privilege",
    code: "EPERM",
    syscall: "ioctl(SIOCSIFHWADDR)",
    cure: ["setcap cap_net_admin+ep"],
  },
];

function hintOf(row: Row, syscall: string): string | undefined {
  return openHint(row.code, row.syscall ?? syscall, { ...request, ...row.request }, { ...around, ...row.around });
}

describe("openHint()", () => {
  for (const [syscall, rows] of [
    ["open", open],
    ["ioctl(TUNSETIFF)", attach],
    ["another call", elsewhere],
  ] as const) {
    test.each(rows)(`says the cure of $code from ${syscall} when $when, in one sentence`, (row) => {
      const hint = hintOf(row, syscall) ?? "(none)";
      for (const cure of row.cure) expect(hint).toContain(cure);
      expect(hint).toSatisfy(isOneSentence);
    });
  }

  test.each([
    ["EIO", "open"],
    ["EIO", "ioctl(TUNSETIFF)"],
    ["ENOBUFS", "netlink(RTM_NEWADDR)"],
  ])("has nothing to say about %s from %s", (code, syscall) => {
    expect(openHint(code, syscall, request, around)).toBeUndefined();
  });

  test("gives a container no advice for the host, and the host none for a container, at the capability", () => {
    const bare = hintOf({ when: "", code: "EPERM", cure: [] }, "ioctl(TUNSETIFF)");
    expect(bare).not.toContain("docker");
    const contained = hintOf({ when: "", code: "EPERM", around: docker, cure: [] }, "ioctl(TUNSETIFF)");
    expect(contained).not.toContain("setcap");
  });

  test.each([
    "tun0",
    "tun",
    "tun12",
    "12",
    "thirteen-byte",
    "fourteen-bytes",
    "fifteen-bytes-x",
    "été",
    "ééééééé",
    "😀😀😀aaa",
  ])("proposes for %s a pattern that can be used", (name) => {
    checkName(name, false);
    const hint = openHint("EBUSY", "ioctl(TUNSETIFF)", { ...request, name }, around) ?? "";
    const proposed = /such as "(.*)"/.exec(hint)?.[1] ?? "";
    expect(() => checkName(proposed, true)).not.toThrow();
    expect(proposed).toContain("%d");
  });

  test("is one sentence for every code, call and surroundings", () => {
    const tun = fc.record({
      kind: fc.constantFrom<TunInfo["kind"]>("tun", "tap"),
      packetInfo: fc.boolean(),
      vnetHeader: fc.boolean(),
      multiQueue: fc.boolean(),
      owner: fc.option(fc.nat(), { nil: undefined }),
      group: fc.option(fc.nat(), { nil: undefined }),
      persistent: fc.boolean(),
      queues: fc.option(fc.nat(256), { nil: undefined }),
      disabledQueues: fc.nat(256),
    });
    const codes = [...open, ...attach, ...elsewhere].map(({ code }) => code);
    fc.assert(
      fc.property(
        fc.constantFrom(...codes, "E4000"),
        fc.constantFrom("open", "ioctl(TUNSETIFF)", "ioctl(TUNGETFEATURES)", "netlink(RTM_NEWLINK)"),
        fc.record<OpenRequest>({
          kind: fc.constantFrom<OpenRequest["kind"]>("tun", "tap"),
          name: fc.stringMatching(/^[a-z]{1,10}\d{0,5}$/),
          path: fc.constantFrom("/dev/net/tun", "/run/tun"),
          exclusive: fc.boolean(),
        }),
        fc.record<Surroundings>({
          existing: fc.option(fc.option(tun, { nil: undefined }).map(link), { nil: undefined }),
          container: fc.constantFrom<Surroundings["container"]>("docker", "podman", undefined),
          netAdmin: fc.boolean(),
          uid: fc.constantFrom(0, 1000),
          modeAllows: fc.boolean(),
        }),
        (code, syscall, request, around) => {
          const hint = openHint(code, syscall, request, around);
          if (hint !== undefined) expect(hint).toSatisfy(isOneSentence);
        },
      ),
      { numRuns: 2000 },
    );
  });
});
