/** The picture in ARCHITECTURE.md is that of the imports. */
import { expect, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
import { top } from "../support/programs.ts";

const modules = readdirSync(`${top}/src`, { recursive: true })
  .map(String)
  .filter((name) => name.endsWith(".ts") && !name.endsWith(".d.ts"));

function folderOf(module: string): string {
  if (module.includes("/")) return module.split("/")[0] as string;
  return module === "index.ts" ? "index" : "ground";
}

/** Modules that a module imports, types included, at any time. */
function importsOf(module: string): string[] {
  const code = readFileSync(`${top}/src/${module}`, "utf8").replaceAll(/\/\*[\s\S]*?\*\/|^\s*\/\/.*$/gm, "");
  return [...code.matchAll(/(?:from|import|require\(|import\()\s*"(\.[^"]+\.ts)"/g)].map(([, path = ""]) =>
    normalize(join(dirname(module), path)),
  );
}

function imported(): Record<string, string[]> {
  const arrows = new Map<string, Set<string>>();
  for (const module of modules) {
    const from = folderOf(module);
    const to = importsOf(module).map(folderOf);
    arrows.set(from, new Set([...(arrows.get(from) ?? []), ...to].filter((folder) => folder !== from)));
  }
  return Object.fromEntries([...arrows].map(([folder, to]) => [folder, [...to].sort()]));
}

const text = readFileSync(`${top}/ARCHITECTURE.md`, "utf8");
const rows = [...text.matchAll(/^(\w+) +→(.*)$/gm)].map(
  ([, folder = "", to = ""]) => [folder, to.split(" ").filter((name) => name !== "")] as const,
);

test("the picture has every folder of src, and its arrows are the imports", () => {
  expect(Object.fromEntries(rows.map(([folder, to]) => [folder, [...to].sort()]))).toEqual(imported());
});

test("every arrow of the picture points down", () => {
  const order = rows.map(([folder]) => folder);
  const up = rows.flatMap(([folder, to]) => to.filter((name) => order.indexOf(name) <= order.indexOf(folder)));
  expect(up).toEqual([]);
});

test("the files that ARCHITECTURE.md names are there", () => {
  const names = [...text.matchAll(/`([\w-]+(?:\/[\w-]+)*\.(?:ts|c|md|json))`/g)].map(([, name = ""]) => name);
  const files = [...modules, ...readdirSync(`${top}/native`), ...readdirSync(top)];
  const isThere = (name: string): boolean =>
    files.some((file) => file === name || file.endsWith(`/${name}`)) ||
    files.includes(name.replace(/^(src|native)\//, ""));
  expect(names.length).toBeGreaterThan(50);
  expect(names.filter((name) => !isThere(name))).toEqual([]);
});
