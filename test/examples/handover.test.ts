import { afterAll, beforeAll, expect, test } from "bun:test";
import { chmodSync, cpSync, readdirSync } from "node:fs";
import { as, noOthers, somebody } from "../device/as-others.ts";
import { publicTree } from "../device/in-child.ts";
import { describeUnless } from "../support/privilege.ts";
import { interfaceNames, run } from "../support/system.ts";

const project = `${import.meta.dir}/../..`;
const sockets = (): string[] => readdirSync("/tmp").filter((name) => name.startsWith("handover-"));

function start(path: string, ...through: string[]): { stdout: string; stderr: string; exitCode: number } {
  const { stdout, stderr, exitCode } = Bun.spawnSync([...through, `${path}/bun`, `${path}/examples/handover.ts`], {
    env: { ...process.env, BUN_RUNTIME_TRANSPILER_CACHE_PATH: "0" },
    timeout: 60_000,
  });
  return { stdout: `${stdout}`, stderr: `${stderr}`, exitCode };
}

describeUnless(noOthers(), "the example of handing over", () => {
  let tree: ReturnType<typeof publicTree>;
  beforeAll(() => {
    tree = publicTree();
    cpSync(`${project}/examples`, `${tree.path}/examples`, { recursive: true });
    run("chmod", "-R", "a+rX", tree.path);
  });
  afterAll(() => tree[Symbol.dispose]());

  test("a worker without privilege answers ping on what root has opened; nothing stays behind", () => {
    const [interfaces, before] = [interfaceNames(), sockets()];
    const { stdout, stderr, exitCode } = start(tree.path);
    expect({ stderr, exitCode }).toEqual({ stderr: "", exitCode: 0 });
    expect(stdout).toMatch(/^helper {2}uid 0 has opened tun0, /);
    expect(stdout).toMatch(/worker {2}uid 65534; may it open an interface\? (EPERM|EACCES)\n/);
    expect(stdout).toMatch(/helper {2}it is process \d+'s now, of uid 65534; closed here: true\n/);
    expect(stdout).toContain("worker  has tun0, with 192.0.2.1/32");
    expect(stdout).toMatch(/ [3-9] received/);
    expect([interfaceNames(), sockets()]).toEqual([interfaces, before]);
  });

  test("a worker that may not read the project says so, and the helper ends", () => {
    const before = sockets();
    chmodSync(tree.path, 0o700);
    try {
      const { stderr, exitCode } = start(tree.path);
      expect(stderr).toContain("put the project where every user can, or compile it");
      expect(stderr).toContain("The worker has ended without the interface");
      expect({ exitCode, sockets: sockets() }).toEqual({ exitCode: 1, sockets: before });
    } finally {
      chmodSync(tree.path, 0o755);
    }
  });

  test("without root it says what to type", () => {
    const { stderr, exitCode } = start(tree.path, ...as(somebody));
    expect({ stderr, exitCode }).toEqual({
      stderr: `This takes root: sudo ${tree.path}/bun examples/handover.ts\n`,
      exitCode: 1,
    });
  });
});
