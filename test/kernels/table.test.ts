/** The sorting of reports that Bun itself writes: nothing that failed or did not finish passes for green. */
import { afterAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { randomUUIDv7 } from "bun";
import { runToEnd, top } from "../support/programs.ts";

const folder = mkdtempSync(`${tmpdir()}/bun-tuntap-table-`);
afterAll(() => rmSync(folder, { recursive: true }));

const head = 'import { describe, expect, test } from "bun:test";\n';

/** Runs tests as the guest does, and sorts what they left; status and table. */
function sorted(sources: Record<string, string>): { status: number | null; table: string } {
  const release = randomUUIDv7();
  const place = `${folder}/${release}`;
  Object.entries(sources).forEach(([suite, source], i) => {
    const file = `${place}/${i + 1}`;
    Bun.spawnSync(["mkdir", "-p", place]);
    writeFileSync(`${place}/${suite}.test.ts`, head + source);
    const report = ["--reporter=junit", `--reporter-outfile=${file}.xml`];
    const { exitCode } = Bun.spawnSync([process.execPath, "test", ...report, `./${suite}.test.ts`], { cwd: place });
    writeFileSync(`${file}.status`, `${exitCode}\n`);
  });
  writeFileSync(`${place}/tests`, `${Object.keys(sources).join("\n")}\n`);
  writeFileSync(`${place}/uname`, "9.9.9\n");
  const { exitCode, stdout } = runToEnd([process.execPath, `${top}/test/kernels/table.ts`, folder, release]);
  return { status: exitCode, table: stdout };
}

const good = 'describe("a & b", () => { test("passes", () => {}); });\n';
const skipped =
  'describe.skip("old [skipped: needs a <newer> kernel]", () => { test("x", () => {}); test("y", () => {}); });\n';

test("passes and skips are green, and each reason stands there once", () => {
  const { status, table } = sorted({ one: good, two: good + skipped });
  expect(status).toBe(0);
  expect(table).toContain("| one | 1 / 0 / 0 |\n| two | 1 / 0 / 2 |");
  expect(table).toContain("Skipped on 9.9.9:\n\n- needs a <newer> kernel (2)\n");
});

test.each([
  { name: "a failure", source: 'test("fails", () => { expect(1).toBe(2); });', cell: "1 / 1 / 0", says: "- fails\n" },
  {
    name: "an error between tests",
    source:
      'test("ok", () => { setTimeout(() => { throw new Error("late"); }); });\ntest("waits", () => Bun.sleep(50));',
  },
  {
    name: "an end before the report",
    source: 'test("ends", () => process.kill(process.pid, "SIGKILL"));',
    cell: "did not finish",
  },
])("$name is not green", ({ source, cell, says }) => {
  const { status, table } = sorted({ one: good + source });
  expect(status).toBe(1);
  expect(table).toContain(cell ?? "| one |");
  expect(table).toContain(says ?? "");
});
