/** probe() where all is there, against what other programs find out. */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { openTun } from "../../src/index.ts";
import { probe } from "../../src/probe/index.ts";
import type { ProbeReport } from "../../src/probe/report.ts";
import { libcOf } from "../../src/probe/system.ts";
import * as constants from "../../src/sys/constants.ts";
import { ping, withQuietIPv6 } from "../device/support.ts";
import { describePrivileged, describeWithTools } from "../support/privilege.ts";
import { top } from "../support/programs.ts";
import { interfaceNames, newInterfaces, openFds, run, until } from "../support/system.ts";
import { report as madeUp } from "./made-up.ts";

setDefaultTimeout(60_000);

/** The names of all members, and of their members: what a program may rely on. */
function shapeOf(report: ProbeReport): unknown {
  const variable = new Set(["features", "offloads", "attachable", "networkManagers", "failure"]);
  const names = (value: unknown): unknown => {
    if (value === null || typeof value !== "object" || Array.isArray(value)) return true;
    const entries = Object.entries(value).map(([name, member]) => [name, variable.has(name) || names(member)]);
    return Object.fromEntries(entries);
  };
  return { ...(names({ ...report, checks: [] }) as object) };
}

describe("probe()", () => {
  test("requires the Bun that package.json requires", () => {
    const { engines } = JSON.parse(readFileSync(join(top, "package.json"), "utf8")) as { engines: { bun: string } };
    expect(engines.bun).toBe(`>=${probe().bun.minimum}`);
  });

  test("gives a report that JSON can hold, with the members of its type and no others", () => {
    const report = probe();
    expect(JSON.parse(JSON.stringify(report))).toEqual(report);
    // Its type is checked to be ProbeReport, so that no member can be forgotten here.
    expect(shapeOf(report)).toEqual(shapeOf(madeUp()));
  });

  test("tells what other programs tell of the system and the user", () => {
    const { system, user, shim, bun } = probe();
    expect(system.kernel).toBe(run("uname", "-r").trim());
    expect({ x64: "x86_64", arm64: "aarch64" }[system.arch]).toBe(run("uname", "-m").trim());
    expect(system.libc).toBe(run("ldd", process.execPath).includes("musl") ? "musl" : "glibc");
    expect(`${user.uid}`).toBe(run("id", "-u").trim());
    expect(bun).toMatchObject({ version: Bun.version, supported: true });
    expect(shim.works).toBe(true);
    expect(shim.compileMs).toBeGreaterThan(0);
  });

  test.each([
    ["glibc", "/usr/lib/x86_64-linux-gnu/libc.so.6"],
    ["musl", "/lib/ld-musl-x86_64.so.1"],
    ["musl", "/usr/lib/x86_64-linux-musl/libc.so"],
    [null, "/usr/lib/libc.so.7"],
  ])("tells %p by %s", (libc, path) => {
    const line = "7f1c2a000000-7f1c2a028000 r--p 00000000 fe:00 1234                       ";
    expect(libcOf(`${line}/opt/bun\n${line}${path}\n${line}[stack]\n`)).toBe(libc as "glibc" | "musl" | null);
  });

  test("gives the same report again, but for nothing", () => {
    expect(probe()).toEqual(probe());
  });

  test("works in a Worker", async () => {
    const worker = new Worker(join(import.meta.dir, "worker.ts"));
    const report = await new Promise<ProbeReport>((resolve, reject) => {
      worker.onmessage = ({ data }) => resolve(data);
      worker.onerror = ({ message }) => reject(new Error(message));
    });
    worker.terminate();
    // Each has compiled for itself, and was started by a script of its own.
    const own = { shim: undefined, command: undefined, checks: [] };
    expect({ ...report, ...own }).toEqual({ ...probe(), ...own });
  });
});

describePrivileged("probe() with privilege", () => {
  withQuietIPv6();
  beforeAll(probe);

  test("can open both kinds, and has nothing to cure", () => {
    const report = probe();
    expect(report).toMatchObject({ ok: true, tun: { works: true }, tap: { works: true } });
    expect(report.node).toMatchObject({ kind: "character device", device: "10:200", driver: true });
    expect(report.node.mode).toBe(run("stat", "-c", "%a", "/dev/net/tun").trim().padStart(4, "0"));
    expect(report.checks.filter(({ status }) => status === "missing")).toEqual([]);
  });

  test("leaves no fd and no interface, however often it is called", () => {
    const interfaces = interfaceNames();
    // The kinds that probe() opens. Bun opens others, and closes some of these late: its own, of spawned programs.
    const fds = (): string[] => openFds(/\/tun$|socket:|eventpoll|eventfd|memfd|net:/);
    const before = fds();
    for (let i = 0; i < 20; i++) probe();
    expect(fds().filter((fd) => !before.includes(fd))).toEqual([]);
    expect(newInterfaces(interfaces)).toEqual([]);
  });

  test("makes nothing in this network namespace, not even for a moment", async () => {
    const monitor = Bun.spawn(["ip", "monitor", "link"], { stdout: "pipe" });
    let seen = "";
    void (async () => {
      for await (const chunk of monitor.stdout) seen += new TextDecoder().decode(chunk);
    })();
    // What is seen of an interface made before and one made after frames what happens in between.
    const marked = async (name: string): Promise<void> => {
      await until(() => {
        run("ip", "tuntap", "add", "dev", name, "mode", "tun");
        run("ip", "link", "delete", name);
        return seen.includes(`Deleted`) && seen.includes(name);
      }, `the monitor sees ${name}`);
    };
    try {
      await marked("before0");
      probe();
      await marked("after0");
    } finally {
      monitor.kill();
    }
    expect(seen).not.toContain("probe");
  });

  test("disturbs no device that is open, and none that is opened later", async () => {
    using before = openTun({ addresses: ["192.0.2.1/24"] });
    await ping(before);
    expect(probe().ok).toBe(true);
    await ping(before);
    using after = openTun({ addresses: ["198.51.100.1/24"] });
    expect(probe()).toMatchObject({ ok: true, attachable: [] });
    await ping(before);
    expect(after.closed).toBe(false);
  });
});

interface Driver {
  readonly features: number;
  /** Every mask that TUNSETOFFLOAD takes. */
  readonly offloads: readonly number[];
}

describeWithTools("probe() and the driver", ["python3"], () => {
  let driver: Driver;
  let report: ProbeReport;

  beforeAll(() => {
    driver = JSON.parse(run("python3", join(import.meta.dir, "driver.py"))) as Driver;
    report = probe();
  });
  afterAll(() => expect(interfaceNames().filter((name) => /python|probe/.test(name))).toEqual([]));

  const numbers: Readonly<Record<string, number>> = { ...constants };

  test("features: each flag that the driver names, and no other", () => {
    const names = Object.keys(report.features ?? {});
    expect(names).toContain("IFF_MULTI_QUEUE");
    const bits = names.filter((name) => report.features?.[name]).map((name) => numbers[name] ?? Number(name));
    expect(bits.reduce((all, bit) => all | bit, 0)).toBe(driver.features);
    expect(new Set(bits).size).toBe(bits.length);
  });

  test("offloads: those bits that are in any mask that the driver takes", () => {
    const taken = driver.offloads.reduce((all, mask) => all | mask, 0);
    const names = Object.keys(numbers).filter((name) => name.startsWith("TUN_F_"));
    expect(names.length).toBe(9);
    expect(report.offloads).toEqual(
      Object.fromEntries(names.map((name) => [name, ((numbers[name] ?? 0) & taken) !== 0])),
    );
    expect(taken).toBeGreaterThan(0);
  });
});
