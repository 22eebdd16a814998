/** withLab(), isolate() and the preload, each in a process of its own. */
import { describe, expect, test } from "bun:test";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { withLab } from "../../src/lab/index.ts";
import { describePrivileged } from "../support/privilege.ts";
import { type Ended, runToEnd, top } from "../support/programs.ts";

/** Runs a test file that imports the lab, in a folder of its own. */
function runTests(body: string, use: (ended: Ended, folder: string) => void, env: Record<string, string> = {}): void {
  const folder = mkdtempSync(`${process.env["TMPDIR"] ?? "/tmp"}/bun-tuntap-with-lab-`);
  try {
    const source = `import { expect, test } from "bun:test";\nimport { createLab, isolate, withLab } from "${top}/src/lab/index.ts";\n${body}`;
    writeFileSync(`${folder}/made.test.ts`, source);
    use(runToEnd([process.execPath, "test", "./made.test.ts", "--timeout", "60000"], { cwd: folder, env }), folder);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

const pinged = `
  const [a, b] = [lab.host("a"), lab.host("b")];
  lab.link(a, b);
  await a.ping(b);`;

describePrivileged("withLab()", () => {
  test("a test that passes writes nothing", () => {
    runTests(
      `test("passes", withLab({ dump: "failed", timeout: 50_000 }, async (lab) => {${pinged}}));`,
      (ended, folder) => {
        expect(ended.stderr).toContain("1 pass");
        expect(ended.stderr).not.toContain("seed ");
        expect(existsSync(`${folder}/failed`)).toBe(false);
      },
    );
  });

  test("a test that fails prints the seed, and leaves captures and states", () => {
    const body = `test("fails", withLab({ seed: 99, dump: "failed", timeout: 50_000 }, async (lab) => {${pinged} expect(1).toBe(2); }));`;
    runTests(body, (ended, folder) => {
      expect(ended.stderr).toContain("1 fail");
      expect(ended.stderr).toContain("The lab had the seed 99 (BUN_TUNTAP_LAB_SEED=99 repeats it)");
      expect(readdirSync(`${folder}/failed`).sort()).toEqual(["a-b.pcapng", "a-b.txt", "a.json", "b.json", "lab.json"]);
      expect(readFileSync(`${folder}/failed/a-b.txt`, "utf8")).toContain("ICMP echo reply");
      if (Bun.which("tshark") !== null) {
        const shown = runToEnd(["tshark", "-r", `${folder}/failed/a-b.pcapng`, "-T", "fields", "-e", "icmp.type"]);
        expect(
          shown.stdout
            .split("\n")
            .filter((line) => line !== "")
            .sort(),
        ).toEqual(["0", "8"]);
      }
    });
  });

  test("a test that fails says why, also where the dump cannot be written", () => {
    const body = `test("fails", withLab({ dump: "made.test.ts/failed", timeout: 50_000 }, async (lab) => {${pinged} throw new Error("the reason"); }));`;
    runTests(body, (ended) => {
      expect(ended.stderr).toContain("error: the reason");
      expect(ended.stderr).toContain("its last frames could not be written: ENOTDIR");
    });
  });

  test("a test that hangs fails in time, with a dump", () => {
    const body = `test("hangs", withLab({ dump: "failed", timeout: 2000 }, async (lab) => {${pinged} await new Promise(() => {}); }));`;
    runTests(body, (ended, folder) => {
      expect(ended.stderr).toContain("The test with the lab took more than 2000 ms");
      expect(existsSync(`${folder}/failed/a-b.pcapng`)).toBe(true);
    });
  });

  test("an interceptor that throws fails the test", () => {
    const body = `test("throws", withLab({}, async (lab) => {
      const [a, b] = [lab.host("a"), lab.host("b")];
      lab.link(a, b).intercept(() => { throw new Error("a mistake in the interceptor"); });
      await a.ping(b);
    }));`;
    runTests(body, (ended) => {
      expect(ended.stderr).toContain("(fail) throws");
      expect(ended.stderr).toContain("a mistake in the interceptor");
      expect(ended.exitCode).toBe(1);
    });
  });

  test("the seed of the environment is that of a lab that names none", () => {
    const body = `test("seed", withLab({}, (lab) => { expect(lab.seed).toBe(4242); }));`;
    runTests(body, (ended) => expect(ended.stderr).toContain("1 pass"), { BUN_TUNTAP_LAB_SEED: "4242" });
    runTests(body, (ended) => expect(ended.stderr).toContain("BUN_TUNTAP_LAB_SEED must be 0 to"), {
      BUN_TUNTAP_LAB_SEED: "x",
    });
  });
});

describePrivileged("isolate()", () => {
  const look = `readFileSync("/proc/thread-self/net/dev", "latin1").split("\\n").slice(2, -1).map((line) => line.split(":")[0].trim()).join()`;

  test("moves the thread into an empty namespace with loopback up, and its children", () => {
    const body = `import { readFileSync, readlinkSync } from "node:fs";
      test("isolated", async () => {
        const before = readlinkSync("/proc/thread-self/ns/net");
        isolate();
        const after = readlinkSync("/proc/thread-self/ns/net");
        expect(after).not.toBe(before);
        expect(${look}).toBe("lo");
        expect(Bun.spawnSync(["readlink", "/proc/self/ns/net"]).stdout.toString().trim()).toBe(after);
        using server = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data: () => {} } });
        const socket = await Bun.connect({ hostname: "127.0.0.1", port: server.port, socket: { data: () => {} } });
        socket.end();
      });`;
    runTests(body, (ended) => expect(ended.stderr).toContain("1 pass"));
  });

  test("the preload does it before the tests, and nothing without privilege", () => {
    const source = `import "${top}/src/lab/preload.ts"; import { readlinkSync } from "node:fs"; console.log(readlinkSync("/proc/thread-self/ns/net"));`;
    const own = runToEnd(["readlink", "/proc/self/ns/net"]).stdout;
    expect(runToEnd([process.execPath, "-e", source]).stdout).not.toBe(own);
    if (Bun.which("setpriv") === null) return;
    const dropped = ["setpriv", "--bounding-set=-all", "--inh-caps=-all", process.execPath];
    expect(runToEnd([...dropped, "-e", source])).toMatchObject({ stdout: own, exitCode: 0 });
  });
});

describe("withLab() without a lab", () => {
  test("checks its options before any test runs", () => {
    expect(() => withLab({ timeout: 0 }, () => {})).toThrow('Option "timeout" must be milliseconds above 0, got 0');
    expect(() => withLab({ seed: -1 }, () => {})).toThrow('Option "seed"');
    expect(() => withLab({ sed: 1 } as object, () => {})).toThrow('Unknown option "sed"');
    expect(() => withLab(null as never, () => {})).toThrow('Option "options" must be an object, got null');
    expect(() => withLab({}, 5 as never)).toThrow('"body" must be a function, got 5');
  });
});
