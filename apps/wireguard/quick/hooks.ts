import { ProgramError } from "../../../src/cli/program.ts";

/** Runs the commands of a file, one by one, as wg-quick does: by bash, with the interface's name for `%i`. */
export async function runHooks(commands: readonly string[], name: string): Promise<void> {
  const shell = Bun.which("bash") ?? "/bin/sh";
  for (const command of commands) {
    const line = command.replaceAll("%i", name);
    const child = Bun.spawn([shell, "-c", line], { stdin: "ignore", stdout: "inherit", stderr: "inherit" });
    const code = await child.exited;
    if (code !== 0) throw new ProgramError(`${JSON.stringify(line)} ended with exit code ${code}`);
  }
}
