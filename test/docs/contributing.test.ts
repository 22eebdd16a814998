import { expect, test } from "bun:test";
import { existsSync, readFileSync } from "node:fs";
import { top } from "../support/programs.ts";

const text = readFileSync(`${top}/CONTRIBUTING.md`, "utf8");

test("the files and folders that CONTRIBUTING.md names are there", () => {
  const paths = [...text.matchAll(/`((?:src|native|test|apps|examples|bench|docs|\.ci)\/[\w./-]*)`/g)].map(
    ([, path]) => path,
  );
  expect(paths.length).toBeGreaterThan(20);
  expect(paths.filter((path) => !existsSync(`${top}/${path}`))).toEqual([]);
});
