/** The frame of the programs: arguments, signals and exit codes. */
import { describe, expect, test } from "bun:test";
import { runToEnd } from "../support/programs.ts";

function start(...args: string[]): Bun.Subprocess<"ignore", "pipe", "pipe"> {
  return Bun.spawn([process.execPath, `${import.meta.dir}/program-ways.ts`, ...args], { stderr: "pipe" });
}

describe("a program", () => {
  test.each([
    { args: ["--help"], ended: { code: 0, stdout: "All about it\n", stderr: "" } },
    { args: ["waits", "-h"], ended: { code: 0, stdout: "All about it\n", stderr: "" } },
    { args: ["done"], ended: { code: 0, stdout: "", stderr: "" } },
    { args: ["three"], ended: { code: 3, stdout: "", stderr: "" } },
    { args: ["x"], ended: { code: 2, stdout: "", stderr: 'There is no "x"\nSee --help for the options\n' } },
    { args: ["explained"], ended: { code: 1, stdout: "", stderr: "It is explained\n" } },
    { args: ["kernel"], ended: { code: 1, stdout: "", stderr: "EPERM: not allowed\n" } },
    // A defect of the program shows where it is.
    {
      args: ["defect"],
      ended: { code: 1, stdout: "", stderr: expect.stringMatching(/A defect.*program-ways\.ts:/s) },
    },
  ])("with $args ends with what it has to say", async ({ args, ended }) => {
    const child = start(...args);
    const [stdout, stderr, code] = await Promise.all([child.stdout.text(), child.stderr.text(), child.exited]);
    expect({ code, stdout, stderr }).toEqual(ended);
  });

  test.each(["SIGINT", "SIGTERM", "SIGHUP"] as const)("ends in order on %s, with exit code 0", async (signal) => {
    const child = start("waits");
    const reader = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
    expect((await reader.read()).value).toBe("ready\n");
    child.kill(signal);
    expect((await reader.read()).value).toBe(`stopped by ${signal}\n`);
    expect([await child.exited, child.signalCode]).toEqual([0, null]);
  });

  test.each([
    { where: "to a reader that has gone: in silence", redirect: "| true", stderr: "", code: "0" },
    {
      where: "to a full disk: says so",
      redirect: ">/dev/full",
      stderr: expect.stringMatching(/^ENOSPC: .*\n$/),
      code: "1",
    },
  ])("writes its help $where", ({ redirect, stderr, code }) => {
    // The reader has gone when the program begins.
    const script = `{ { sleep 0.2; "$1" "$2" --help; echo $? >&3; } ${redirect}; } 3>&1`;
    const ended = runToEnd(["sh", "-c", script, "sh", process.execPath, `${import.meta.dir}/program-ways.ts`]);
    expect([ended.stderr, ended.stdout]).toEqual([stderr, `${code}\n`]);
  });

  test("that does not end is ended by a second signal", async () => {
    const child = start("stays");
    await child.stdout.getReader().read();
    // Signals of a kind that come together are one: more than two, so that two arrive.
    while (child.signalCode === null && child.exitCode === null) {
      child.kill("SIGINT");
      await Bun.sleep(10);
    }
    expect(child.signalCode).toBe("SIGINT");
  });
});
