import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { checkOpenOptions } from "../../src/device/options.ts";
import { checkName } from "../../src/interface/checks.ts";
import { failureOf } from "../support/programs.ts";

const bytesOf = (text: string): number => new TextEncoder().encode(text).length;

/** net/core/dev.c dev_valid_name(), on bytes: isspace() of lib/ctype.c takes 0x09 to 0x0d, 0x20 and 0xa0. */
function kernelTakes(name: string): boolean {
  const bytes = new TextEncoder().encode(name);
  const space = (byte: number): boolean => (byte >= 9 && byte <= 13) || byte === 0x20 || byte === 0xa0;
  if (bytes.length === 0 || bytes.length > 15 || name === "." || name === "..") return false;
  return !bytes.some((byte) => byte === 0x2f || byte === 0x3a || byte === 0 || space(byte));
}

describe("checkName()", () => {
  test.each(["tun0", "a", "fifteen-bytes-x", "with.dot", "...", "-", "_", "été", "网络", "😀", "ALL", "Default"])(
    "takes %s",
    (name) => {
      checkName(name, false);
      checkName(name, true);
    },
  );

  test.each(["tun%d", "%d", "a%db", "thirteenbytes%d"])(
    "takes the pattern %s only where a pattern is allowed",
    (name) => {
      checkName(name, true);
      expect(failureOf(() => checkName(name, false))).toEqual({
        kind: "RangeError",
        message: `Option "name" must not hold "%", got "${name}"`,
      });
    },
  );

  test.each(["%", "%s", "100%", "%d%d", "tun%d%", "%%d", "%i%d", "tun%D"])(
    "refuses %s, which is no pattern",
    (name) => {
      expect(failureOf(() => checkName(name, true))).toEqual({
        kind: "RangeError",
        message: `Option "name" must hold "%" only as one "%d", which becomes the first free number, got "${name}"`,
      });
    },
  );

  test.each(["\ud800", "tun\udc00", "\udc00\ud800"])("refuses %j, which UTF-8 cannot hold", (name) => {
    expect(failureOf(() => checkName(name, true))).toEqual({
      kind: "RangeError",
      message: `Option "name" must not hold half of a surrogate pair, got ${JSON.stringify(name)}`,
    });
  });

  test.each([
    ["", 0],
    ["sixteen-bytes-xx", 16],
    ["fourteenbytes-%d", 16],
    ["tun".repeat(100), 300],
    ["éééééééé", 16],
    ["网络网络网a", 16],
    ["😀😀😀😀", 16],
  ])("refuses %p, which has %d bytes", (name, bytes) => {
    expect(failureOf(() => checkName(name, true))).toEqual({
      kind: "RangeError",
      message: `Option "name" must have 1 to 15 bytes, got "${name}" with ${bytes}`,
    });
  });

  test.each(["ééééééé", "éééééééa", "网络网络网", "😀😀😀abc"])("counts bytes, not characters: takes %s", (name) => {
    expect(bytesOf(name)).toBeLessThanOrEqual(15);
    checkName(name, true);
  });

  const space = [" ", "\t", "\n", "\v", "\f", "\r"];
  test.each([
    "a/b",
    "/",
    "a:1",
    ":",
    ".",
    "..",
    "a\0b",
    "\0",
    ...space.flatMap((s) => [`a${s}b`, s, `${s}a`, `a${s}`]),
  ])("refuses %j", (name) => {
    expect(failureOf(() => checkName(name, true))).toEqual({
      kind: "RangeError",
      message: `Option "name" must not hold "/", ":" or white space, nor be "." or "..", got "${name}"`,
    });
  });

  test.each(["\u00a0", "a\u00a0b", "à", "voilà"])(
    "refuses %j, which has the byte that the kernel takes for a space",
    (name) => {
      expect(failureOf(() => checkName(name, true))).toEqual({
        kind: "RangeError",
        message: `Option "name" must not hold a letter with the byte 0xa0 in UTF-8, got "${name}"`,
      });
    },
  );

  test.each(["all", "default"])("refuses %s, the name of a sysctl directory", (name) => {
    expect(failureOf(() => checkName(name, true))).toEqual({
      kind: "RangeError",
      message: `Option "name" must not be "${name}": the kernel keeps that name for itself`,
    });
  });

  test("refuses every name that the kernel refuses", () => {
    const odd = fc.constantFrom("a", "0", "é", "à", "\u00a0", "\u2003", " ", "/", ":", ".", "\n", "\x01", "😠", "à");
    const name = fc.oneof(
      fc.string({ maxLength: 18 }),
      fc.array(odd, { maxLength: 9 }).map((parts) => parts.join("")),
    );
    fc.assert(
      fc.property(name, (name) => {
        if (!kernelTakes(name)) expect(failureOf(() => checkName(name, true)).kind).toBe("RangeError");
      }),
      { numRuns: 5000 },
    );
  });

  test("takes every name of letters, digits and the usual signs that fits", () => {
    const name = fc.stringMatching(/^[A-Za-z0-9_.-]{1,15}$/);
    fc.assert(
      fc.property(name, (name) => {
        fc.pre(![".", "..", "all", "default"].includes(name));
        checkName(name, false);
      }),
    );
  });

  test("is what the name option goes through, patterns included", () => {
    checkOpenOptions({ name: "vpn%d" }, "tun");
    expect(failureOf(() => checkOpenOptions({ name: "a b" }, "tap")).message).toContain('Option "name"');
  });
});
