/** The report's lines, of machines that one does not have at hand. */
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { checksOf } from "../../src/probe/checks.ts";
import type { ProbeCheck, ProbeFacts } from "../../src/probe/report.ts";
import { isOneSentence } from "../support/programs.ts";
import { type Differences, facts, failure, refused, untried, well, works } from "./made-up.ts";

const capability = "get the capability";
const unprivileged: Differences = {
  user: {
    uid: 1000,
    capabilities: { netAdmin: false, sysAdmin: false },
    netAdmin: refused("EPERM", -1, "ioctl(SIOCGSKNS)", capability),
    networkNamespaces: refused("EPERM", -1, "unshare(CLONE_NEWNET)", "be root"),
  },
  tun: refused("EPERM", -1, "ioctl(TUNSETIFF)", capability),
  tap: refused("EPERM", -1, "ioctl(TUNSETIFF)", capability),
  offloads: null,
};
const closed = { tun: untried, tap: untried, features: null, offloads: null };
const noShim: Differences = {
  ...closed,
  shim: { works: false, failure: failure("ERR_TUNTAP_NATIVE", null, null, "allow the compiler"), compileMs: null },
  user: { netAdmin: untried, networkNamespaces: untried, userNamespaces: untried },
  waker: { kind: null },
  rtnetlink: untried,
};

const tooOld: ProbeFacts["shim"] = {
  works: false,
  failure: failure("ERR_TUNTAP_UNSUPPORTED", null, null, "install a newer Bun"),
  compileMs: null,
};

function checkOf(differences: Differences, id: string): ProbeCheck {
  return checksOf(facts(differences)).find((check) => check.id === id) as ProbeCheck;
}

interface Row {
  readonly when: string;
  readonly differences: Differences;
  readonly id: string;
  readonly status: ProbeCheck["status"];
  /** Texts that the line holds. */
  readonly detail: readonly string[];
  /** The whole cure, or a part of it. */
  readonly cure?: string;
}

const rows: readonly Row[] = [
  { when: "all is well", differences: {}, id: "tun", status: "ok", detail: ["can be made"] },
  {
    when: "the system is told",
    differences: { system: { arch: "arm64", libc: "musl", container: "podman" } },
    id: "platform",
    status: "ok",
    detail: ["Linux 6.18.0 on arm64", "musl", "in podman"],
  },
  {
    when: "seccomp keeps netlink away",
    differences: { rtnetlink: refused("EAFNOSUPPORT", -97, "socket(NETLINK_ROUTE)", "allow it") },
    id: "rtnetlink",
    status: "missing",
    detail: ["address family not supported", "EAFNOSUPPORT from socket(NETLINK_ROUTE)"],
    cure: "allow it",
  },
  {
    when: "Bun is old",
    differences: { bun: { version: "1.3.14", supported: false }, shim: tooOld },
    id: "bun",
    status: "missing",
    detail: ["1.3.14", "1.4.1"],
    cure: "bun upgrade",
  },
  {
    when: "Bun is old, for the platform",
    differences: { bun: { version: "1.3.14", supported: false }, shim: tooOld },
    id: "platform",
    status: "ok",
    detail: ["Linux"],
  },
  {
    when: "the shim does not compile",
    differences: noShim,
    id: "shim",
    status: "missing",
    detail: ["said by the test"],
    cure: "allow the compiler",
  },
  { when: "there is no shim", differences: noShim, id: "tun", status: "skipped", detail: ["C shim"] },
  {
    when: "there is no shim, for offloads",
    differences: noShim,
    id: "offloads",
    status: "skipped",
    detail: ["C shim"],
  },
  { when: "there is no shim, for wake-ups", differences: noShim, id: "waker", status: "skipped", detail: ["C shim"] },
  {
    when: "there is no shim, for the capability",
    differences: noShim,
    id: "net-admin",
    status: "ok",
    detail: ["effective"],
  },
  {
    when: "AIO is refused",
    differences: { waker: { kind: "thread", failure: failure("ENOSYS", -38, "io_setup", null) } },
    id: "waker",
    status: "warning",
    detail: ["thread", "ENOSYS from io_setup"],
  },
  {
    when: "AIO contexts are used up",
    differences: { waker: { kind: "thread", failure: failure("EAGAIN", -11, "io_setup", null) } },
    id: "waker",
    status: "warning",
    detail: ["thread", "EAGAIN"],
    cure: "fs.aio-max-nr",
  },
  {
    when: "the thread was asked for",
    differences: { waker: { kind: "thread", chosen: true } },
    id: "waker",
    status: "warning",
    detail: ["BUN_TUNTAP_WAKER"],
    cure: "leave BUN_TUNTAP_WAKER unset",
  },
  {
    when: "what was asked for is neither",
    differences: { waker: { kind: null, chosen: true, failure: failure("RangeError", null, null, null) } },
    id: "waker",
    status: "missing",
    detail: ["said by the test"],
    cure: "leave BUN_TUNTAP_WAKER unset",
  },
  {
    when: "a user has no privilege",
    differences: unprivileged,
    id: "net-admin",
    status: "missing",
    detail: ["not effective"],
    cure: `in a network namespace of its own it works without root: \`unshare -Urn bun app.ts\`; in this one ${capability}`,
  },
  {
    when: "a user has no privilege, for the interface",
    differences: unprivileged,
    id: "tun",
    status: "missing",
    detail: ["operation not permitted (EPERM from ioctl(TUNSETIFF))"],
    cure: capability,
  },
  {
    when: "a user has no privilege, for other namespaces",
    differences: unprivileged,
    id: "network-namespaces",
    status: "warning",
    detail: ["EPERM from unshare(CLONE_NEWNET)"],
    cure: "be root",
  },
  ...(["net-admin", "tun", "tap"] as const).map(
    (id): Row => ({
      when: `the network namespace is another user namespace's, for ${id}`,
      differences: {
        ...unprivileged,
        user: {
          uid: 0,
          initialUserNamespace: false,
          netAdmin: refused("EPERM", -1, "ioctl(SIOCGSKNS)", "not this one"),
        },
      },
      id,
      status: "missing",
      detail: [id === "net-admin" ? "not over this network namespace" : "EPERM"],
      cure: "unshare -Urn",
    }),
  ),
  {
    when: "root is root of a user namespace",
    differences: { user: { initialUserNamespace: false } },
    id: "user",
    status: "ok",
    detail: ["root", "user namespace, not of the host"],
  },
  {
    when: "user namespaces are refused",
    differences: { user: { userNamespaces: refused("ENOSPC", -28, "clone(CLONE_NEWUSER)", "more of them") } },
    id: "user-namespaces",
    status: "warning",
    detail: ["ENOSPC"],
    cure: "more of them",
  },
  {
    when: "there is no node, and root of the host can make it",
    differences: {
      ...closed,
      node: { kind: null, mode: null, device: null, opening: refused("ENOENT", -2, "open", "make one") },
    },
    id: "node",
    status: "missing",
    detail: ["there is no /dev/net/tun"],
    cure: "`modprobe tun` makes it; if it is still missing then, `mkdir -p /dev/net && mknod -m 0666 /dev/net/tun c 10 200`",
  },
  {
    when: "there is no node",
    differences: {
      ...closed,
      user: { uid: 1000 },
      node: { kind: null, mode: null, device: null, opening: refused("ENOENT", -2, "open", "make one") },
    },
    id: "node",
    status: "missing",
    detail: ["there is no /dev/net/tun"],
    cure: "make one",
  },
  {
    when: "a directory is in its place",
    differences: {
      ...closed,
      node: { kind: "directory", device: null, opening: refused("EISDIR", -21, "open", "no") },
    },
    id: "node",
    status: "missing",
    detail: ["is a directory"],
    cure: "remove it",
  },
  {
    when: "the driver is missing",
    differences: { ...closed, node: { driver: false, opening: refused("ENODEV", -19, "open", "load it") } },
    id: "driver",
    status: "missing",
    detail: ["not there"],
    cure: "load it",
  },
  {
    when: "the driver is missing, for opening",
    differences: { ...closed, node: { driver: false, opening: refused("ENODEV", -19, "open", "load it") } },
    id: "open",
    status: "skipped",
    detail: ["no driver"],
  },
  {
    when: "the driver cannot be seen",
    differences: { ...closed, node: { driver: null, opening: refused("EACCES", -13, "open", "chmod") } },
    id: "driver",
    status: "skipped",
    detail: ["once the device opens"],
  },
  {
    when: "the mode forbids it",
    differences: { ...closed, node: { mode: "0600", opening: refused("EACCES", -13, "open", "chmod") } },
    id: "open",
    status: "missing",
    detail: ["permission denied (EACCES from open)"],
    cure: "chmod",
  },
  {
    when: "the cgroup forbids it",
    differences: { ...closed, node: { opening: refused("EPERM", -1, "open", "allow it") } },
    id: "open",
    status: "missing",
    detail: ["operation not permitted (EPERM from open)"],
    cure: "allow it",
  },
  {
    when: "the device is closed, for an interface",
    differences: { ...closed, node: { opening: refused("EPERM", -1, "open", "allow it") } },
    id: "tap",
    status: "skipped",
    detail: ["needs the device"],
  },
  {
    when: "an interface was made for this user",
    differences: { ...unprivileged, attachable: ["vpn0", "vpn1"] },
    id: "attachable",
    status: "ok",
    detail: ["vpn0, vpn1", "`name`"],
  },
  {
    when: "the driver is rich",
    differences: {},
    id: "features",
    status: "ok",
    detail: ["TUN TAP VNET_HDR", "not BACKPRESSURE"],
  },
  { when: "it takes offloads", differences: {}, id: "offloads", status: "ok", detail: ["CSUM TSO4", "not USO4"] },
  { when: "nobody else cares", differences: {}, id: "network-managers", status: "ok", detail: ["none"] },
  {
    when: "networkd runs",
    differences: { networkManagers: ["systemd-networkd", "NetworkManager"] },
    id: "systemd-networkd",
    status: "warning",
    detail: ["clear its addresses"],
    cure: "Unmanaged=yes",
  },
  {
    when: "NetworkManager runs",
    differences: { networkManagers: ["systemd-networkd", "NetworkManager"] },
    id: "network-manager",
    status: "warning",
    detail: ["clear its addresses"],
    cure: "unmanaged-devices=type:tun",
  },
];

describe("checksOf()", () => {
  test.each(rows)("says in the line $id what to do when $when", ({ differences, id, status, detail, cure }) => {
    const check = checkOf(differences, id);
    expect(check.status).toBe(status);
    for (const text of detail) expect(check.detail).toContain(text);
    if (cure === undefined) expect(check).not.toHaveProperty("cure");
    else expect(check.cure).toContain(cure);
  });

  test("finds nothing to cure where all is well", () => {
    expect(checksOf(well).map(({ id }) => id)).toEqual([
      ...["platform", "bun", "shim", "waker", "rtnetlink"],
      ...["user", "net-admin", "network-namespaces", "user-namespaces"],
      ...["node", "driver", "open", "tun", "tap"],
      ...["features", "offloads"],
      "network-managers",
    ]);
    expect(checksOf(well).filter(({ status, cure }) => status !== "ok" || cure !== undefined)).toEqual([]);
  });

  test("has each id once, and lines of a group one after the other", () => {
    const checks = checksOf(facts({ ...unprivileged, attachable: ["vpn0"] }));
    const ids = checks.map(({ id }) => id);
    expect(new Set(ids).size).toBe(ids.length);
    const groups = checks.map(({ group }) => group).filter((group, i, all) => group !== all[i - 1]);
    expect(groups).toEqual(["machine", "user", "device", "driver", "neighbours"]);
  });

  test("says nothing of interfaces made for this user where all can be made", () => {
    expect(checkOf({ attachable: ["vpn0"] }, "attachable")).toBeUndefined();
  });

  test("elsewhere than on Linux says so, and nothing more than the version of Bun", () => {
    const elsewhere = facts({
      ...noShim,
      system: { platform: "darwin", kernel: "25.0.0", libc: null },
      shim: {
        works: false,
        failure: failure("ERR_TUNTAP_UNSUPPORTED", null, null, "run this on Linux"),
        compileMs: null,
      },
    });
    expect(checksOf(elsewhere).map(({ id, status }) => [id, status])).toEqual([
      ["platform", "missing"],
      ["bun", "ok"],
    ]);
    expect(checksOf(elsewhere)[0]).toMatchObject({ detail: "darwin 25.0.0 on x64", cure: "run this on Linux" });
  });

  test("has cures of one sentence, and a cure where something is missing, whatever the facts", () => {
    const hint = "do this";
    const trial = fc.constantFrom(
      works,
      untried,
      refused("EPERM", -1, "open", hint),
      refused("ENOENT", -2, "open", hint),
      refused("EMFILE", -24, "open", hint),
    );
    const arbitrary = fc.record<ProbeFacts>({
      ...Object.fromEntries(Object.entries(well).map(([key, value]) => [key, fc.constant(value)])),
      shim: fc.constantFrom(well.shim, {
        works: false,
        failure: failure("ERR_TUNTAP_NATIVE", null, null, hint),
        compileMs: null,
      }),
      node: fc.constantFrom(
        well.node,
        { ...well.node, opening: refused("EACCES", -13, "open", hint) },
        { ...well.node, driver: null, opening: refused("EPERM", -1, "open", hint) },
        { ...well.node, driver: false, opening: refused("ENXIO", -6, "open", hint) },
        { ...well.node, kind: "file", device: null },
        { ...well.node, kind: null, mode: null, device: null, opening: refused("ENOENT", -2, "open", hint) },
      ),
      tun: trial,
      tap: trial,
      features: fc.constantFrom(null, well.features),
      offloads: fc.constantFrom(null, well.offloads),
      attachable: fc.constantFrom([], ["vpn0"]),
      networkManagers: fc.constantFrom<ProbeFacts["networkManagers"]>([], ["NetworkManager"], ["systemd-networkd"]),
    } as never);
    fc.assert(
      fc.property(arbitrary, (made) => {
        for (const { status, detail, cure, title } of checksOf(made)) {
          expect(detail).not.toBe("");
          expect(title.length).toBeLessThan(20);
          if (cure !== undefined) expect(cure).toSatisfy(isOneSentence);
          expect([title, status, cure !== undefined]).toEqual([title, status, ["missing", "warning"].includes(status)]);
        }
      }),
      { numRuns: 1000 },
    );
  });
});
