/** `dump` and `read`: packets as lines, answered, written for Wireshark and read again. */
import { afterAll, beforeAll, beforeEach, describe, expect, setDefaultTimeout, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { buildCapture, LinkType } from "../../src/capture/index.ts";
import { answerTo } from "../../src/cli/answer.ts";
import { wordFilter } from "../../src/cli/packets.ts";
import {
  buildArp,
  buildIcmpv6,
  buildIPv6,
  buildNeighborSolicitation,
  describe as line,
} from "../../src/packet/index.ts";
import { describeWithTools } from "../support/privilege.ts";
import { runToEnd } from "../support/programs.ts";
import { answersIn, interfaceNames, run, until } from "../support/system.ts";
import { command, onTerminal, program, Running } from "./support.ts";

setDefaultTimeout(60_000);

let folder: string;
let file: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "bun-tuntap-cli-"));
  file = join(folder, "made.pcapng");
  writeFileSync(file, buildCapture({ name: "made0", linkType: LinkType.RAW }, made));
});
afterAll(() => rmSync(folder, { recursive: true }));

const ends = { source: "2001:db8::1", destination: "2001:db8::2" };
/** Switches IPv6 on or off for interfaces that are made from now on. */
function setIPv6(on: boolean): void {
  run("sh", "-c", `echo ${on ? 0 : 1} > /proc/sys/net/ipv6/conf/default/disable_ipv6`);
}

/** Fifty pings and their answers. */
const made = Array.from({ length: 100 }, (_, i) => ({
  timestampNs: 1_700_000_000_000_000_000n + BigInt(i) * 1_500_000n,
  direction: i % 2 === 0 ? ("outbound" as const) : ("inbound" as const),
  frame: buildIPv6({
    ...ends,
    nextHeader: 58,
    payload: buildIcmpv6({ ...ends, type: 128 + (i % 2), body: Uint8Array.of(0, 1, 0, i) }),
  }),
}));

const request = made[0]?.frame as Uint8Array;
const reply = made[1]?.frame as Uint8Array;

describe("read", () => {
  test("prints a line for each packet: time, direction, and the words of describe()", () => {
    const { stdout, stderr, exitCode } = command(["read", file], { TZ: "UTC" });
    expect({ stderr, exitCode }).toEqual({ stderr: "", exitCode: 0 });
    const lines = stdout.trimEnd().split("\n");
    expect(lines).toHaveLength(100);
    expect(lines[1]).toBe(`22:13:20.001500 in  ${line(reply, "tun")}`);
  });

  test("--json prints an object a line, with the bytes and every nanosecond", () => {
    const { stdout } = command(["read", file, "--json", "-n", "2"]);
    const [, second] = stdout
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line));
    expect(second).toEqual({
      time: "2023-11-14T22:13:20.001Z",
      timestampNs: "1700000000001500000",
      interface: "made0",
      direction: "inbound",
      originalLength: 48,
      text: line(reply, "tun"),
      bytes: reply.toHex(),
    });
  });

  test.each([
    { args: ["reply"], count: 50 },
    { args: ["REPLY", "seq", "2001:db8::1"], count: 50 },
    { args: ["-x", "reply"], count: 50 },
    { args: ["-x", "reply", "-x", "echo"], count: 0 },
    { args: ["seq 7"], count: 1 },
    { args: ["repl"], count: 0 },
    { args: ["-n", "3"], count: 3 },
  ])("$args prints $count of 100", ({ args, count }) => {
    const { stdout, exitCode } = command(["read", file, ...args]);
    expect([stdout.split("\n").length - 1, exitCode]).toEqual([count, 0]);
  });

  test("- reads standard input", () => {
    const { stdout } = runToEnd([
      "sh",
      "-c",
      'cat "$1" | "$2" "$3" read - -n 1',
      "sh",
      file,
      process.execPath,
      program,
    ]);
    expect(stdout).toContain("echo request");
  });

  test.each([
    { name: "nothing there", args: ["/no/such/file"], says: "ENOENT" },
    { name: "no capture", args: [program], says: "no pcapng section begins here" },
  ])("$name is a failure: one line on stderr", ({ args, says }) => {
    const { stdout, stderr, exitCode } = command(["read", ...args]);
    expect({ stdout, exitCode, lines: stderr.split("\n").length }).toEqual({ stdout: "", exitCode: 1, lines: 2 });
    expect(stderr).toContain(says);
  });

  test("says when its results cannot be written", () => {
    const script = `"$1" "$2" read "$3" >/dev/full; echo $?`;
    const { stdout, stderr } = runToEnd(["sh", "-c", script, "sh", process.execPath, program, file]);
    expect([stdout, stderr]).toEqual(["1\n", "bun-tuntap read: ENOSPC: no space left on device, write\n"]);
  });

  test("ends in silence when nobody reads on", () => {
    const many = join(folder, "many.pcapng");
    writeFileSync(
      many,
      buildCapture({ name: "made0", linkType: LinkType.RAW }, Array.from({ length: 300 }, () => made).flat()),
    );
    const script = `"$1" "$2" read "$3" | head -n 1; echo "\${PIPESTATUS[0]}"`;
    const { stdout, stderr } = runToEnd(["bash", "-c", script, "bash", process.execPath, program, many]);
    expect(stderr).toBe("");
    expect(stdout).toEndWith("\n0\n");
  });
});

describeWithTools("on a terminal", ["script"], () => {
  test("read has colour, but not with NO_COLOR, nor in JSON, nor in a pipe", () => {
    const cyan = "\x1b[36mout \x1b[39m";
    expect(onTerminal(["read", file]).stdout).toContain(cyan);
    expect(onTerminal(["read", file], { NO_COLOR: "1" }).stdout).not.toContain("\x1b[");
    expect(onTerminal(["read", file, "--json"]).stdout).not.toContain("\x1b[");
    expect(command(["read", file]).stdout).not.toContain("\x1b[");
  });
});

describe("wordFilter()", () => {
  const text = "IP 192.0.2.1.4321 > 192.0.2.10.80: Flags [S], seq 1, length 0";
  test.each([
    ["192.0.2.1", true],
    ["192.0.2.10", true],
    ["192.0.2.100", false],
    ["2.0.2.1", false],
    ["80", true],
    ["8", false],
    ["flags", true],
    ["[S]", true],
    ["flag", false],
    [".", true],
  ])("%p: %p", (word, found) => expect(wordFilter([word], [])(text)).toBe(found));

  test("an IPv6 address that goes on is another one", () => {
    const other = "IP6 2001:db8::1:2 > 2001:db8::2: ICMP6, echo request";
    expect(wordFilter(["2001:db8::1"], [])(other)).toBe(false);
    expect(wordFilter(["2001:db8::2"], [])(other)).toBe(true);
    expect(wordFilter(["db8::2"], [])(other)).toBe(false);
  });
});

describe("answerTo()", () => {
  const probe = {
    operation: 1,
    senderMac: "02:00:5e:00:53:09",
    targetMac: "00:00:00:00:00:00",
    targetIPv4: "192.0.2.1",
  };
  const arp = (senderIPv4: string): Uint8Array => {
    const payload = buildArp({ ...probe, senderIPv4 });
    return Uint8Array.of(...new Uint8Array(6).fill(255), 2, 0, 0x5e, 0, 0x53, 9, 8, 6, ...payload);
  };

  test("answers no probe of a host that is about to take the address", () => {
    expect(answerTo(arp("0.0.0.0"), "tap")).toBeUndefined();
    expect(answerTo(arp("192.0.2.1"), "tap")).toBeUndefined();
    expect(answerTo(arp("192.0.2.9"), "tap")).toBeDefined();
    const from = { source: "::", destination: "ff02::1:ff00:1" };
    const payload = buildNeighborSolicitation({ ...from, target: "2001:db8::1" });
    expect(answerTo(buildIPv6({ ...from, nextHeader: 58, hopLimit: 255, payload }), "tun")).toBeUndefined();
  });

  test("says nothing to groups, nor to what is malformed", () => {
    const group = { source: "2001:db8::1", destination: "ff02::1" };
    const payload = buildIcmpv6({ ...group, type: 128, body: new Uint8Array(4) });
    expect(answerTo(buildIPv6({ ...group, nextHeader: 58, payload }), "tun")).toBeUndefined();
    for (let length = 0; length < 48; length++) {
      expect(answerTo(request.subarray(0, length), "tun")).toBeUndefined();
      expect(answerTo(new Uint8Array(length), "tap")).toBeUndefined();
    }
  });
});

describeWithTools("dump", ["ip", "ping", "tshark"], () => {
  // IPv6 speaks by itself, where it is on: most of these tests count packets.
  beforeEach(() => setIPv6(false));
  afterAll(() => setIPv6(false));
  /** Waits for the route that comes with the address, which is set last. */
  const isReachable = (name: string): boolean =>
    interfaceNames().includes(name) && run("ip", "route", "show", "dev", name).includes("192.0.2.0/24");

  test.each(["tun", "tap"] as const)(
    "of a %s answers ping, and writes what tshark reads",
    async (kind) => {
      const written = join(folder, `${kind}.pcapng`);
      const name = `cli${kind}`;
      setIPv6(true);
      const options = ["--name", name, "--answer", "-w", written];
      await using running = Running.start("dump", ...(kind === "tap" ? ["--tap"] : []), ...options);
      await until(() => isReachable(name) || running.hasEnded, "the interface is up");
      expect(answersIn(run("ping", "-n", "-c", "2", "-w", "20", "192.0.2.2"))).toBe(2);
      expect(answersIn(run("ping", "-n", "-c", "2", "-w", "20", "2001:db8::2"))).toBe(2);
      await running.prints(kind === "tap" ? "in  ARP, Reply 192.0.2.2 is-at 02:00:5e:00:53:02" : "in  IP 192.0.2.2");
      await running.prints("in  IP6 2001:db8::2 > 2001:db8::1: ICMP6, echo reply");
      running.signal("SIGINT");
      const { code, stdout, stderr } = await running.ended();
      expect(code).toBe(0);
      expect(stderr).toMatch(/^\d+ packets written to /);
      expect(interfaceNames()).not.toContain(name);
      const fields = ["-T", "fields", "-e", "icmp.type", "-Y", "icmp"];
      const types = run("tshark", "-n", "-r", written, ...fields)
        .trim()
        .split("\n");
      expect(types.slice(0, 4)).toEqual(["8", "0", "8", "0"]);
      const packets = Number(/^\d+/.exec(stderr));
      expect(run("tshark", "-n", "-r", written).trim().split("\n")).toHaveLength(packets);
      // Nothing malformed, and no checksum wrong.
      const wrong =
        "_ws.malformed || ip.checksum.status == 0 || icmp.checksum.status == 0 || icmpv6.checksum.status == 0";
      const checks = ["-o", "ip.check_checksum:TRUE"];
      expect(run("tshark", "-n", "-r", written, ...checks, "-Y", wrong)).toBe("");
      // `read` prints of the file what `dump` printed, but for the times, and the order within a batch.
      const words = (text: string): string[] =>
        text
          .trimEnd()
          .split("\n")
          .map((line) => line.replace(/^\S+ /, ""))
          .sort();
      expect(words(command(["read", written]).stdout)).toEqual(words(stdout));
    },
    200_000,
  );

  test("--write - is a capture on standard output, and nothing else is there", async () => {
    const written = join(folder, "stdout.pcapng");
    const script = '"$1" "$2" dump --name cliout --address 192.0.2.1/24 --write - > "$3"';
    await using running = new Running(["sh", "-c", `exec ${script}`, "sh", process.execPath, program, written]);
    await until(() => isReachable("cliout") || running.hasEnded, "the interface is up");
    Bun.spawnSync(["ping", "-c", "1", "-W", "0.1", "192.0.2.2"]);
    const fromTo = Uint8Array.of(192, 0, 2, 1, 192, 0, 2, 2);
    await until(() => readFileSync(written).includes(fromTo) || running.hasEnded, "the request is in the file");
    running.signal("SIGTERM");
    expect((await running.ended()).code).toBe(0);
    expect(run("tshark", "-n", "-r", written)).toContain("Echo (ping) request");
  });

  test("prints no more than were asked for, and ends", async () => {
    await using running = Running.start("dump", "--name", "clin", "--address", "192.0.2.1/24", "-n", "1", "ICMP");
    await until(() => isReachable("clin") || running.hasEnded, "the interface is up");
    Bun.spawnSync(["ping", "-c", "2", "-i", "0.2", "-W", "0.1", "192.0.2.2"]);
    const { code, stdout } = await running.ended();
    expect([code, stdout.split("\n").length]).toEqual([0, 2]);
  });

  test("says how many packets came while it waits, on a terminal, and clears the line at its end", async () => {
    const line = `${process.execPath} ${program} dump --name cliterm --address 192.0.2.1/24`;
    await using running = new Running(["env", "TERM=xterm", "script", "-qec", line, "/dev/null"]);
    await running.prints("cliterm at 192.0.2.1/24 · 0 packets · Ctrl-C ends it");
    Bun.spawnSync(["ping", "-c", "1", "-W", "0.1", "192.0.2.2"]);
    await running.prints("1 packets");
    run("ip", "link", "delete", "cliterm");
    const { stdout } = await running.ended();
    // The error stands on a line of its own.
    expect(stdout.split("\r\x1b[K").at(-1)).toStartWith("bun-tuntap dump: E");
  });

  test("ends with 1 when the interface is deleted, and says so", async () => {
    await using running = Running.start("dump", "--name", "clidel");
    await until(() => isReachable("clidel") || running.hasEnded, "the interface is up");
    run("ip", "link", "delete", "clidel");
    expect(await running.ended()).toMatchObject({ code: 1, stderr: expect.stringMatching(/^bun-tuntap dump: E\w+: /) });
  });
});
