/** Failures of the kernel, or of a handler, half-way: a typed error, all of the end, and nothing left. Each in a process of its own. */
import { expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { describePrivileged } from "../support/privilege.ts";
import { EAGAIN, ENOMEM, numbers, refuse } from "./seccomp.ts";

const source = `${import.meta.dir}/../../src/index.ts`;
const EPOLL_CTL_MOD = 3;

/** The beginning of every program: records what is uncaught, and counts open fds and interfaces. */
const prelude = `
  const { openTun, openTap } = await import("${source}");
  const { readdirSync, readlinkSync, readFileSync } = await import("node:fs");
  const uncaught = [];
  process.on("uncaughtException", (error) => uncaught.push(String(error)));
  process.on("unhandledRejection", (error) => uncaught.push("rejection: " + error));
  const fds = () => readdirSync("/proc/self/fd").flatMap((fd) => {
    try {
      const to = readlinkSync("/proc/self/fd/" + fd);
      return /tun$|socket:/.test(to) ? [to] : [];
    } catch {
      return [];
    }
  }).length;
  const interfaces = () => readFileSync("/proc/thread-self/net/dev", "latin1").match(/ (tun|tap|end)\\w*:/g)?.length ?? 0;
  const thrownBy = (call) => { try { call(); } catch (error) { return error.code ?? String(error); } };
  const say = async (what) => {
    await Bun.sleep(20);
    console.log(JSON.stringify({ ...what, uncaught }));
    process.exit();
  };`;

function said(program: string): unknown {
  const { stdout, stderr } = Bun.spawnSync([process.execPath, "-e", `${prelude}\n${program}`], { timeout: 30_000 });
  if (stdout.length === 0) throw new Error(stderr.toString());
  return JSON.parse(stdout.toString());
}

describePrivileged("what fails half-way", () => {
  test("close() whose monitor cannot read its last messages ends everything, and says so", () => {
    expect(
      said(`
        const before = [fds(), interfaces()];
        const calls = [];
        const tun = openTun({ change: () => {}, close: (_, reason) => calls.push(String(reason)) });
        const changes = tun.changes();
        const pending = [tun.receive(), changes.next()];
        tun.up();
        ${refuse(numbers.recvfrom, ENOMEM)}
        const thrown = thrownBy(() => tun.close());
        const [frame, change] = await Promise.all(pending);
        const left = [fds() - before[0], interfaces() - before[1]];
        await say({ thrown, calls, frame, done: change.done, closed: tun.closed, left });`),
    ).toEqual({ calls: ["undefined"], frame: null, done: true, closed: true, left: [0, 0], uncaught: [] });
  });

  test("a change handler that close() tells of what happened before asks an open device", () => {
    expect(
      said(`
        const seen = [];
        const tun = openTun({ addresses: ["192.0.2.1/24"], ipv6: false, change: (device, { type }) => {
          seen.push([type, device.closed, device.addresses().length]);
        } });
        tun.down();
        tun.close();
        await say({ seen, closed: tun.closed });`),
    ).toEqual({ seen: [["down", false, 1]], closed: true, uncaught: [] });
  });

  test("an opening that cannot be woken throws a typed error, and leaves nothing", () => {
    // No poll, and no thread in its place.
    const noWaker = [refuse(numbers.io_submit, EAGAIN), refuse(numbers.clone3, EAGAIN), refuse(numbers.clone, EAGAIN)];
    expect(
      said(`
        // Closed while it is told of a frame: no poll is left pending.
        const socket = await Bun.udpSocket({});
        const first = openTun({ addresses: ["192.0.2.1/24"], ipv6: false, data: (device) => device.close() });
        socket.send("x", 9, "192.0.2.2");
        for (let i = 0; i < 500 && !first.closed; i++) await Bun.sleep(2);
        const before = [fds(), interfaces()];
        ${noWaker.join("\n")}
        const closes = [];
        const thrown = [openTun, openTap].map((open) => thrownBy(() => open({ change() {}, data() {}, close: () => closes.push(1) })));
        await Bun.sleep(20);
        await say({ thrown, closes, left: [fds() - before[0], interfaces() - before[1]] });`),
    ).toEqual({ thrown: ["EAGAIN", "EAGAIN"], closes: [], left: [0, 0], uncaught: [] });
  });

  test("an opening that fails after its monitor has begun leaves neither its socket nor its watch", () => {
    expect(
      said(`
        const bystander = openTun({ name: "end%d" });
        const before = [fds(), interfaces()];
        ${refuse(numbers.epoll_ctl, ENOMEM, EPOLL_CTL_MOD)}
        const stop = new AbortController();
        const closes = [];
        const thrown = thrownBy(() => openTun({ change() {}, data() {}, signal: stop.signal, close: () => closes.push(1) }));
        stop.abort();
        await Bun.sleep(20);
        await say({ thrown, closes, left: [fds() - before[0], interfaces() - before[1]], closed: bystander.closed });`),
    ).toEqual({ thrown: "ENOMEM", closes: [], left: [0, 0], closed: false, uncaught: [] });
  });

  test("a stream of wake-ups that fails ends every device with a typed reason, and nothing is uncaught", () => {
    for (const refer of ["ref", "unref"]) {
      expect(
        said(`
        const { dlopen } = await import("bun:ffi");
        const { openSync } = await import("node:fs");
        const eventfds = () => readdirSync("/proc/self/fd").filter((fd) => {
          try { return /eventfd/.test(readlinkSync("/proc/self/fd/" + fd)); } catch { return false; }
        }).map(Number);
        const before = eventfds();
        const reasons = [];
        const close = (_, reason) => reasons.push(reason?.code);
        const tun = openTun({ addresses: ["192.0.2.1/24"], ipv6: false, close, data() {} });
        const other = openTun({ close });
        tun.${refer}();
        other.${refer}();
        await Bun.sleep(20);
        // The last one is Bun's duplicate of ours: a directory cannot be read.
        const duplicate = eventfds().filter((fd) => !before.includes(fd)).at(-1);
        const { symbols } = dlopen("libc.so.6", { dup2: { args: ["i32", "i32"], returns: "i32" } });
        symbols.dup2(openSync("/", "r"), duplicate);
        const socket = await Bun.udpSocket({});
        socket.send("x", 9, "192.0.2.2");
        for (let i = 0; i < 500 && reasons.length < 2; i++) await Bun.sleep(2);
        await say({ reasons });`),
      ).toEqual({ reasons: ["ERR_TUNTAP_NATIVE", "ERR_TUNTAP_NATIVE"], uncaught: [] });
    }
  });

  test("what a handler throws shows the user's own line, and ends the process with 1", () => {
    const directory = mkdtempSync("/tmp/bun-tuntap-");
    try {
      writeFileSync(
        `${directory}/user.ts`,
        `import { openTun } from "${source}";
const tun = openTun({ close() {
  throw new Error("a mistake of the user's");
} });
tun.close();
`,
      );
      const { stderr, exitCode } = Bun.spawnSync([process.execPath, `${directory}/user.ts`]);
      expect(stderr.toString()).toContain(`3 |   throw new Error("a mistake of the user's");`);
      expect(stderr.toString()).toContain("user.ts:3");
      expect(exitCode).toBe(1);
    } finally {
      rmSync(directory, { recursive: true });
    }
  });
});
