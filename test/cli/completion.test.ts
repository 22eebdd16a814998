/** The completion scripts, in the shells that they are for. */
import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { commands } from "../../src/cli/commands.ts";
import { describeUnless } from "../support/privilege.ts";
import { runToEnd } from "../support/programs.ts";
import { command } from "./support.ts";

setDefaultTimeout(60_000);

const script = (shell: string): string => command(["completion", shell]).stdout;

/** Skips where the shell is missing. */
function describeShell(shell: string, tests: () => void): void {
  describeUnless(
    Bun.which(shell) === null ? `needs ${shell}: install with your package manager` : undefined,
    shell,
    tests,
  );
}

function inShell(shell: string, line: string): { stdout: string; stderr: string } {
  const { stdout, stderr, exitCode } = runToEnd([shell, ...(shell === "zsh" ? ["-f"] : []), "-c", line], {
    stdin: script(shell),
  });
  if (exitCode !== 0) throw new Error(`${shell} ended with ${exitCode}: ${stderr}${stdout}`);
  return { stdout, stderr };
}

/** The cases with the cursor behind the last word. */
const lines = [
  { words: ["d"], offers: ["delete", "doctor", "dump"] },
  { words: ["completion", ""], offers: ["bash", "fish", "zsh"] },
  { words: ["dump", "--w"], offers: ["--write"] },
  { words: ["routes", "--j"], offers: ["--json"] },
];

describeShell("bash", () => {
  test.each(lines)("$words is completed to $offers", ({ words, offers }) => {
    const set = `COMP_WORDS=(bun-tuntap ${words.map((word) => `"${word}"`).join(" ")}); COMP_CWORD=${words.length}`;
    const { stdout, stderr } = inShell(
      "bash",
      `source /dev/stdin; ${set}; _bun_tuntap; printf '%s\\n' "\${COMPREPLY[@]}"`,
    );
    expect(stderr).toBe("");
    expect(stdout.trim().split("\n").sort()).toEqual(offers);
  });

  test("every subcommand has its options", async () => {
    const text = script("bash");
    for (const [name, { load }] of Object.entries(commands)) {
      expect(text).toContain(`    ${name})\n`);
      for (const option of Object.keys((await load()).options)) expect(text).toContain(`--${option}`);
    }
  });
});

describeShell("fish", () => {
  test.each(lines)("$words is completed to $offers", ({ words, offers }) => {
    const { stdout, stderr } = inShell("fish", `source -; complete -C 'bun-tuntap ${words.join(" ")}'`);
    expect(stderr).toBe("");
    const offered = stdout
      .trim()
      .split("\n")
      .map((line) => line.split("\t")[0] as string);
    expect(offered.sort()).toEqual(offers);
  });
});

describeShell("zsh", () => {
  test("the script is well-formed, and registers itself", () => {
    const line = "autoload -Uz compinit; compinit -D -u; source /dev/stdin; print -r -- $_comps[bun-tuntap]";
    expect(inShell("zsh", line)).toEqual({ stdout: "_bun_tuntap\n", stderr: "" });
  });
});

describe("completion", () => {
  test("of a shell that is not known is a mistake", () => {
    const { stderr, exitCode } = command(["completion", "tcsh"]);
    expect([stderr.split("\n")[0], exitCode]).toEqual([
      'bun-tuntap completion: SHELL must be one of bash, zsh, fish, got "tcsh"',
      2,
    ]);
  });
});
