/** The fuzz targets (fuzz/run.sh): what they have found worth keeping, once, under gcc's sanitizers. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdtempSync, readdirSync, rmSync, statSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { describeUnless } from "../../support/privilege.ts";

const folder = `${import.meta.dir}/fuzz`;
const targets = ["split", "merge", "finish"];
const missing = Bun.which("gcc") === null ? "needs gcc: install it with your package manager" : undefined;

/** A folder in which there is nothing but these programs. */
let programs: string;
beforeAll(() => {
  programs = mkdtempSync(`${tmpdir()}/bun-tuntap-fuzz-`);
  for (const name of ["bash", "dirname", "mktemp", "rm"]) symlinkSync(Bun.which(name) as string, `${programs}/${name}`);
});
afterAll(() => rmSync(programs, { recursive: true }));

function fuzz(args: string[], env: Record<string, string> = {}): { exitCode: number; stdout: string; stderr: string } {
  const { exitCode, stdout, stderr } = Bun.spawnSync(["bash", `${folder}/run.sh`, ...args], {
    env: { ...process.env, ...env },
    timeout: 120_000,
  });
  return { exitCode, stdout: stdout.toString(), stderr: stderr.toString() };
}

describeUnless(missing, "the fuzz targets", () => {
  test.each(targets)(
    "%s: nothing wrong with any input of the corpus",
    (target) => {
      const inputs = readdirSync(`${folder}/corpus/${target}`).length;
      expect(inputs).toBeGreaterThan(10);
      expect(fuzz(["--corpus", target])).toEqual({ exitCode: 0, stdout: `${inputs} inputs\n`, stderr: "" });
    },
    120_000,
  );

  test("the corpus is small", () => {
    const files = readdirSync(`${folder}/corpus`, { recursive: true, encoding: "utf8" });
    const bytes = files.reduce((sum, name) => sum + statSync(`${folder}/corpus/${name}`).size, 0);
    expect(bytes).toBeLessThan(300_000);
  });

  test("where there is no compiler, one line says what to install", () => {
    for (const [args, wanted] of [
      [["1"], /^run\.sh needs clang with libFuzzer: apt-get install clang .*\n$/],
      [["--corpus"], /^run\.sh needs gcc, or clang with its sanitizers: apt-get install gcc\n$/],
    ] as const) {
      const { exitCode, stdout, stderr } = fuzz([...args], { PATH: programs });
      expect({ exitCode, stdout }).toEqual({ exitCode: 2, stdout: "" });
      expect(stderr).toMatch(wanted);
    }
  });
});
