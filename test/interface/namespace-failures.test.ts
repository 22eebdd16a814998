/** What cannot be opened or moved in another namespace: errors that say why, nothing left, and the thread where it was. */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { cpSync, mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { deleteDevice, listDevices, type NetnsLike, openTap, openTun } from "../../src/index.ts";
import { as, noOthers, rootless, somebody } from "../device/as-others.ts";
import { publicTree } from "../device/in-child.ts";
import { leavingNothing, otherNamespace, refusal, warmUp } from "../device/support.ts";
import { another, here, listenTo, namesIn, ownNetns, stateOf } from "../support/namespaces.ts";
import { describeUnless, describeWithTools } from "../support/privilege.ts";
import { run } from "../support/system.ts";
import type { Tried, Try } from "./namespace-child.ts";

setDefaultTimeout(60_000);

const noNamespace = /no network namespace: give a name of `ip netns`/;

const folder = mkdtempSync("/tmp/bun-tuntap-fifo-");
const fifo = join(folder, "fifo");
run("mkfifo", fifo);
afterAll(() => rmSync(folder, { recursive: true }));

/** What no namespace is, and what the errors of all calls that take one say. */
const wrong: { what: string; netns: (pid: number) => NetnsLike; code: string; syscall: string; hint: RegExp }[] = [
  {
    what: "an unknown name",
    netns: () => "no-such-name",
    code: "ENOENT",
    syscall: "open",
    hint: /ip netns add no-such-name/,
  },
  { what: "an unknown path", netns: () => "/no/such", code: "ENOENT", syscall: "open", hint: /\/proc\/PID\/ns\/net/ },
  {
    what: "a process that there is not",
    netns: () => 2 ** 22 + 1,
    code: "ENOENT",
    syscall: "open",
    hint: /is there a process 4194305\?/,
  },
  { what: "a device", netns: () => "/dev/null", code: "EINVAL", syscall: "setns(CLONE_NEWNET)", hint: noNamespace },
  { what: "a folder", netns: () => "/proc/", code: "EINVAL", syscall: "setns(CLONE_NEWNET)", hint: noNamespace },
  // Opened with open(2) alone, it would wait for a writer.
  { what: "a FIFO", netns: () => fifo, code: "EINVAL", syscall: "setns(CLONE_NEWNET)", hint: noNamespace },
  {
    what: "a mount namespace",
    netns: (pid) => `/proc/${pid}/ns/mnt`,
    code: "EINVAL",
    syscall: "setns(CLONE_NEWNET)",
    hint: noNamespace,
  },
];

const calls: Record<string, (netns: NetnsLike) => unknown> = {
  openTun: (netns) => openTun({ netns }),
  openTap: (netns) => openTap({ netns, name: "try0", addresses: ["192.0.2.1/24"] }),
  listDevices: (netns) => listDevices({ netns }),
  deleteDevice: (netns) => deleteDevice("try0", { netns }),
  moveToNetns: (netns) => move(netns, false),
  "moveToNetns, with listeners": (netns) => move(netns, true),
};

/** Fails to move an interface, to which nothing happens. */
function move(netns: NetnsLike, isListening: boolean): void {
  using tun = openTun({ name: "try0", ipv6: false, addresses: ["192.0.2.1/24"], routes: ["198.51.100.0/24"] });
  const listener = isListening ? listenTo(tun) : undefined;
  const before = stateOf(here);
  try {
    tun.moveToNetns(netns);
  } finally {
    expect(stateOf(here)).toBe(before);
    expect(listener?.texts() ?? []).toEqual([]);
  }
}

describeWithTools("a namespace that is none", ["unshare", "nsenter"], () => {
  beforeAll(warmUp);

  describe.each(Object.keys(calls))("%s()", (name) => {
    test.each(wrong)("$what: $code, with a hint", async ({ netns, code, syscall, hint }) => {
      using other = await otherNamespace();
      const inside = ownNetns();
      const error = await leavingNothing(() => refusal(() => calls[name]?.(netns(other.pid))));
      expect(error).toMatchObject({ code, syscall });
      expect(error.hint).toMatch(hint);
      expect(error.message).toContain(`${netns(other.pid)}`);
      expect(ownNetns()).toBe(inside);
    });

    test.each([
      { netns: "", type: TypeError },
      { netns: ".", type: TypeError },
      { netns: "a\0b", type: TypeError },
      { netns: {}, type: TypeError },
      { netns: null, type: TypeError },
      { netns: 0, type: RangeError },
      { netns: -1, type: RangeError },
      { netns: 1.5, type: RangeError },
      { netns: Number.NaN, type: RangeError },
      { netns: 2 ** 31, type: RangeError },
    ])("$netns: an error that names the option", async ({ netns, type }) => {
      await leavingNothing(() => {
        const call = (): unknown => calls[name]?.(netns as NetnsLike);
        expect(call).toThrow(type);
        expect(call).toThrow(`Option "netns" must be `);
        expect(call).toThrow(`got ${Bun.inspect(netns)}`);
      });
    });
  });

  interface Refusal {
    what: string;
    open: (netns: NetnsLike) => unknown;
    error: Record<string, unknown>;
    says: RegExp;
  }
  const inside: Refusal[] = [
    {
      what: "the name is in use",
      open: (netns) => openTun({ name: "busy0", netns }),
      error: { code: "EBUSY", syscall: "ioctl(TUNSETIFF)" },
      says: /in use by another open file/,
    },
    {
      what: "the name exists, with `exclusive`",
      open: (netns) => openTun({ name: "busy0", netns, exclusive: true }),
      error: { code: "EBUSY", syscall: "ioctl(TUNSETIFF)" },
      says: /exists already/,
    },
    {
      what: "the name is that of another kind",
      open: (netns) => openTap({ name: "busy0", netns }),
      error: { code: "EINVAL", syscall: "ioctl(TUNSETIFF)" },
      says: /is a TUN: use openTun/,
    },
    {
      what: "no such master is there",
      open: (netns) => openTap({ name: "try0", netns, master: "br0" }),
      error: { code: "ENODEV", option: "master" },
      says: /no interface "br0"/,
    },
    {
      what: "a route leads nowhere",
      open: (netns) =>
        openTun({
          name: "try0",
          netns,
          mtu: 1400,
          addresses: ["192.0.2.1/24", "2001:db8::1/64"],
          routes: ["198.51.100.0/24", { to: "default", via: "203.0.113.9" }],
        }),
      error: { code: "ENETUNREACH", option: "routes[1]" },
      says: /on no network of this interface/,
    },
  ];

  test.each(inside)(
    "openTun() where $what there: the same error as here, and nothing left there",
    async ({ open, error, says }) => {
      using there = await another("process id");
      using _ = openTun({ name: "busy0", netns: there.like });
      const [netns, before] = [ownNetns(), stateOf(there)];
      const thrown = await leavingNothing(() => refusal(() => open(there.like)));
      expect(thrown).toMatchObject(error);
      expect(thrown.message).toMatch(says);
      expect(stateOf(there)).toBe(before);
      expect(ownNetns()).toBe(netns);
    },
  );

  test("in a Worker: each call works, and its thread stays where it is", async () => {
    using there = await another("path");
    const netns = there.like;
    const tries: Try[] = [
      ["openTun", netns],
      ["openTap", netns],
      ["listDevices", netns],
      ["moveToNetns", netns],
      ["openTun", "/dev/null"],
    ];
    const worker = new Worker(join(import.meta.dir, "namespace-child.ts"), { workerData: tries } as WorkerOptions);
    const { promise, resolve } = Promise.withResolvers<Tried[]>();
    worker.addEventListener("message", ({ data }) => resolve(data), { once: true });
    const tried = await promise;
    expect(tried.map(({ value, error }) => value ?? error?.code)).toEqual(["try0", "try0", "", "try0", "EINVAL"]);
    for (const { netns: was, fdsLeft } of tried) {
      expect(was).toEqual([ownNetns(), ownNetns()]);
      expect(fdsLeft).toEqual([]);
    }
    worker.terminate();
    expect(namesIn(there)).toEqual(["lo"]);
  });
});

describeUnless(noOthers(), "a namespace that may not be entered", () => {
  let tree: ReturnType<typeof publicTree>;
  beforeAll(() => {
    tree = publicTree();
    cpSync(join(import.meta.dir, "namespace-child.ts"), join(tree.path, "test/interface/namespace-child.ts"));
    run("chmod", "-R", "a+rX", tree.path);
  });
  afterAll(() => tree[Symbol.dispose]());

  /** Runs netns-child.ts to its end. */
  function tryAs(through: readonly string[], tries: readonly Try[]): Tried[] {
    const program = [
      join(tree.path, "bun"),
      join(tree.path, "test/interface/namespace-child.ts"),
      JSON.stringify(tries),
    ];
    const env = { ...process.env, HOME: tree.path, BUN_RUNTIME_TRANSPILER_CACHE_PATH: "0" };
    const { stdout, stderr, success } = Bun.spawnSync([...through, ...program], {
      cwd: tree.path,
      env,
      timeout: 60_000,
    });
    if (!success) throw new Error(`${stderr}${stdout}`);
    const tried = JSON.parse(`${stdout}`) as Tried[];
    expect(tried).toHaveLength(tries.length);
    for (const { netns: was, fdsLeft } of tried) {
      expect(was[1]).toBe(was[0]);
      expect(fdsLeft).toEqual([]);
    }
    return tried;
  }

  test("as another user: the process's files are closed to it, and setns() is to everybody without CAP_SYS_ADMIN", async () => {
    using other = await otherNamespace();
    const before = [stateOf(here), other.run("ip", "-j", "link")];
    const [pid, own] = tryAs(as(somebody), [
      ["openTun", other.pid],
      ["openTun", "/proc/self/ns/net"],
    ]);
    expect(pid?.error).toMatchObject({ code: "EACCES", syscall: "open" });
    expect(pid?.error?.hint).toContain("CAP_SYS_PTRACE");
    expect(own?.error).toMatchObject({ code: "EPERM", syscall: "setns(CLONE_NEWNET)" });
    expect(own?.error?.hint).toContain("CAP_SYS_ADMIN");
    expect([stateOf(here), other.run("ip", "-j", "link")]).toEqual(before);
  });

  test("without CAP_SYS_ADMIN: EPERM from setns(), and the interface that was to move has not moved", async () => {
    using there = await another("path");
    const dropped = ["setpriv", "--bounding-set=-sys_admin", "--inh-caps=-sys_admin"];
    const calls: Try[] = (["openTun", "openTap", "listDevices", "moveToNetns"] as const).map((call) => [
      call,
      there.like,
    ]);
    for (const { error } of tryAs(dropped, calls)) {
      expect(error).toMatchObject({ code: "EPERM", syscall: "setns(CLONE_NEWNET)" });
      expect(error?.hint).toContain("CAP_SYS_ADMIN");
    }
    expect(namesIn(there)).toEqual(["lo"]);
  });

  test("as root of a user namespace alone, which owns no network namespace: EPERM, be it of ours or of another", async () => {
    using other = await otherNamespace();
    const tried = tryAs(
      ["unshare", "--user", "--map-root-user"],
      [
        ["openTun", "/proc/self/ns/net"],
        ["openTun", `/proc/${other.pid}/ns/net`],
        ["listDevices", "/proc/self/ns/net"],
      ],
    );
    for (const { error } of tried) expect(error?.code).toMatch(/^EPERM$|^EACCES$/);
    expect(tried[0]?.error).toMatchObject({
      syscall: "setns(CLONE_NEWNET)",
      hint: expect.stringContaining("CAP_SYS_ADMIN"),
    });
  });

  test("as root of a user and a network namespace: its own can be entered, ours cannot", async () => {
    const [own, ours] = tryAs(rootless, [
      ["openTun", "/proc/self/ns/net"],
      ["openTun", process.pid],
    ]);
    expect(own).toMatchObject({ value: "try0" });
    expect(ours?.error?.code).toMatch(/^EPERM$|^EACCES$/);
  });
});
