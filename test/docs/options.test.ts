/** The tables in the guides: every option that the library knows is in them, and the sums are right. */
import { expect, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { openTun } from "../../src/index.ts";
import { openUdp } from "../../src/udp/index.ts";
import { failureOf, top } from "../support/programs.ts";
import { textOf } from "./pages.ts";

/** The options that a call knows, from what it says to one that it does not. */
function optionsOf(call: () => unknown): string[] {
  const [, list = ""] = /nown are (.*)$/.exec(failureOf(call).message) ?? [];
  return list.split(", ");
}

/** The words in backticks that begin the rows of a table. */
function rowsOf(table: string): string[] {
  const cells = [...table.matchAll(/^\| (`.*?) +\|/gm)].map(([, cell]) => cell as string);
  return cells.flatMap((cell) => [...cell.matchAll(/`(\w+)(?:\([^`]*\))?`/g)].map(([, name]) => name as string));
}

/** The part of a page between two texts. */
function part(page: string, from: string, to: string): string {
  const [, rest = ""] = textOf(page).split(from);
  return rest.split(to)[0] as string;
}

test("docs/interface.md has the options of openTun() and openTap()", () => {
  const known = optionsOf(() => openTun({ zzz: 1 } as object));
  expect(known.length).toBeGreaterThan(20);
  expect(rowsOf(part("docs/interface.md", "## Options", "`adopt(fd, options)`")).sort()).toEqual(known.sort());
});

test("docs/udp.md has the options of openUdp()", () => {
  const known = optionsOf(() => openUdp({ zzz: 1 } as object));
  expect(known.length).toBeGreaterThan(10);
  const section = part("docs/udp.md", "## Sockets", "## Relay");
  expect(known.filter((name) => !section.includes(`\`${name}`))).toEqual([]);
});

test("docs/udp.md reckons the MTUs right", () => {
  const section = part("docs/udp.md", "## MTU arithmetic", "\n- ");
  const rows = [...section.matchAll(/^\|[^|]*((?:\| +\d+ ){7})\|$/gm)].map(([, cells = ""]) =>
    cells.match(/\d+/g)?.map(Number),
  );
  expect(rows.length).toBe(5);
  const [udp, ethernet, wireguard] = [8, 14, 32];
  const [v4, v6] = [20 + udp, 40 + udp];
  const overheads = [v4, v6, v4 + ethernet, v6 + ethernet, v4 + wireguard, v6 + wireguard];
  for (const [path = 0, ...inside] of rows as number[][]) {
    expect(inside).toEqual(overheads.map((overhead) => path - overhead));
  }
});

test("docs/errors.md has every code of the library's own", () => {
  const files = readdirSync(`${top}/src`, { recursive: true }).filter((name) => `${name}`.endsWith(".ts"));
  const codes = files.flatMap((name) => readFileSync(`${top}/src/${name}`, "utf8").match(/ERR_TUNTAP_[A-Z_]+/g) ?? []);
  expect(codes.length).toBeGreaterThan(10);
  const text = textOf("docs/errors.md");
  expect([...new Set(codes)].filter((code) => !text.includes(`| \`${code}\``))).toEqual([]);
});
