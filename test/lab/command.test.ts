/** `bun-tuntap lab`: its units, a command on a bad network, and the tests of the lab without root. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { chmodSync, cpSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseValues, type ValueName } from "../../src/lab/units.ts";
import { as, mounted, noOthers, noRootless, somebody } from "../device/as-others.ts";
import { describePrivileged, describeUnless } from "../support/privilege.ts";
import { type Ended, runToEnd, top } from "../support/programs.ts";
import { run } from "../support/system.ts";

describe("units", () => {
  test.each<[ValueName, string, number]>([
    ["delay", "50ms", 50],
    ["delay", "250us", 0.25],
    ["delay", "1.5s", 1500],
    ["jitter", "7", 7],
    ["loss", "5%", 0.05],
    ["corrupt", "0.1%", 0.001],
    ["reorder", "0.25", 0.25],
    ["rate", "10mbit", 1e7],
    ["rate", "1.5Gbit", 1.5e9],
    ["rate", "64kbit", 64_000],
    ["queue", "64k", 65_536],
    ["queue", "2MB", 2 ** 21],
    ["mtu", "1400", 1400],
    ["seed", "7", 7],
  ])("--%s %s is %d", (name, text, value) => {
    expect(parseValues({ [name]: text })).toEqual({ [name]: value });
  });

  test.each<[ValueName, string]>([
    ["delay", "5m"],
    ["loss", "five"],
    ["loss", "-5%"],
    ["rate", "10mbps"],
    ["queue", "1.k"],
    ["mtu", ""],
    ["seed", "1e3"],
    ["delay", "1constructor"],
  ])("--%s %p is none, and is named", (name, text) => {
    expect(() => parseValues({ [name]: text })).toThrow(`--${name} has the value "${text}", which is none`);
  });
});

const lab = (...args: string[]): Ended => runToEnd([process.execPath, `${top}/bin/bun-tuntap.ts`, "lab", ...args]);

describePrivileged("bun-tuntap lab", () => {
  test("runs a command on one host, and another one on the other host", () => {
    const serve = "Bun.serve({ port: 80, fetch: () => new Response('from the other host') }); console.log('serves')";
    const get = `for (let i = 0; i < 3000; i++) try { console.log(await (await fetch("http://" + process.env.LAB_FAR)).text()); process.exit(5); } catch { await Bun.sleep(10); }`;
    const bun = process.execPath;
    const ended = lab("--delay", "5ms", "--seed", "7", "--", bun, "-e", get, "--and", bun, "-e", serve);
    expect(ended.stdout.split("\n").sort()).toEqual(["", "from the other host", "serves"]);
    expect(ended.stderr).toContain("lab: near 203.0.113.1, far 203.0.113.2, seed 7");
    expect(ended.exitCode).toBe(5);
  });

  test("a signal that comes while the lab is being made ends the command", () => {
    const source = `
      import { runOnHosts } from "${top}/src/lab/command.ts";
      const stop = AbortSignal.abort("SIGTERM");
      process.exit(await runOnHosts({ impairments: {}, seed: 7, command: ["sleep", "5"], other: undefined, stop }));`;
    // 128 and the number of SIGTERM.
    expect(runToEnd([process.execPath, "-e", source]).exitCode).toBe(143);
  });

  test("reaches nothing of the machine: not its loopback services, not its interfaces", () => {
    // Down in a new network namespace, unless an earlier test has brought it up.
    runToEnd(["ip", "link", "set", "lo", "up"]);
    using server = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data: () => {} } });
    const program = `console.log(Object.keys(require("os").networkInterfaces()).sort().join());
      await Bun.connect({ hostname: "127.0.0.1", port: ${server.port}, socket: { data() {} } }).then(() => console.log("reached"), ({ code }) => console.log(code))`;
    expect(lab("--", process.execPath, "-e", program)).toMatchObject({
      stdout: "eth0,lo\nECONNREFUSED\n",
      exitCode: 0,
    });
  });

  test.each([
    [["--loss", "500%", "--", "true"], 2, 'Option "loss" must be a probability from 0 to 1, got 5'],
    [["--los", "5%", "--", "true"], 2, 'did you mean "--loss"?'],
    [["--", "true", "--and"], 2, "needs a command on each side of --and"],
    [["--", "true", "--and", "true", "--and", "true"], 2, "--and can be given once"],
    [["--loss", "5%"], 2, "needs -- COMMAND…"],
    [["--", "no-such-program"], 127, "no-such-program"],
    [["--", "sh", "-c", "kill -9 $$"], 137, ""],
  ])("%p ends with %d: %s", (args, exitCode, message) => {
    const ended = lab(...args);
    expect(ended.exitCode).toBe(exitCode);
    expect(ended.stderr).toContain(message);
  });
});

describeUnless(noOthers() ?? noRootless(), "without root", () => {
  let tree: string;
  /** A device node that every user may open, in a mount namespace of its own. */
  const withNode = mounted(
    "mount -t tmpfs -o dev none /mnt; mknod /mnt/tun c 10 200; chmod 666 /mnt/tun; mount --bind /mnt/tun /dev/net/tun",
  );
  const asNobody = (through: readonly string[], ...args: string[]): Ended =>
    runToEnd([...through, ...as(somebody), join(tree, "bun"), ...args], {
      cwd: tree,
      env: {
        HOME: tree,
        TMPDIR: "/tmp",
        BUN_TUNTAP_TEST_NETNS: "",
        BUN_TUNTAP_REQUIRE_ROOT: "",
        BUN_RUNTIME_TRANSPILER_CACHE_PATH: "0",
      },
    });

  beforeAll(() => {
    tree = mkdtempSync(join(tmpdir(), "bun-tuntap-lab-"));
    for (const part of [
      "src",
      "native",
      "bin",
      "test/lab",
      "test/support",
      "test/device",
      "package.json",
      "bunfig.toml",
    ]) {
      cpSync(join(top, part), join(tree, part), { recursive: true });
    }
    cpSync(process.execPath, join(tree, "bun"));
    Bun.spawnSync(["chmod", "-R", "a+rX", tree]);
    chmodSync(tree, 0o755);
  });
  afterAll(() => rmSync(tree, { recursive: true }));

  test("the tests of the lab are green for nobody, by the command itself", () => {
    const ended = asNobody(
      withNode,
      "bin/bun-tuntap.ts",
      "lab",
      "--",
      join(tree, "bun"),
      "test",
      "./test/lab/lab.test.ts",
      "--timeout",
      "30000",
    );
    expect(ended.stderr).toMatch(/ [1-9]\d+ pass\n 0 fail/);
    expect(ended.stderr).not.toContain("skip");
    expect(ended.exitCode).toBe(0);
  }, 120_000);

  test.skipIf(Bun.which("setcap") === null)(
    "the tests of the lab are green for nobody, by capabilities of the executable",
    () => {
      const bun = join(tree, "bun-with-capabilities");
      cpSync(process.execPath, bun);
      chmodSync(bun, 0o755);
      run("setcap", "cap_sys_admin,cap_net_admin,cap_net_raw+ep", bun);
      const ended = runToEnd(
        [...withNode, ...as(somebody), bun, "test", "./test/lab/lab.test.ts", "--timeout", "30000"],
        { cwd: tree, env: { HOME: tree, BUN_TUNTAP_TEST_NETNS: "", BUN_RUNTIME_TRANSPILER_CACHE_PATH: "0" } },
      );
      expect(ended.stderr).toMatch(/ [1-9]\d+ pass\n 0 fail/);
      expect(ended.stderr).not.toContain("skip");
    },
    120_000,
  );

  test("they skip, and say what to type, where neither is given", () => {
    const ended = asNobody(withNode, "test", "./test/lab/lab.test.ts");
    expect(ended.stderr).toContain("skipped: needs a network namespace of its own: run `sudo bun test`");
    const says = asNobody(withNode, "-e", 'console.log((await import("./src/lab/index.ts")).labObstacle())');
    expect(says.stdout).toBe(
      "needs a network namespace: run it with sudo, or without root by `bunx bun-tuntap lab -- COMMAND`\n",
    );
  }, 60_000);

  test("the command says what is missing where the device node is not for everybody, or not there", () => {
    const closed = mounted(
      "mount -t tmpfs -o dev none /mnt; mknod /mnt/tun c 10 200; chmod 600 /mnt/tun; mount --bind /mnt/tun /dev/net/tun",
    );
    const absent = mounted("mount -t tmpfs none /dev/net");
    const refused = (place: readonly string[]): unknown => asNobody(place, "bin/bun-tuntap.ts", "lab", "--", "true");
    const says = (text: string): object => ({ exitCode: 125, stderr: expect.stringContaining(text) });
    expect(refused(closed)).toMatchObject(says("its mode keeps this user out: `sudo chmod 0666 /dev/net/tun`"));
    expect(refused(absent)).toMatchObject(says("which is not there: `sudo modprobe tun`"));
  });
});
