/** probe() where it is hardest to look: other platforms, system calls that are refused, no fd to spare. */
import { expect, setDefaultTimeout, test } from "bun:test";
import type { ProbeReport } from "../../src/probe/report.ts";
import { describePrivileged } from "../support/privilege.ts";
import { runScript, top } from "../support/programs.ts";
import { checkOf, idsOf } from "./support.ts";

setDefaultTimeout(60_000);

/** Returns what a Bun of its own prints last, as JSON. */
function printed<T>(source: string, env: Record<string, string> = {}): T {
  const { exitCode, stdout, stderr } = runScript(source, [], env);
  if (exitCode !== 0 || stderr !== "") throw new Error(`The program ended with ${exitCode}: ${stderr}`);
  return JSON.parse(stdout) as T;
}

const probing = `const { probe } = await import("${top}/src/probe/index.ts");`;

test.each(["darwin", "win32", "freebsd"])("probe() on %s says so, and not ok", (platform) => {
  const faked = `Object.defineProperty(process, "platform", { value: "${platform}" });`;
  const report = printed<ProbeReport>(`${faked} ${probing} console.log(JSON.stringify(probe()));`);
  expect(report).toMatchObject({
    ok: false,
    system: { platform },
    shim: { failure: { code: "ERR_TUNTAP_UNSUPPORTED" } },
  });
  expect(idsOf(report, "missing")).toEqual(["platform"]);
  expect(checkOf(report, "platform").cure).toContain("run this on Linux");
});

test("probe() on another architecture says so", () => {
  const faked = `Object.defineProperty(process, "arch", { value: "riscv64" });`;
  const report = printed<ProbeReport>(`${faked} ${probing} console.log(JSON.stringify(probe()));`);
  expect(report.ok).toBe(false);
  expect(checkOf(report, "platform")).toMatchObject({ status: "missing", detail: expect.stringContaining("riscv64") });
});

const [ENOSYS, EINVAL, EAGAIN, EAFNOSUPPORT] = [38, 22, 11, 97];
const numbers = process.arch === "x64" ? { io_setup: 206, io_submit: 209 } : { io_setup: 0, io_submit: 2 };

/** Makes the kernel answer one system call number with an errno (seccomp(2), classic BPF over struct seccomp_data). */
function refuse(call: keyof typeof numbers, errno: number): string {
  return `
    const { dlopen, ptr } = await import("bun:ffi");
    const { symbols } = dlopen("libc.so.6", { prctl: { args: ["i32", "u64", "u64", "u64", "u64"], returns: "i32" } });
    const code = new Uint32Array([0x20, 0, 0x01000015, ${numbers[call]}, 0x06, ${0x0005_0000 + errno}, 0x06, 0x7fff0000]);
    const program = new BigUint64Array([4n, BigInt(ptr(code))]);
    if (symbols.prctl(38, 1, 0, 0, 0) !== 0 || symbols.prctl(22, 2, ptr(program), 0, 0) !== 0) throw new Error("prctl");`;
}

/** What systemd's RestrictAddressFamilies=~AF_NETLINK installs: socket(2) of that family is EAFNOSUPPORT. */
const withoutNetlink = `
  const { dlopen, ptr } = await import("bun:ffi");
  const { symbols } = dlopen("libc.so.6", { prctl: { args: ["i32", "u64", "u64", "u64", "u64"], returns: "i32" } });
  const code = new Uint32Array([
    ...[0x20, 0], ...[0x03000015, ${process.arch === "x64" ? 41 : 198}],
    ...[0x20, 16], ...[0x01000015, 16], ...[0x06, ${0x0005_0000 + EAFNOSUPPORT}], ...[0x06, 0x7fff0000],
  ]);
  const program = new BigUint64Array([6n, BigInt(ptr(code))]);
  if (symbols.prctl(38, 1, 0, 0, 0) !== 0 || symbols.prctl(22, 2, ptr(program), 0, 0) !== 0) throw new Error("prctl");`;

describePrivileged("where netlink is forbidden, as by systemd's RestrictAddressFamilies", () => {
  test("probe() is not ok, and it, opening and listing say the line of the unit that cures it", () => {
    const { report, opening, listing } = printed<Record<"report" | "opening" | "listing", never>>(`
      ${withoutNetlink} ${probing}
      const { openTun, listDevices } = await import("${top}/src/index.ts");
      const failing = (call) => { try { call(); } catch ({ code, syscall, hint }) { return { code, syscall, hint }; } };
      const [opening, listing] = [failing(openTun), failing(listDevices)];
      console.log(JSON.stringify({ report: probe(), opening, listing }));`);
    const hint = expect.stringContaining("`RestrictAddressFamilies=AF_NETLINK AF_UNIX`");
    const error = { code: "EAFNOSUPPORT", syscall: "socket(NETLINK_ROUTE)", hint };
    expect({ opening, listing }).toEqual({ opening: error, listing: error } as never);
    expect(report as ProbeReport).toMatchObject({ ok: false, rtnetlink: { works: false }, tun: { works: true } });
    expect(checkOf(report, "rtnetlink")).toMatchObject({ status: "missing", cure: hint });
  });
});

/** Probes, opens a device, probes again, and says how a frame that came in was noticed. */
const receiving = `
  ${probing}
  const { openTap } = await import("${top}/src/index.ts");
  const before = probe();
  const tap = openTap({ addresses: ["192.0.2.1/24"] });
  const socket = await Bun.udpSocket({ hostname: "192.0.2.1" });
  const pending = tap.receive();
  socket.send("x", 9, "192.0.2.2");
  const woken = (await pending).length > 0;
  console.log(JSON.stringify({ before, after: probe(), woken }));
  process.exit();`;

interface Received {
  readonly before: ProbeReport;
  readonly after: ProbeReport;
  readonly woken: boolean;
}

describePrivileged("probe() and wake-ups", () => {
  test("finds AIO, and leaves it in a state that a device can use", () => {
    const { before, after, woken } = printed<Received>(
      `${probing} probe(); probe(); ${receiving.replace(probing, "")}`,
    );
    expect(before.waker).toEqual({ kind: "aio", chosen: false, failure: null });
    expect(after.waker).toEqual(before.waker);
    expect({ woken, ok: after.ok }).toEqual({ woken: true, ok: true });
  });

  test.each([
    { call: "io_setup", errno: ENOSYS, code: "ENOSYS", where: "qemu-user" },
    { call: "io_setup", errno: EAGAIN, code: "EAGAIN", where: "a machine whose contexts are taken" },
    { call: "io_submit", errno: EINVAL, code: "EINVAL", where: "gVisor" },
  ] as const)("finds the thread where $call gives $code, as on $where, and why", ({ call, errno, code }) => {
    const { before, after, woken } = printed<Received>(refuse(call, errno) + receiving);
    expect(before).toMatchObject({
      ok: true,
      waker: { kind: "thread", chosen: false, failure: { code, syscall: call } },
    });
    expect(checkOf(before, "waker").status).toBe("warning");
    // What the device is woken by in fact.
    expect(after).toMatchObject({ ok: true, waker: { kind: "thread" } });
    expect(woken).toBe(true);
  });

  test("is not ok where BUN_TUNTAP_WAKER insists on what is refused", () => {
    const source = `${refuse("io_setup", ENOSYS)} ${probing} console.log(JSON.stringify(probe()));`;
    const report = printed<ProbeReport>(source, { BUN_TUNTAP_WAKER: "aio" });
    expect(report).toMatchObject({ ok: false, tun: { works: true }, waker: { kind: null, chosen: true } });
    expect(checkOf(report, "waker")).toMatchObject({ status: "missing", cure: "leave BUN_TUNTAP_WAKER unset" });
  });
});

// include/uapi/asm-generic/resource.h RLIMIT_NOFILE
const withFdsLeft = (left: number, compiled: boolean): string => `
  const { dlopen } = await import("bun:ffi");
  const { openSync, readdirSync } = await import("node:fs");
  ${probing}
  ${compiled ? "probe();" : ""}
  const libc = dlopen("libc.so.6", { setrlimit: { args: ["i32", "ptr"], returns: "i32" } });
  const top = Math.max(...readdirSync("/proc/self/fd").map(Number));
  let last = 0;
  while (last < top) last = openSync("/dev/null", "r");
  const limit = (files) => libc.symbols.setrlimit(7, new BigUint64Array([BigInt(files), 4096n]));
  const fds = () => readdirSync("/proc/self/fd").length;
  const before = fds();
  limit(last + 1 + ${left});
  const report = probe();
  limit(4096);
  console.log(JSON.stringify({ report, left: fds() - before, again: probe().ok }));`;

describePrivileged("probe() with few fds left (RLIMIT_NOFILE)", () => {
  const cases = [1, 2, 3, 4, 5, 6].flatMap((left) => [
    { left, compiled: true },
    { left, compiled: false },
  ]);
  test.each(cases)(
    "$left, the shim compiled before: $compiled: a report, and nothing left behind",
    ({ left, compiled }) => {
      const found = printed<{ report: ProbeReport; left: number; again: boolean }>(withFdsLeft(left, compiled));
      expect(found).toMatchObject({ left: 0, again: true });
      if (left === 6 && compiled) expect(found.report.ok).toBe(true);
      if (!found.report.ok) {
        const codes = JSON.stringify(found.report);
        expect(codes).toContain('"EMFILE"');
        expect(codes).toContain("ulimit -n");
      }
    },
  );
});
