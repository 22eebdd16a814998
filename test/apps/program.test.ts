/** The frame of the programs: arguments, signals and exit codes. */
import { describe, expect, test } from "bun:test";
import { parseInteger, parseListen } from "../../apps/support/values.ts";

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

test.each([
  ["192.0.2.1:7000", { hostname: "192.0.2.1", port: 7000 }],
  ["[2001:db8::1]:0", { hostname: "2001:db8::1", port: 0 }],
  ["localhost:65535", { hostname: "localhost", port: 65_535 }],
])("%s is an address to listen at", (text, listen) => expect(parseListen("at", text)).toEqual(listen));

test.each(["", "7000", "192.0.2.1", "192.0.2.1:", "2001:db8::1:7000", ":7000", "a:65536", "a:-1"])(
  "%p is no address to listen at",
  (text) => expect(() => parseListen("at", text)).toThrow("--at must be"),
);

test.each(["", " 5", "5.0", "0x5", "-5", "4", "8", "1e1"])("%p is no whole number from 5 to 7", (text) =>
  expect(() => parseInteger("n", text, { min: 5, max: 7 })).toThrow(
    `--n must be a whole number from 5 to 7, got "${text}"`,
  ),
);

test("whole numbers within the limits are read", () => {
  expect(["5", "6", "7", "007"].map((text) => parseInteger("n", text, { min: 5, max: 7 }))).toEqual([5, 6, 7, 7]);
});
