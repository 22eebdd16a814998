import { describe, expect, test } from "bun:test";
import { pageWidth, wantsColour } from "../../src/cli/style.ts";

describe("wantsColour()", () => {
  const rows: readonly { environment: Record<string, string>; isTerminal: boolean; wants: boolean }[] = [
    { environment: {}, isTerminal: true, wants: true },
    { environment: {}, isTerminal: false, wants: false },
    { environment: { TERM: "xterm" }, isTerminal: true, wants: true },
    { environment: { TERM: "dumb" }, isTerminal: true, wants: false },
    { environment: { NO_COLOR: "1" }, isTerminal: true, wants: false },
    { environment: { NO_COLOR: "" }, isTerminal: true, wants: true },
    { environment: { FORCE_COLOR: "1" }, isTerminal: false, wants: true },
    { environment: { FORCE_COLOR: "" }, isTerminal: false, wants: true },
    { environment: { FORCE_COLOR: "1", NO_COLOR: "1" }, isTerminal: false, wants: true },
    { environment: { FORCE_COLOR: "0" }, isTerminal: true, wants: false },
    { environment: { FORCE_COLOR: "false" }, isTerminal: true, wants: false },
  ];
  test.each(rows.map((row) => ({ ...row, name: JSON.stringify(row.environment) })))(
    "is $wants for $name, on a terminal: $isTerminal",
    ({ environment, isTerminal, wants }) => {
      expect(wantsColour(environment, isTerminal)).toBe(wants);
    },
  );
});

test.each([
  [undefined, 80],
  [90, 90],
  [300, 100],
  [0, 80],
  [20, 40],
])("text for %p columns has %d", (columns, width) => expect(pageWidth(columns)).toBe(width));
