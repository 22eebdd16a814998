/** The time at which the shim is compiled, and what users are told where it cannot be. Each case is a Bun of its own. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { release } from "node:os";
import { mounted } from "../device/as-others.ts";
import { describeUnless } from "../support/privilege.ts";
import { type Ended, isOneSentence, runScript, runToEnd, top } from "../support/programs.ts";

const index = JSON.stringify(`${top}/src/index.ts`);

interface Outcome {
  readonly code?: string;
  readonly message: string;
  readonly hint?: string;
  readonly cause?: string;
  readonly syscall?: string;
}

/** Opens a TUN by a path that is not there, which is as far as one gets without privilege, and prints what that gives. */
const opening = `
  const { openTun } = await import(${index});
  try { openTun({ path: "/nonexistent/tun" }); console.log("{}"); }
  catch ({ code, message, hint, syscall, cause }) {
    console.log(JSON.stringify({ code, message, hint, syscall, cause: cause?.message }));
  }`;

function outcomeOf({ exitCode, stdout, stderr }: Ended): Outcome {
  expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: "" });
  return JSON.parse(stdout) as Outcome;
}

const works = { code: "ENOENT", syscall: "open" };
const notCompiled = /^ERR_TUNTAP_NATIVE: the C shim could not be compiled \(.+\): .+/;

describe("import of bun-tuntap", () => {
  test("compiles nothing, loads neither bun:ffi nor the C text, and makes no file", () => {
    const script = `
      const { dlopen } = await import("bun:ffi");
      const { readdirSync, readlinkSync } = await import("node:fs");
      const links = () => readdirSync("/proc/self/fd").flatMap((fd) => { try { return [readlinkSync("/proc/self/fd/" + fd)]; } catch { return []; } }).length;
      const before = links();
      const library = await import(${index});
      console.log(JSON.stringify({
        exports: Object.keys(library).sort(),
        fds: links() - before,
        loaded: Object.keys(require.cache).filter((path) => /sys.load\\.ts$|\\.c$/.test(path)),
      }));`;
    const { exitCode, stdout, stderr } = runScript(script);
    expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: "" });
    expect(JSON.parse(stdout)).toEqual({
      exports: expect.arrayContaining(["TunTapError", "adopt", "openTap", "openTun"]),
      fds: 0,
      loaded: [],
    });
  });

  test.each([["--no-addons"], ["--no-ffi-cc"]])("works with %s", (flag) => {
    const { exitCode, stdout } = runScript(`console.log(typeof (await import(${index})).openTun)`, [flag]);
    expect({ exitCode, stdout }).toEqual({ exitCode: 0, stdout: "function\n" });
  });

  test("lets the process end by itself", () => {
    expect(runScript(`await import(${index})`)).toMatchObject({ exitCode: 0, stdout: "", stderr: "" });
  });
});

describe("openTun()", () => {
  test("gets as far as open(2) where the shim compiles, and leaves its source nowhere", () => {
    expect(outcomeOf(runScript(opening))).toMatchObject(works);
    const script = `${opening}
      const { readdirSync, readlinkSync } = await import("node:fs");
      for (const fd of readdirSync("/proc/self/fd")) {
        try { if (/tuntap/.test(readlinkSync("/proc/self/fd/" + fd))) console.error("left open"); } catch {}
      }`;
    expect(outcomeOf(runScript(script))).toMatchObject(works);
  });

  test.each([["--no-addons"], ["--no-ffi-cc"]])("says which flags to leave out with %s", (flag) => {
    const outcome = outcomeOf(runScript(opening, [flag]));
    expect(outcome.code).toBe("ERR_TUNTAP_NATIVE");
    expect(outcome.hint).toBe("run Bun without --no-addons and --no-ffi-cc");
    expect(outcome.message).toMatch(notCompiled);
    expect(outcome.cause).toContain("C compiler is disabled");
  });

  test("says what keeps the JIT off with BUN_JSC_useJIT=0", () => {
    const outcome = outcomeOf(runScript(opening, [], { BUN_JSC_useJIT: "0" }));
    expect(outcome.code).toBe("ERR_TUNTAP_NATIVE");
    expect(outcome.hint).toContain("do not set BUN_JSC_useJIT=0");
    expect(outcome.hint).toContain("MemoryDenyWriteExecute");
    expect(outcome.message).toMatch(notCompiled);
  });

  test("fails the same way each time, and does not get stuck half-loaded", () => {
    const script = `
      const { openTun } = await import(${index});
      const codes = [];
      for (let i = 0; i < 3; i++) { try { openTun(); } catch (error) { codes.push(error.code); } }
      console.log(codes.join());`;
    expect(runScript(script, ["--no-addons"]).stdout).toBe(`${new Array(3).fill("ERR_TUNTAP_NATIVE").join()}\n`);
  });

  test.each(["darwin", "win32", "freebsd"])("is unsupported on %s, and says so before anything else", (platform) => {
    const script = `Object.defineProperty(process, "platform", { value: "${platform}" });${opening}`;
    for (const flags of [[], ["--no-addons"]]) {
      const outcome = outcomeOf(runScript(script, flags));
      expect(outcome.code).toBe("ERR_TUNTAP_UNSUPPORTED");
      expect(outcome.message).toContain(`TUN/TAP interfaces are not supported on ${platform}`);
      expect(outcome.hint).toSatisfy(isOneSentence);
      expect(outcome.hint).toContain("run this on Linux");
    }
  });

  test.each(["ia32", "riscv64", "arm"])("is unsupported on the %s architecture", (arch) => {
    const script = `Object.defineProperty(process, "arch", { value: "${arch}" });${opening}`;
    const outcome = outcomeOf(runScript(script));
    expect(outcome.code).toBe("ERR_TUNTAP_UNSUPPORTED");
    expect(outcome.message).toContain(`the ${arch} architecture is not supported`);
    expect(outcome.hint).toSatisfy(isOneSentence);
  });
});

function mdweMissing(): string | undefined {
  if (Bun.which("gcc") === null) return "needs gcc: install it with your package manager";
  const [major = 0, minor = 0] = release().split(".").map(Number);
  return major > 6 || (major === 6 && minor >= 3) ? undefined : "needs PR_SET_MDWE: run it on Linux 6.3 or newer";
}

describeUnless(mdweMissing(), "openTun() under PR_SET_MDWE", () => {
  let folder: string;
  let launcher: string;
  /** Forbids memory that is writable and executable, as systemd's MemoryDenyWriteExecute= does, or exits with 77. */
  const source = `
      #include <sys/prctl.h>
      #include <unistd.h>
      int main(int argc, char **argv)
      {
        if (argc < 2 || prctl(65 /* PR_SET_MDWE */, 1 /* PR_MDWE_REFUSE_EXEC_GAIN */, 0L, 0L, 0L) != 0) return 77;
        execv(argv[1], argv + 1);
        return 78;
      }`;

  beforeAll(() => {
    folder = mkdtempSync(`${process.env["TMPDIR"] ?? "/tmp"}/bun-tuntap-mdwe-`);
    launcher = `${folder}/mdwe`;
    const { exitCode, stderr } = Bun.spawnSync(["gcc", "-o", launcher, "-x", "c", "-"], {
      stdin: new TextEncoder().encode(source),
    });
    if (exitCode !== 0) throw new Error(stderr.toString());
  });

  afterAll(() => rmSync(folder, { recursive: true }));

  test.each([{}, { BUN_JSC_useJIT: "0" }])("names the systemd setting %p", (env) => {
    const ended = runToEnd([launcher, process.execPath, "-e", opening], { env });
    const outcome = outcomeOf(ended);
    expect(outcome.code).toBe("ERR_TUNTAP_NATIVE");
    expect(outcome.message).toMatch(notCompiled);
    expect(outcome.hint).toContain("remove MemoryDenyWriteExecute=yes (PR_SET_MDWE) from the systemd unit");
  });

  test("does not keep the library from being imported", () => {
    const script = `console.log(typeof (await import(${index})).openTun)`;
    const { exitCode, stdout } = runToEnd([launcher, process.execPath, "-e", script]);
    expect({ exitCode, stdout }).toEqual({ exitCode: 0, stdout: "function\n" });
  });
});

/** Runs `script` in a shell with a mount namespace of its own, then Bun. */
function inMountNamespace(setup: string, env: Record<string, string> = {}): Ended {
  return runToEnd([...mounted(setup), process.execPath, "-e", opening], { env });
}

const canUnshare = Bun.which("unshare") !== null && inMountNamespace("true").exitCode === 0;

describeUnless(
  canUnshare ? undefined : "needs a mount namespace: run `sudo bun test`",
  "openTun() in a mount namespace",
  () => {
    test("needs no writable /tmp", () => {
      const setup = "mount --bind /tmp /tmp; mount -o remount,ro,bind /tmp; ! touch /tmp/x 2>/dev/null";
      expect(outcomeOf(inMountNamespace(setup, { TMPDIR: "/tmp" }))).toMatchObject(works);
    });

    test("needs no /tmp at all", () => {
      const env = { TMPDIR: "/nonexistent" };
      expect(outcomeOf(inMountNamespace("true", env))).toMatchObject(works);
    });

    test("needs no writable file system", () => {
      expect(outcomeOf(inMountNamespace("mount -o remount,ro,bind /"))).toMatchObject(works);
    });
  },
);

/** Takes the C headers, the compilers and the development files of libc away. */
const hide = `
  mount -t tmpfs none /usr/include || true
  for file in $(command -v gcc cc clang tcc); do mount --bind /dev/null $file; done
  mount -t tmpfs none /mnt
  for file in $(find /usr/lib /lib/ -name libc.so -o -name libc.a -o -name crt1.o); do
    folder=$(dirname $file)
    if [ ! -e $file ]; then continue; fi
    upper=$(mktemp -d -p /mnt); mkdir $upper/new $upper/work
    mount -t overlay none -o lowerdir=$folder,upperdir=$upper/new,workdir=$upper/work $folder
    rm -f $folder/libc.so $folder/libc.a $folder/crt1.o
  done`;

describeUnless(
  canUnshare && inMountNamespace(hide).exitCode === 0
    ? undefined
    : "needs overlayfs in a mount namespace: run `sudo bun test`",
  "openTun() on a bare machine",
  () => {
    test("needs no C headers, no compiler and no development files of libc", () => {
      expect(outcomeOf(inMountNamespace(hide))).toMatchObject(works);
    });
  },
);
