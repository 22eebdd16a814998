/** The command as people start it: what comes out where, in which colours, and how it ends. */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { accessSync, constants, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { commands } from "../../src/cli/commands.ts";
import { describePrivileged, describeUnless, describeWithTools } from "../support/privilege.ts";
import { runToEnd, top } from "../support/programs.ts";
import { command, onTerminal, program } from "./support.ts";

setDefaultTimeout(60_000);

const sgr = "\x1b[";

describe("bin/bun-tuntap.ts", () => {
  test("is what package.json names, and starts by itself", () => {
    const { bin, files } = JSON.parse(readFileSync(join(top, "package.json"), "utf8"));
    expect(join(top, bin["bun-tuntap"])).toBe(program);
    expect(files).toContain("bin");
    accessSync(program, constants.X_OK);
    expect(readFileSync(program, "utf8")).toStartWith("#!/usr/bin/env bun\n");
  });

  test("--version is that of package.json, --help the usage, and both end with 0", () => {
    const { version } = JSON.parse(readFileSync(join(top, "package.json"), "utf8"));
    expect(command(["--version"])).toMatchObject({ stdout: `${version}\n`, stderr: "", exitCode: 0 });
    expect(command(["--help"])).toMatchObject({ stdout: expect.stringMatching(/^Usage: /), stderr: "", exitCode: 0 });
    expect(command([])).toEqual(command(["--help"]));
  });

  test.each([
    { args: ["physician"], says: ': unknown command "physician"' },
    { args: ["docter"], says: ': unknown command "docter"; did you mean "doctor"?' },
    { args: ["constructor"], says: ': unknown command "constructor"' },
    { args: ["--json"], says: ": Unknown option '--json'" },
    { args: ["doctor", "now"], says: ' doctor: unexpected argument "now"' },
    { args: ["doctor", "--jsn"], says: " doctor: Unknown option '--jsn'; did you mean \"--json\"?" },
    { args: ["doctor", "-x"], says: " doctor: Unknown option '-x'" },
    { args: ["doctor", "--json=yes"], says: " doctor: Option '--json' does not take an argument" },
  ])("$args is a mistake: it is named on stderr, and the end is 2", ({ args, says }) => {
    const stderr = `bun-tuntap${says}\nSee --help for the options\n`;
    expect(command(args)).toMatchObject({ stdout: "", stderr, exitCode: 2 });
  });

  test.each(Object.entries(commands))("%s --help prints its options, each within 80 columns", async (name, entry) => {
    const { stdout, stderr, exitCode } = command([name, "--help"]);
    expect({ stderr, exitCode }).toEqual({ stderr: "", exitCode: 0 });
    expect(stdout).toStartWith(`Usage: bun-tuntap ${name} [OPTIONS]`);
    for (const option of Object.keys((await entry.load()).options)) expect(stdout).toContain(`--${option}`);
    expect(stdout.split("\n").filter((line) => line.length > 80)).toEqual([]);
    expect(command(["--help"]).stdout).toContain(`  ${name} `);
  });

  test("doctor ends with 1 where no TUN can be opened, and says why", () => {
    const { stdout, stderr, exitCode } = runToEnd([process.execPath, "--no-addons", program, "doctor"]);
    expect({ stderr, exitCode }).toEqual({ stderr: "", exitCode: 1 });
    expect(stdout).toContain("✗ C shim");
    expect(stdout).toContain("→ run Bun without --no-addons");
  });

  test("doctor has no colour in a pipe, and colour with FORCE_COLOR", () => {
    expect(command(["doctor"]).stdout).not.toContain(sgr);
    expect(command(["doctor"], { FORCE_COLOR: "1" }).stdout).toContain(`${sgr}1mThis machine${sgr}22m`);
    expect(command(["doctor", "--json"], { FORCE_COLOR: "1" }).stdout).not.toContain(sgr);
  });

  test("doctor is quiet if nobody reads on", () => {
    const line = `"$0" "$1" doctor | true; echo "\${PIPESTATUS[0]}"`;
    const { stdout, stderr } = runToEnd(["bash", "-c", line, process.execPath, program]);
    expect(stderr).toBe("");
    expect(stdout).toMatch(/^[01]\n$/);
  });
});

describeWithTools("bin/bun-tuntap.ts doctor on a terminal", ["script"], () => {
  test("has colour, but not with NO_COLOR, on a dumb terminal, or as JSON", () => {
    expect(onTerminal(["doctor"]).stdout).toContain(`${sgr}32m✓${sgr}39m`);
    expect(onTerminal(["doctor"], { NO_COLOR: "1" }).stdout).not.toContain(sgr);
    expect(onTerminal(["doctor"], { TERM: "dumb" }).stdout).not.toContain(sgr);
    expect(onTerminal(["doctor", "--json"]).stdout).not.toContain(sgr);
    expect(onTerminal(["doctor"]).exitCode).toBe(0);
  });
});

describePrivileged("bin/bun-tuntap.ts doctor with privilege", () => {
  test("ends with 0, and says that a TUN can be opened", () => {
    const { stdout, stderr, exitCode } = command(["doctor"]);
    expect({ stderr, exitCode }).toEqual({ stderr: "", exitCode: 0 });
    expect(stdout).toContain("\nA TUN can be opened here.");
  });

  test("--json prints the report and nothing else", () => {
    const { stdout, stderr, exitCode } = command(["doctor", "--json"]);
    expect({ stderr, exitCode }).toEqual({ stderr: "", exitCode: 0 });
    expect(JSON.parse(stdout)).toMatchObject({ ok: true, bun: { version: Bun.version } });
  });

  test("with BUN_TUNTAP_WAKER=thread is a warning, and nonsense a reason to end with 1", () => {
    const thread = command(["doctor"], { BUN_TUNTAP_WAKER: "thread" });
    expect(thread.exitCode).toBe(0);
    expect(thread.stdout).toContain("! Wake-ups");
    const nonsense = command(["doctor"], { BUN_TUNTAP_WAKER: "smoke" });
    expect(nonsense.exitCode).toBe(1);
    expect(nonsense.stdout).toContain("✗ Wake-ups");
    expect(nonsense.stdout).toContain('must be "aio" or "thread", got "smoke"');
  });
});

describeUnless(Bun.which("npm") === null ? "needs npm: install Node" : undefined, "the installed command", () => {
  let folder: string;

  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), "bun-tuntap-bin-"));
    // No script is run, and nothing is asked of a registry: the package has no dependencies.
    const packed = runToEnd(["npm", "pack", "--ignore-scripts", "--json", "--pack-destination", folder]);
    const [{ filename }] = JSON.parse(packed.stdout);
    writeFileSync(join(folder, "package.json"), JSON.stringify({ name: "project", private: true }));
    const { exitCode, stderr } = runToEnd([process.execPath, "add", `./${filename}`], { cwd: folder });
    if (exitCode !== 0) throw new Error(stderr);
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  test.each([
    { how: "bunx", line: [process.execPath, "x", "--no-install", "bun-tuntap"] },
    { how: "by its name", line: ["./node_modules/.bin/bun-tuntap"] },
  ])("runs $how", ({ line }) => {
    const ended = runToEnd([...line, "doctor", "--json"], { cwd: folder });
    expect(ended.stderr).toBe("");
    expect(JSON.parse(ended.stdout)).toMatchObject({ ok: ended.exitCode === 0, bun: { version: Bun.version } });
  });

  test("works as a single-file executable, away from everything", () => {
    const executable = join(folder, "doctor");
    const entry = join(folder, "node_modules/bun-tuntap/bin/bun-tuntap.ts");
    expect(runToEnd([process.execPath, "build", "--compile", entry, "--outfile", executable]).exitCode).toBe(0);
    const { stdout, exitCode } = runToEnd([executable, "doctor", "--json"], { cwd: "/" });
    expect(JSON.parse(stdout)).toMatchObject({ ok: exitCode === 0, shim: { works: true } });
  });
});
