/** The place of each file: a test stands in the folder of what it tests, and src has few files outside of its folders. */
import { expect, test } from "bun:test";
import { readdirSync } from "node:fs";
import { top } from "../support/programs.ts";

/** Folders of tests that are about no single folder of src. */
const OTHERS = ["apps", "docs", "examples", "faults", "kernels", "other-machines", "package", "soak", "support"];
const FILES_IN_SRC_MAX = 8;

const folders = (path: string): string[] =>
  readdirSync(`${top}/${path}`, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => name);

test("each folder of tests mirrors a folder of src, or is about the whole", () => {
  const known = [...folders("src"), ...OTHERS];
  expect(folders("test").filter((name) => !known.includes(name))).toEqual([]);
});

test("each folder of src has tests", () => {
  expect(folders("src").filter((name) => !folders("test").includes(name))).toEqual([]);
});

test("a test outside of the folders is about a file of src of the same name, or about the structure of all", () => {
  const files = readdirSync(`${top}/test`).filter((name) => name.endsWith(".test.ts"));
  const sources = readdirSync(`${top}/src`).map((name) => name.replace(/\.ts$/, ".test.ts"));
  expect(files.filter((name) => !sources.includes(name))).toEqual(["structure.test.ts"]);
});

test("src has few files outside of its folders", () => {
  expect(readdirSync(`${top}/src`).filter((name) => name.endsWith(".ts")).length).toBeLessThanOrEqual(FILES_IN_SRC_MAX);
});

test("every module of apps is in the folder of a program, or shared by several", () => {
  expect(readdirSync(`${top}/apps`).filter((name) => name.includes("."))).toEqual([]);
});
