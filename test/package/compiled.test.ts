/** A compiled executable where there is nothing else: no compiler, no headers, no `ip`, no /tmp, no /etc. */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { readFileSync, rmSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { describeWithTools } from "../support/privilege.ts";
import { interfaceNames, newInterfaces, quietIPv6 } from "../support/system.ts";
import { listing, makeBareRoot, runInBareRoot, sharedObjects } from "./bare-root.ts";
import { mustRunIn, programPath, projectPath, runIn, temporaryFolder } from "./support.ts";

const tools = ["unshare", "mount", "chroot", "ldd", "ip"];

function compile(source: string, executable: string): void {
  mustRunIn("/", process.execPath, "build", "--compile", source, "--outfile", executable);
}

describeWithTools("a compiled executable", tools, () => {
  let folder: ReturnType<typeof temporaryFolder>;
  let executable: string;
  let root: string;

  beforeAll(() => {
    quietIPv6();
    folder = temporaryFolder();
    executable = join(folder.path, "neighbour");
    root = join(folder.path, "root");
    compile(programPath("neighbour.ts"), executable);
  }, 180_000);
  afterAll(() => folder?.[Symbol.dispose]());

  const wanted = {
    stdout: [
      "box0 02:00:5e:00:53:01 1400 up",
      "ARP: 192.0.2.1 at 02:00:5e:00:53:01 asks for 192.0.2.2",
      "UDP: 192.0.2.1 to 02:00:5e:00:53:02: Hello, neighbour",
      'ICMP: {"type":0,"identifier":53,"sequenceNumber":1,"checksumIsValid":true}',
      "echoed: Are you there?",
      "done",
      "",
    ].join("\n"),
    stderr: "",
    exitCode: 0,
  };

  test("runs from another folder, as any other", () => {
    expect(runIn("/", executable)).toEqual(wanted);
  }, 180_000);

  describe("in a root with its shared objects, /proc and /dev/net/tun alone", () => {
    beforeEach(async () => {
      rmSync(root, { recursive: true, force: true });
      await mkdir(root);
      makeBareRoot(root, executable);
    });

    test.each(["rw", "ro"] as const)(
      "talks to a neighbour; the root is mounted %s",
      (access) => {
        const mounts = readFileSync("/proc/self/mountinfo", "latin1");
        const interfaces = interfaceNames();
        const files = ["/dev/net/tun", "/proc", "/program", ...sharedObjects(executable)].sort();
        expect(listing(root)).toEqual(files);

        expect(runInBareRoot(root, access)).toEqual(wanted);

        // Nothing was written, and nothing is left: no mount, no interface.
        expect(listing(root)).toEqual(files);
        expect(readFileSync("/proc/self/mountinfo", "latin1")).toBe(mounts);
        expect(newInterfaces(interfaces)).toEqual([]);
      },
      180_000,
    );
  });

  test("examples/demo.ts runs in such a root too", async () => {
    const compiled = join(folder.path, "demo");
    const demoRoot = join(folder.path, "demo-root");
    compile(join(projectPath, "examples/demo.ts"), compiled);
    await mkdir(demoRoot);
    makeBareRoot(demoRoot, compiled);
    const { stdout, ...end } = runInBareRoot(demoRoot, "ro");
    expect(end).toEqual({ stderr: "", exitCode: 0 });
    expect(stdout).toContain("192.0.2.2");
  }, 180_000);
});
