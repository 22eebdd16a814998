/** A Bun that is too old, as the registry has it. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { join } from "node:path";
import { describeUnless } from "../support/privilege.ts";
import { mustRunOnline, registryObstacle } from "./registry.ts";
import { projectPath, runIn, temporaryFolder } from "./support.ts";

const index = JSON.stringify(join(projectPath, "src/index.ts"));

const program = `
  const { openTun, probe } = await import(${index});
  try { openTun(); console.log("opened"); } catch (error) { console.log(error.code, error.message); }
  const lines = probe().checks.map(({ id, status }) => id + " " + status);
  console.log(lines.join());`;

describeUnless(registryObstacle(), "an older Bun", () => {
  let folder: ReturnType<typeof temporaryFolder>;

  beforeAll(() => {
    folder = temporaryFolder();
  });
  afterAll(() => folder?.[Symbol.dispose]());

  test.each(["1.3.0", "1.3.14", "1.4.0"])(
    "%s is refused, with its version and the one that is needed",
    (version) => {
      const path = join(folder.path, version);
      mustRunOnline(folder.path, "npm", "install", "--silent", "--no-audit", "--prefix", path, `bun@${version}`);
      const { stdout, stderr, exitCode } = runIn(path, join(path, "node_modules/.bin/bun"), "-e", program);
      expect({ stderr, exitCode }).toEqual({ stderr: "", exitCode: 0 });
      const [refused, probed] = stdout.trim().split("\n");
      expect(refused).toStartWith(
        `ERR_TUNTAP_UNSUPPORTED ERR_TUNTAP_UNSUPPORTED: Bun ${version} is not supported, bun-tuntap needs 1.4.1: install`,
      );
      expect(probed).toBe("platform ok,bun missing");
    },
    180_000,
  );
});
