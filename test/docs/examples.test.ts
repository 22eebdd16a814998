/** The examples: single files that are short enough to be read at once. */
import { expect, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { top } from "../support/programs.ts";

const LINES_MAX = 120;
const entries = readdirSync(`${top}/examples`, { withFileTypes: true });

test("there are only files, no folders and no modules that several share", () => {
  expect(entries.filter((entry) => !entry.isFile()).map(({ name }) => name)).toEqual([]);
});

test.each(entries.filter((entry) => entry.isFile()).map(({ name }) => name))(
  "%s is short, and imports the library alone",
  (name) => {
    const text = readFileSync(`${top}/examples/${name}`, "utf8");
    expect(text.trimEnd().split("\n").length).toBeLessThanOrEqual(LINES_MAX);
    for (const [, module] of text.matchAll(/from "(\.[^"]*)"/g))
      expect(module).toMatch(/^\.\.\/src\/(\w+\/)?index\.ts$/);
  },
);
