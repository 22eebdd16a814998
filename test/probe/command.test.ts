import { describe, expect, test } from "bun:test";
import { type CommandSurroundings, run, usage, wantsColour } from "../../src/probe/command.ts";
import { render } from "../../src/probe/render.ts";
import { refused, report } from "./made-up.ts";

const well = report();
const ill = report({ tun: refused("EPERM", -1, "ioctl(TUNSETIFF)", "be root") });
const surroundings: CommandSurroundings = {
  version: "1.2.3",
  probe: () => well,
  environment: {},
  isTerminal: false,
  columns: undefined,
};
const untouched: CommandSurroundings = {
  ...surroundings,
  probe: () => {
    throw new Error("Nobody asked");
  },
};

describe("bun-tuntap", () => {
  test("doctor prints the report, and ends with 0 if a TUN can be opened, else 1", () => {
    const page = { colour: false, columns: 80 };
    expect(run(["doctor"], surroundings)).toEqual({ stdout: render(well, page), stderr: "", exitCode: 0 });
    expect(run(["doctor"], { ...surroundings, probe: () => ill })).toEqual({
      stdout: render(ill, page),
      stderr: "",
      exitCode: 1,
    });
  });

  test("doctor --json prints the report as JSON and nothing else, wherever the option stands", () => {
    for (const args of [
      ["doctor", "--json"],
      ["--json", "doctor"],
    ]) {
      const { stdout, stderr, exitCode } = run(args, { ...surroundings, probe: () => ill, isTerminal: true });
      expect({ stderr, exitCode }).toEqual({ stderr: "", exitCode: 1 });
      expect(JSON.parse(stdout)).toEqual(ill);
    }
  });

  test.each([
    { columns: undefined, width: 80 },
    { columns: 90, width: 90 },
    { columns: 300, width: 100 },
    { columns: 0, width: 40 },
  ])("doctor fills $width columns of a terminal that has $columns", ({ columns, width }) => {
    const { stdout } = run(["doctor"], { ...surroundings, probe: () => ill, columns });
    expect(stdout).toBe(render(ill, { colour: false, columns: width }));
  });

  test("doctor uses colour on a terminal", () => {
    expect(run(["doctor"], { ...surroundings, isTerminal: true }).stdout).toBe(
      render(well, { colour: true, columns: 80 }),
    );
  });

  test.each([[[]], [["--help"]], [["-h"]], [["doctor", "--help"]]])("%j prints the usage", (args) => {
    expect(run(args, untouched)).toEqual({ stdout: usage, stderr: "", exitCode: 0 });
  });

  test.each([[["--version"]], [["-v"]]])("%j prints the version", (args) => {
    expect(run(args, untouched)).toEqual({ stdout: "1.2.3\n", stderr: "", exitCode: 0 });
  });

  test.each([
    { args: ["docter"], says: 'unknown command "docter"' },
    { args: ["doctor", "now"], says: 'unexpected argument "now"' },
    { args: ["--json"], says: "--json belongs to doctor" },
    { args: ["doctor", "--jsn"], says: "Unknown option '--jsn'" },
    { args: ["doctor", "-x"], says: "Unknown option '-x'" },
    { args: ["doctor", "--json=yes"], says: "Option '--json' does not take an argument" },
  ])("$args is a mistake: what and the usage go to stderr, and it ends with 2", ({ args, says }) => {
    expect(run(args, untouched)).toEqual({ stdout: "", stderr: `bun-tuntap: ${says}\n\n${usage}`, exitCode: 2 });
  });
});

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
