/** The README of each program: where it is, how it is started, and a map of all its modules. */
import { describe, expect, test } from "bun:test";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { runToEnd, top } from "../support/programs.ts";

/** Shared by the programs, and no program itself. */
const SUPPORT = "support";
const apps = readdirSync(`${top}/apps`).filter(
  (name) => name !== SUPPORT && existsSync(`${top}/apps/${name}/README.md`),
);

test("each program has a README", () => {
  const all = readdirSync(`${top}/apps`).filter((name) => name !== SUPPORT);
  expect(all.filter((name) => !apps.includes(name))).toEqual([]);
});

describe.each(apps)("apps/%s", (name) => {
  const readme = readFileSync(`${top}/apps/${name}/README.md`, "utf8");

  test("its README says what it is for, when to take something else, and how to start it", () => {
    expect(readme).toStartWith(`# ${name}\n`);
    for (const words of ["**For** ", "**Take something else** ", "## Run it", "## Modules", `bun apps/${name}`]) {
      expect(readme).toContain(words);
    }
  });

  test("its map has each of its modules and folders, and no other", () => {
    const there = readdirSync(`${top}/apps/${name}`).filter((file) => file !== "README.md");
    const [, map = ""] = readme.split("\n## Modules\n");
    // "core/" for a folder, and a module that is only mentioned may do without its ".ts".
    const words: readonly string[] = map.match(/[\w-]+(\.\w+)?/g) ?? [];
    expect(there.filter((file) => !words.includes(file) && !words.includes(file.replace(/\.ts$/, "")))).toEqual([]);
    const listed = [...map.matchAll(/^\| `(\S+)` /gm)].map(([, file]) => file);
    expect(listed.filter((file) => !there.includes(file as string))).toEqual([]);
  });

  test("its links lead somewhere", () => {
    for (const [, path] of readme.matchAll(/\]\((?!https?:)([^)#]+)\)/g)) {
      expect(existsSync(`${top}/apps/${name}/${path}`)).toBe(true);
    }
  });

  test("it is started by its folder, and the README's options are those of its help", () => {
    const { exitCode, stdout, stderr } = runToEnd([process.execPath, `apps/${name}`, "--help"]);
    expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: "" });
    const commands = [...readme.matchAll(/bun apps\/\S+.*/g)].map(([command]) => command).join("\n");
    const named = new Set(
      `${commands}\n${[...readme.matchAll(/`(--[a-z0-9-]+)`/g)].map(([, option]) => option)}`.match(/--[a-z0-9-]+/g),
    );
    for (const option of named) if (option !== "--help") expect(stdout).toContain(`${option} `);
  });
});
