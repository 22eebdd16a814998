import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { encodeAttributes, NetlinkFormatError } from "../../src/netlink/message.ts";
import {
  type ParsedRule,
  parseNewRule,
  parseRule,
  ruleAttributes,
  ruleBody,
  ruleDumpBody,
  withRuleDefaults,
} from "../../src/netlink/rule.ts";
import { decodeRule } from "../../src/netlink/rule-decode.ts";
import type { RuleSettings } from "../../src/netlink/types.ts";
import { hex, surround, thrownBy } from "../support/programs.ts";

function encoded(parsed: ParsedRule): Uint8Array {
  return Uint8Array.from([...ruleBody(parsed), ...encodeAttributes(ruleAttributes(parsed))]);
}

describe("ruleBody() and ruleAttributes()", () => {
  test.each([
    {
      name: "a rule by mark, as wg-quick makes it",
      rule: { not: true, mark: 51820, table: 51820 },
      want: "02 00 00 00 00 00 00 01 02000000 0800 0a00 6cca0000 0800 1000 ffffffff 0800 0f00 6cca0000 0500 1500 04 000000",
    },
    {
      name: "a rule by source of IPv6",
      rule: { from: "2001:db8::/32", table: 7, priority: 5 },
      want: `0a 00 20 00 07 00 00 01 00000000 1400 0200 20010db8000000000000000000000000 0800 0600 05000000
        0800 0f00 07000000 0500 1500 04 000000`,
    },
    {
      name: "a rule that suppresses default routes",
      rule: { suppressPrefixLength: 0, outgoingInterface: "tun0" },
      want: "02 00 00 00 fe 00 00 01 00000000 0900 1100 74756e3000 000000 0800 0f00 fe000000 0800 0e00 00000000 0500 1500 04 000000",
    },
  ])("are struct fib_rule_hdr and the attributes of $name", ({ rule, want }) => {
    expect(encoded(withRuleDefaults(parseNewRule(rule)))).toEqual(hex(want));
  });

  test("say nothing that was not given, of a rule that is to be removed", () => {
    expect(encoded(parseRule({ priority: 5 }))).toEqual(hex("02 00 00 00 00 00 00 00 00000000 0800 0600 05000000"));
  });

  test("ask for the rules of a family", () => {
    expect(ruleDumpBody(10)).toEqual(hex("0a 00 00 00 00 00 00 00 00000000"));
  });
});

describe("decodeRule()", () => {
  const read = (text: string): ReturnType<typeof decodeRule> => decodeRule(surround(hex(text)));
  const main = "02 00 00 00 fe 00 00 01 00000000 0800 0f00 fe000000 0800 0e00 ffffffff";

  test("reads the kernel's own rule", () => {
    expect(read(`${main} 0800 0600 fe7f0000 0500 1500 02 000000`)).toEqual({
      family: 4,
      priority: 32766,
      table: 254,
      action: "lookup",
      protocol: "kernel",
    });
  });

  test("ignores attributes that it does not know, and says that there are some", () => {
    const unknown = ["0600 1600 0600 0000", "0800 ff0f 01020304", "0400 1900"];
    for (const more of unknown) {
      expect(read(`${main} ${more}`)).toEqual({ ...read(main), incomplete: true } as never);
    }
    // Interface groups that are not suppressed, and no l3mdev, are nothing.
    expect(read(`${main} 0800 0d00 ffffffff 0500 1300 00 000000 0400 1200`)).toEqual(read(main) as never);
  });

  test.each([0, 1, 7, 128, 129])("reads nothing of family %d", (family) => {
    expect(read(`${family.toString(16).padStart(2, "0")} 00 00 00 fe 00 00 01 00000000`)).toBeNull();
  });

  test.each([
    { name: "a body cut short", bytes: "02 00 00 00 fe 00 00 01 0000" },
    { name: "nothing", bytes: "" },
    { name: "an address of the wrong length", bytes: "02 18 00 00 fe 00 00 01 00000000 0600 0100 c000 0000" },
    { name: "a mark of two bytes", bytes: "02 00 00 00 fe 00 00 01 00000000 0600 0a00 0100 0000" },
    { name: "malformed attributes", bytes: "02 00 00 00 fe 00 00 01 00000000 0300 0200" },
  ])("throws a NetlinkFormatError for $name", ({ bytes }) => {
    expect(thrownBy(() => read(bytes))).toBeInstanceOf(NetlinkFormatError);
  });

  test("gives back what was written, and parseNewRule() takes what it gives", () => {
    const u32 = fc.integer({ min: 0, max: 0xffff_ffff });
    const name = fc.stringMatching(/^[a-z0-9.-]{1,15}$/);
    const maybe = <T>(arbitrary: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> =>
      fc.option(arbitrary, { nil: undefined });
    const prefix = (size: number): fc.Arbitrary<string> =>
      fc
        .tuple(fc.uint8Array({ minLength: size, maxLength: size }), fc.integer({ min: 1, max: 8 * size }))
        .map(([bytes, length]) => {
          const network = bytes.map((byte, i) => byte & (0xff00 >> Math.min(8, Math.max(0, length - 8 * i))));
          const text = size === 4 ? network.join(".") : (network.toHex().match(/..../g) ?? []).join(":");
          return `${text}/${length}`;
        });
    const rule = fc.constantFrom(4, 16).chain((size) =>
      fc.record({
        family: fc.constant(size === 4 ? 4 : 6),
        from: maybe(prefix(size)),
        to: maybe(prefix(size)),
        mark: u32,
        mask: maybe(u32),
        not: fc.boolean(),
        incomingInterface: maybe(name),
        outgoingInterface: maybe(name),
        table: maybe(fc.integer({ min: 1, max: 0xffff_ffff })),
        suppressPrefixLength: maybe(fc.nat(128)),
        priority: u32,
        protocol: maybe(fc.nat(255)),
      }),
    );
    fc.assert(
      fc.property(rule, (given) => {
        const parsed = withRuleDefaults(parseNewRule(given as RuleSettings));
        const decoded = decodeRule(surround(encoded(parsed)));
        expect(withRuleDefaults(parseNewRule(decoded as RuleSettings))).toEqual(parsed);
      }),
    );
  });
});
