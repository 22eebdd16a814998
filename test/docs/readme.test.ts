/** The front door: what it promises is so, and it is short enough to be read. */
import { expect, test } from "bun:test";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import * as library from "../../src/index.ts";
import * as lab from "../../src/lab/index.ts";
import * as packet from "../../src/packet/index.ts";
import { MINIMUM_BUN } from "../../src/sys/platform.ts";
import * as udp from "../../src/udp/index.ts";
import { describeWithTools } from "../support/privilege.ts";
import { top } from "../support/programs.ts";
import { answersIn, run } from "../support/system.ts";
import { blocksOf, inNamespace, makeProject, pages, textOf } from "./pages.ts";

const BYTES_MAX = 12 * 1024;
const LINES_MAX = 20;
const readme = textOf("README.md");
const [example] = blocksOf("README.md");

test("README.md has 12 KiB at most, and its first screen says for whom it is", () => {
  expect(new TextEncoder().encode(readme).length).toBeLessThanOrEqual(BYTES_MAX);
  const screen = readme.split("\n").slice(0, 8).join("\n");
  expect(screen).toContain("**For you if**");
  expect(screen).toContain("**Not for you if**");
});

test("its first example is TypeScript of fewer than twenty lines", () => {
  expect(example?.language).toBe("ts");
  expect(example?.text.trim().split("\n").length).toBeLessThan(LINES_MAX);
});

describeWithTools("the README's first example", ["ip", "ping", "unshare"], () => {
  test("answers ping as it stands, and shows each answer", () => {
    const folder = mkdtempSync("/tmp/docs-");
    try {
      makeProject(folder);
      writeFileSync(`${folder}/answer.ts`, example?.text ?? "");
      // Services of a desktop greet a new interface: that must not end it.
      const greet = "for i in $(seq 40); do echo hello >/dev/udp/192.0.2.9/5353; sleep 0.05; done 2>/dev/null &";
      const script = `cd ${folder}; ${greet} "$0" answer.ts; wait`;
      // The example's ping waits for a second, which an answer may take on a busy machine: one run of three has to be quick.
      let output = "";
      for (let tries = 0; tries < 3 && answersIn(output) !== 3; tries++)
        output = run(...inNamespace(["bash", "-c", script, process.execPath]));
      expect(answersIn(output)).toBe(3);
      const shown = output.match(/^IP 192\.0\.2\.2 > 192\.0\.2\.1: ICMP echo reply, id \d+, seq \d, length 64$/gm);
      expect(shown?.length).toBe(3);
    } finally {
      rmSync(folder, { recursive: true });
    }
  }, 60_000);
});

test("README and guides name every export", () => {
  const text = pages.map(textOf).join("\n");
  const names = Object.keys({ ...library, ...packet, ...udp, ...lab });
  // `writeArp` is in the row of `parseArp` as `write…`.
  const named = (name: string): boolean => text.includes(name) || /^(build|write)[A-Z]/.test(name);
  expect(names.filter((name) => !named(name))).toEqual([]);
});

test("the README's table has every example and every program", () => {
  const linked = [...readme.matchAll(/^\| \[((?:examples|apps)\/[^\]]+)\]/gm)].map(([, name]) => name as string);
  const examples = readdirSync(`${top}/examples`).map((name) => `examples/${name}`);
  // Shared by the programs.
  const apps = readdirSync(`${top}/apps`).filter((name) => name !== "support");
  expect(linked.sort()).toEqual([...examples, ...apps.map((name) => `apps/${name}`)].sort());
});

test("each program has a page in the guides", () => {
  const there = readdirSync(`${top}/apps`).filter((name) => name !== "support");
  expect(readdirSync(`${top}/docs/apps`).sort()).toEqual(there.map((name) => `${name}.md`).sort());
});

test("the pages pin the Bun version that CI installs, and the README names the lowest one as package.json does", () => {
  const [, pinned] = /bun_version=(\S+)/.exec(readFileSync(`${top}/.ci/run`, "utf8")) ?? [];
  const { engines } = JSON.parse(readFileSync(`${top}/package.json`, "utf8"));
  expect(engines.bun).toBe(`>=${MINIMUM_BUN}`);
  expect(readme).toContain(`Bun ${MINIMUM_BUN} or newer`);
  const text = pages.map(textOf).join("\n");
  const versions = [...text.matchAll(/(?:bun@|oven\/bun:|bun-version: )(\d+\.\d+\.\d+)/g)].map(
    ([, version]) => version,
  );
  expect([...new Set(versions)]).toEqual([pinned]);
});

test("the README has the four figures of the latest bench", () => {
  const latest = readFileSync(`${top}/bench/results/latest.md`, "utf8");
  const [, table = ""] = readme.split("\n## Speed\n");
  const rows = [...table.matchAll(/^\| .*?\| +([\d.]+)(?: \S+)? \| +([\d.]+) \| +([\d.]+) \|$/gm)];
  expect(rows.length).toBe(4);
  for (const [row, c, ours, ratio] of rows) {
    const same = latest.split("\n").some((line) => {
      const cells = line.split("|").map((cell) => cell.trim());
      return cells[3] === c && cells[4] === ours && cells[5] === ratio;
    });
    expect(same ? "" : `${row} is not in bench/results/latest.md`).toBe("");
  }
});
