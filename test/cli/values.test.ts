/** Values on the command line: whole numbers, users and groups. */
import { expect, test } from "bun:test";
import { parseId, parseInteger } from "../../src/cli/values.ts";
import { run } from "../support/system.ts";

test.each(["", " 5", "5.0", "0x5", "-5", "4", "8", "1e1"])("%p is no whole number from 5 to 7", (text) =>
  expect(() => parseInteger("n", text, { min: 5, max: 7 })).toThrow(
    `--n must be a whole number from 5 to 7, got "${text}"`,
  ),
);

test("whole numbers within the limits are read", () => {
  expect(["5", "6", "7", "007"].map((text) => parseInteger("n", text, { min: 5, max: 7 }))).toEqual([5, 6, 7, 7]);
});

test("a user and a group are read by name, as id and getent have them, or by number", () => {
  expect(parseId("owner", "nobody")).toBe(Number(run("id", "-u", "nobody")));
  expect(parseId("group", "daemon")).toBe(Number(run("getent", "group", "daemon").split(":")[2]));
  expect(parseId("owner", "1000")).toBe(1000);
});

test.each(["", "no-such-user", "-1", "4294967295", "nobody:x"])("%p is no user", (text) =>
  expect(() => parseId("owner", text)).toThrow("--owner must be"),
);
