/**
 * Wrong arguments are reported before anything is done. A Bun that may not
 * compile C (--no-addons) shows it: nothing there gets past ERR_TUNTAP_NATIVE.
 */
import { describe, expect, test } from "bun:test";
import { adopt, openTap, openTun } from "../../src/index.ts";
import { failureOf, runScript, thrownBy, top } from "../support/programs.ts";
import { openFds } from "../support/system.ts";

/** Returns what each expression throws in a Bun without compiler: class, and code or message. */
function failuresWithoutCompiler(expressions: readonly string[]): string[] {
  const source = `
    const { openTun, openTap, adopt, TunTapError } = await import(${JSON.stringify(`${top}/src/index.ts`)});
    const reason = { my: "reason" };
    const signal = AbortSignal.abort(reason);
    const failures = [];
    for (const call of [${expressions.map((expression) => `() => ${expression}`).join(", ")}]) {
      try { call(); failures.push("nothing"); }
      catch (error) {
        failures.push(error === reason ? "the signal's reason" : error instanceof TunTapError ? error.code : error.constructor.name);
      }
    }
    console.log(JSON.stringify(failures));`;
  const { exitCode, stdout, stderr } = runScript(source, ["--no-addons"]);
  expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: "" });
  return JSON.parse(stdout) as string[];
}

describe("openTun(), openTap() and adopt()", () => {
  test("check options, fd and signal before the shim is compiled", () => {
    const cases: readonly (readonly [call: string, failure: string])[] = [
      ["openTun()", "ERR_TUNTAP_NATIVE"],
      ["openTap({})", "ERR_TUNTAP_NATIVE"],
      ["adopt(0)", "ERR_TUNTAP_NATIVE"],
      ["openTun(null)", "TypeError"],
      ["openTun('tun0')", "TypeError"],
      ["openTun({ name: 4 })", "TypeError"],
      ["openTun({ name: 'a/b' })", "RangeError"],
      ["openTun({ mtu: 67 })", "RangeError"],
      ["openTun({ mtu: 65535 })", "ERR_TUNTAP_NATIVE"],
      ["openTap({ mtu: 65535 })", "RangeError"],
      ["openTun({ mac: '02:00:5e:00:53:01' })", "TypeError"],
      ["openTap({ mac: '02:00:5e:00:53:01' })", "ERR_TUNTAP_NATIVE"],
      ["openTun({ addresses: ['192.0.2.1/33'] })", "RangeError"],
      ["openTun({ mode: 'tun' })", "TypeError"],
      ["openTun({ signal })", "the signal's reason"],
      ["openTap({ signal })", "the signal's reason"],
      ["openTun({ signal, mtu: 67 })", "RangeError"],
      ["adopt(0, { signal })", "the signal's reason"],
      ["adopt(0, { mtu: 67 })", "RangeError"],
      ["adopt(0, { mac: '02:00' })", "RangeError"],
      ["adopt(0, { name: 'tun0' })", "TypeError"],
      ["adopt()", "TypeError"],
    ];
    const failures = failuresWithoutCompiler(cases.map(([call]) => call));
    expect(cases.map(([call], i) => [call, failures[i]])).toEqual(cases.map(([call, failure]) => [call, failure]));
  });

  test("leave no fd behind when the arguments are wrong or the signal is aborted", () => {
    const before = openFds();
    const signal = AbortSignal.abort();
    for (let i = 0; i < 50; i++) {
      for (const call of [
        () => openTun({ mtu: 1 }),
        () => openTap({ mac: "" }),
        () => openTun({ signal }),
        () => adopt(-1),
      ]) {
        thrownBy(call);
      }
    }
    expect(openFds().filter((fd) => !before.includes(fd))).toEqual([]);
  });

  test("throw the very reason of an aborted signal", () => {
    const reason = new Error("enough");
    const signal = AbortSignal.abort(reason);
    expect(thrownBy(() => openTun({ signal }))).toBe(reason);
    expect(thrownBy(() => openTap({ signal }))).toBe(reason);
    expect(thrownBy(() => adopt(0, { signal }))).toBe(reason);
    expect(thrownBy(() => openTun({ signal: AbortSignal.abort() }))).toMatchObject({ name: "AbortError" });
  });
});

describe("adopt()", () => {
  test("throws a TypeError for a value that is no file descriptor", () => {
    for (const fd of [undefined, null, "3", 3n, 3.5, Number.NaN, Number.POSITIVE_INFINITY, -1, {}, [3]]) {
      expect(failureOf(() => adopt(fd as number))).toEqual({
        kind: "TypeError",
        message: `"fd" must be a file descriptor, a whole number from 0, got ${Bun.inspect(fd)}`,
      });
    }
  });

  test.each([2 ** 31, 2 ** 32, 2 ** 32 + 1, Number.MAX_SAFE_INTEGER])(
    "does not take %d for another number, as bun:ffi would",
    (fd) => {
      const error = thrownBy(() => adopt(fd)) as Error & { code?: string };
      // A fd of this process would give ENOTTY.
      expect([error.constructor.name, error.code]).toBeOneOf([
        ["TypeError", undefined],
        ["RangeError", undefined],
        ["TunTapError", "EBADF"],
      ]);
    },
  );

  test("says EBADF with a hint for a number that no file has", () => {
    expect(thrownBy(() => adopt(2 ** 31 - 1))).toMatchObject({
      code: "EBADF",
      syscall: "ioctl(TUNGETIFF)",
      hint: "there is no open file with that number",
    });
  });

  test("says ENOTTY with a hint for a file that is no TUN, and leaves it open", () => {
    const { openSync, closeSync, fstatSync } = process.getBuiltinModule("node:fs");
    const fd = openSync(import.meta.path, "r");
    try {
      expect(thrownBy(() => adopt(fd))).toMatchObject({
        code: "ENOTTY",
        hint: "the fd is no TUN/TAP fd: open /dev/net/tun and attach it with TUNSETIFF first",
      });
      expect(fstatSync(fd).isFile()).toBe(true);
    } finally {
      closeSync(fd);
    }
  });
});
