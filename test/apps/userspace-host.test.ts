/**
 * The userspace host as the kernel sees it: ping, socat, curl, and tshark over what was on the wire.
 *
 *   a namespace of this run                the example's process
 *   198.51.100.1, 2001:db8::1   host0 ==== 198.51.100.2, 2001:db8::2, ports 7 and 80
 */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { CONNECTIONS_MAX, HALF_OPEN_MAX } from "../../apps/userspace-host/tcp.ts";
import { Namespace } from "../io/offload/support/namespaces.ts";
import { describeWithTools } from "../support/privilege.ts";
import { answersIn, interfaceNames, newInterfaces, until } from "../support/system.ts";
import { bigBody } from "./userspace-host-peer.ts";

const EXAMPLE = `${import.meta.dir}/../../apps/userspace-host/index.ts`;
const HOST = "198.51.100.2";
const HOST_IPV6 = "2001:db8::2";
const targets = [
  { version: 4, ip: HOST, web: `http://${HOST}`, udp: `udp4:${HOST}`, largestPing: 1472 },
  { version: 6, ip: HOST_IPV6, web: `http://[${HOST_IPV6}]`, udp: `udp6:[${HOST_IPV6}]`, largestPing: 1452 },
];
const sha256 = (bytes: Uint8Array): string => new Bun.CryptoHasher("sha256").update(bytes).digest("hex");

/** The example at work in a namespace of its own. */
class Running implements Disposable {
  readonly netns: Namespace;
  readonly child: Bun.Subprocess<"ignore", "pipe", "pipe">;

  private constructor(netns: Namespace, child: Running["child"]) {
    this.netns = netns;
    this.child = child;
  }

  static async start(...options: string[]): Promise<Running> {
    const netns = await Namespace.open();
    const command = ["nsenter", `--net=${netns.path}`, process.execPath, EXAMPLE, "--name", "host0", ...options];
    const running = new Running(netns, Bun.spawn(command, { stderr: "pipe" }));
    let text = "";
    for await (const chunk of running.child.stdout.pipeThrough(new TextDecoderStream())) {
      text += chunk;
      if (text.includes("Ctrl-C")) return running;
    }
    running[Symbol.dispose]();
    throw new Error(`The example has ended: ${text}${await running.child.stderr.text()}`);
  }

  /** Sends a signal, and waits for the exit code. */
  async end(signal: NodeJS.Signals): Promise<number> {
    this.child.kill(signal);
    return this.child.exited;
  }

  /** Runs a program that may fail. */
  try(...command: string[]): { exitCode: number; output: string } {
    const through = ["nsenter", `--net=${this.netns.path}`, ...command];
    const { exitCode, stdout, stderr } = Bun.spawnSync(through, { timeout: 60_000 });
    return { exitCode, output: `${stdout}${stderr}` };
  }

  /** A counter out of the host's own page. */
  count(what: string): number {
    const line = this.netns
      .run("curl", "-sS", "--max-time", "30", `http://${HOST}/`)
      .split("\n")
      .find((each) => each.endsWith(`  ${what}`));
    return Number(line?.trim().split("  ")[0] ?? 0);
  }

  async sha256Of(url: string): Promise<string> {
    const curl = this.netns.start("sh", "-c", `curl --silent --show-error --fail --max-time 50 '${url}' | sha256sum`);
    return (await curl.rest()).slice(0, 64);
  }

  interfaces(): string[] {
    return (JSON.parse(this.netns.run("ip", "-j", "link", "show")) as { ifname: string }[]).map(({ ifname }) => ifname);
  }

  [Symbol.dispose](): void {
    this.child.kill("SIGKILL");
    this.netns[Symbol.dispose]();
  }
}

/** SYNs from many addresses that nobody has, so that nobody answers what comes back. */
const FLOOD = `
import socket, struct, sys
def checksum(data):
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16: total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff
raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
to = socket.inet_aton("${HOST}")
for i in range(int(sys.argv[1])):
    source = socket.inet_aton(f"203.0.113.{1 + i % 250}")
    tcp = lambda check: struct.pack("!HHIIBBHHH", 1024 + i, 80, i * 7919, 0, 0x50, 2, 64240, check, 0)
    ip = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 40, i, 0, 64, 6, 0, source, to)
    raw.sendto(ip + tcp(checksum(source + to + struct.pack("!HH", 6, 20) + tcp(0))), ("${HOST}", 0))
`;

/** The packets of a capture in which tshark finds something wrong, one a line. */
async function wrongIn(path: string): Promise<{ packets: number; wrong: string; analysed: string }> {
  const protocols = ["ip", "tcp", "udp", "icmp", "icmpv6"];
  const bad = [...protocols.map((name) => `${name}.checksum.status == "Bad"`), "_ws.malformed"].join(" || ");
  const check = ["ip", "tcp", "udp"].flatMap((name) => ["-o", `${name}.check_checksum:TRUE`]);
  const tshark = async (...options: string[]): Promise<string> => {
    const child = Bun.spawn(["tshark", "-n", "-r", path, ...check, ...options], { stderr: "pipe" });
    const [text, errors] = await Promise.all([child.stdout.text(), child.stderr.text()]);
    if ((await child.exited) !== 0) throw new Error(`tshark failed: ${errors}`);
    return text;
  };
  const all = await tshark("-T", "fields", "-e", "frame.number");
  return {
    packets: all.split("\n").length - 1,
    wrong: await tshark("-Y", bad),
    // What a loss, or a fault of either TCP, would show as; a window that is used up or opens is neither.
    analysed: await tshark("-Y", "tcp.analysis.flags && !tcp.analysis.window_update && !tcp.analysis.window_full"),
  };
}

describeWithTools("a host in TypeScript", ["ip", "ping", "curl", "socat", "nsenter", "unshare", "sha256sum"], () => {
  let host: Running;
  let folder: string;
  beforeAll(async () => {
    folder = mkdtempSync(`${tmpdir()}/bun-tuntap-host-`);
    host = await Running.start();
  });
  afterAll(() => {
    host[Symbol.dispose]();
    rmSync(folder, { recursive: true });
  });

  test.each(targets)("answers ping over IPv$version, as large as the link takes", ({ version, ip, largestPing }) => {
    const ping = (...options: string[]): string =>
      host.netns.run("ping", `-${version}`, "-q", "-w", "30", ...options, ip);
    expect(answersIn(ping("-c", "3", "-i", "0.05"))).toBeGreaterThanOrEqual(3);
    for (const size of [0, 1, 1400, largestPing]) {
      expect(answersIn(ping("-c", "1", "-M", "do", "-s", `${size}`))).toBeGreaterThanOrEqual(1);
    }
  });

  test.each(targets)("drops the fragments of a larger one, IPv$version, and counts them", ({ version, ip }) => {
    const before = host.count("fragments dropped");
    const { exitCode } = host.try("ping", `-${version}`, "-q", "-c", "1", "-W", "0.2", "-s", "3000", ip);
    expect({ exitCode, dropped: host.count("fragments dropped") - before }).toEqual({ exitCode: 1, dropped: 3 });
  });

  test.each(targets)("echoes UDP over IPv$version", async ({ ip }) => {
    for (const text of ["hello\n", "\n", `${"many ".repeat(280)}\n`]) {
      const file = `${folder}/datagram`;
      writeFileSync(file, text);
      // Ends with the first datagram, however late that comes.
      const echo = `exec 3<>/dev/udp/${ip}/7; cat ${file} >&3; dd bs=65536 count=1 <&3 2>/dev/null`;
      const bash = host.netns.start("timeout", "20", "bash", "-c", echo);
      expect(await bash.rest()).toBe(text);
    }
  });

  test.each(targets)("refuses UDP to other ports over IPv$version, as the kernel tells the sender", ({ udp }) => {
    const { exitCode, output } = host.try("sh", "-c", `echo x | socat -t 5 - '${udp}:9'`);
    expect(output).toContain("Connection refused");
    expect(exitCode).not.toBe(0);
  });

  test.each(targets)("serves a page over IPv$version", ({ web }) => {
    const curl = (...options: string[]): string => host.netns.run("curl", "-sS", "--max-time", "30", ...options);
    const [head, body] = curl("--include", `${web}/`).split("\r\n\r\n") as [string, string];
    expect(head).toMatch(/^HTTP\/1\.1 200 OK\r\n/);
    expect(body).toMatch(/^This host exists only in TypeScript\./);
    expect(body).toMatch(/\n +[1-9]\d* {2}requests answered\n/);
    const verdict = (...options: string[]): string =>
      curl("-o", "/dev/null", "-w", "%{http_code} %{size_download}", ...options);
    expect(verdict("--head", `${web}/`)).toBe("200 0");
    expect(verdict(`${web}/nothing`)).toStartWith("404 ");
    expect(verdict("--data", "x=1", `${web}/`)).toStartWith("405 ");
    expect(verdict("-H", `X: ${"y".repeat(9000)}`, `${web}/`)).toStartWith("431 ");
  });

  test.each(targets)("sends five million bytes over IPv$version, each of them right", async ({ web }) => {
    expect(await host.sha256Of(`${web}/big?bytes=5000000`)).toBe(sha256(bigBody(5_000_000)));
  });

  test("serves twenty at once", async () => {
    const lengths = Array.from({ length: 20 }, (_, i) => 100_000 + i);
    const found = await Promise.all(lengths.map((n) => host.sha256Of(`${targets[n % 2]!.web}/big?bytes=${n}`)));
    expect(found).toEqual(lengths.map((n) => sha256(bigBody(n))));
  });

  test.each(targets)("refuses connections to other ports over IPv$version at once", ({ web }) => {
    // 7 is "failed to connect"; what is not answered would be 28, after these thirty seconds.
    const { exitCode, output } = host.try("curl", "-sS", "--max-time", "30", `${web}:81/`);
    expect(output).toContain("Couldn't connect to server");
    expect(exitCode).toBe(7);
  });
});

describeWithTools("a host in TypeScript on a bad link", ["ip", "curl", "nsenter", "unshare", "sha256sum"], () => {
  test.each([
    { lose: 7, bytes: 100_000 },
    { lose: 40, bytes: 1_000_000 },
  ])("that loses one packet in $lose: the bytes are right", async ({ lose, bytes }) => {
    using host = await Running.start("--lose", `${lose}`);
    for (const { web } of targets) {
      expect(await host.sha256Of(`${web}/big?bytes=${bytes}`)).toBe(sha256(bigBody(bytes)));
    }
    expect(host.count("segments sent again")).toBeGreaterThan(bytes / 1460 / lose / 2);
  });
});

describeWithTools(
  "a host in TypeScript under a flood",
  ["ip", "curl", "nsenter", "unshare", "python3", "sha256sum"],
  () => {
    test("of 1000 SYNs keeps few, stays small, and serves on", async () => {
      using host = await Running.start();
      const memory = (): number =>
        Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${host.child.pid}/status`, "latin1"))?.[1]) / 1024;
      // All of them are to reach it, or there is no flood.
      host.netns.run("ip", "link", "set", "host0", "txqueuelen", "2000");
      expect(host.count("connections dropped")).toBe(0);
      const before = memory();
      host.netns.run("python3", "-c", FLOOD, "1000");
      expect(host.count("connections in SYN-RECEIVED")).toBeLessThanOrEqual(HALF_OPEN_MAX);
      expect(host.count("connections dropped")).toBeGreaterThanOrEqual(1000 - HALF_OPEN_MAX);
      host.netns.run("python3", "-c", FLOOD, "10000");
      expect(await host.sha256Of(`http://${HOST}/big?bytes=100000`)).toBe(sha256(bigBody(100_000)));
      const open = host.count("connections in SYN-RECEIVED") + host.count("connections in TIME-WAIT");
      expect(open).toBeLessThan(CONNECTIONS_MAX);
      // 11000 connections with a buffer each would be 700 MB.
      expect(memory() - before).toBeLessThan(64);
    });
  },
);

describeWithTools(
  "a host in TypeScript, as tshark sees it",
  ["ip", "ping", "curl", "socat", "tshark", "tcpdump", "nsenter", "unshare", "python3", "sha256sum"],
  () => {
    let folder: string;
    beforeAll(() => {
      folder = mkdtempSync(`${tmpdir()}/bun-tuntap-host-`);
    });
    afterAll(() => rmSync(folder, { recursive: true }));

    /** Talks to a new host in each way, and returns what tshark says of it. */
    async function watched(path: string): ReturnType<typeof wrongIn> {
      rmSync(path, { force: true });
      using host = await Running.start();
      using tcpdump = host.netns.start("tcpdump", "-i", "host0", "-w", path, "-U", "-B", "16384");
      // The header of the file is written once it listens.
      await until(() => (statSync(path, { throwIfNoEntry: false })?.size ?? 0) >= 24, "that tcpdump listens");
      for (const { ip, web, udp } of targets) {
        host.netns.run("ping", "-q", "-c", "2", "-i", "0.05", "-s", "1399", ip);
        host.netns.run("sh", "-c", `printf odd | socat -t 0.2 - '${udp}:7'`);
        host.try("sh", "-c", `printf odd | socat -t 5 - '${udp}:9'`);
        host.try("curl", "-sS", "--max-time", "30", `${web}:81/`);
        host.netns.run("curl", "-sS", "--max-time", "30", `${web}/`);
        await host.sha256Of(`${web}/big?bytes=1000001`);
      }
      await tcpdump.end();
      return wrongIn(path);
    }

    test("sends no bad checksum and nothing malformed, and its TCP gives no cause for remarks", async () => {
      const path = `${folder}/host.pcap`;
      // A machine that is busy for long makes Linux send again, which tshark remarks: one undisturbed run is asked for.
      let seen = await watched(path);
      for (let tries = 1; tries < 3 && seen.analysed !== ""; tries++) seen = await watched(path);
      expect({ wrong: seen.wrong, analysed: seen.analysed }).toEqual({ wrong: "", analysed: "" });
      expect(seen.packets).toBeGreaterThan(1400);
      // It would be found: one byte of the last packet but a few.
      const capture = readFileSync(path);
      capture[capture.length - 10]! ^= 1;
      writeFileSync(path, capture);
      expect((await wrongIn(path)).wrong.split("\n").length).toBe(2);
    });

    test("nor does it while packets are lost and sent again, or SYNs flood it", async () => {
      using host = await Running.start("--lose", "20");
      const path = `${folder}/lossy.pcap`;
      using tcpdump = host.netns.start("tcpdump", "-i", "host0", "-w", path, "-U", "-B", "16384");
      await until(() => (statSync(path, { throwIfNoEntry: false })?.size ?? 0) >= 24, "that tcpdump listens");
      host.netns.run("python3", "-c", FLOOD, "300");
      await host.sha256Of(`http://${HOST}/big?bytes=300000`);
      await tcpdump.end();
      const { packets, wrong, analysed } = await wrongIn(path);
      expect({ wrong, some: packets > 500 }).toEqual({ wrong: "", some: true });
      // A busy machine takes more time for it than tshark lets a fast one have.
      expect(analysed).toMatch(/\[TCP (Fast )?Retransmission\]/);
    });
  },
);

describeWithTools("the end of a host in TypeScript", ["ip", "curl", "nsenter", "unshare"], () => {
  test.each([
    { signal: "SIGINT", code: 0 },
    { signal: "SIGTERM", code: 0 },
  ] as const)("$signal: exit code $code, and nothing is left", async ({ signal, code }) => {
    using host = await Running.start();
    expect(host.interfaces()).toEqual(["lo", "host0"]);
    host.netns.run("curl", "-sS", "-o", "/dev/null", "--max-time", "30", `http://${HOST}/`);
    expect(await host.end(signal)).toBe(code);
    expect(host.interfaces()).toEqual(["lo"]);
    expect(host.netns.run("ip", "-j", "route", "show", "table", "all")).not.toContain("198.51.100");
  });

  test("when somebody deletes the interface it says so, and ends", async () => {
    using host = await Running.start();
    host.netns.run("ip", "link", "delete", "host0");
    expect(await host.child.exited).toBe(1);
    expect(await host.child.stderr.text()).toMatch(/^\w+: /);
  });

  test("while the interface is down packets are lost, and then it goes on", async () => {
    using host = await Running.start();
    const curl = host.sha256Of(`http://${HOST}/big?bytes=16000000`);
    await until(() => /host0:\s+[1-9]/.test(host.netns.run("cat", "/proc/thread-self/net/dev")), "packets");
    host.netns.run("ip", "link", "set", "host0", "down");
    host.netns.run("ip", "link", "set", "host0", "up");
    await curl.catch(() => undefined);
    expect(host.netns.run("curl", "-sS", "--max-time", "30", `http://${HOST}/`)).toContain("requests answered");
  });
});

describeWithTools("a host in TypeScript with other addresses", ["ip", "ping", "nsenter", "unshare"], () => {
  test("answers on those, however they are written, and shows each packet", async () => {
    using netns = await Namespace.open();
    const addresses = ["--ipv4", "192.0.2.9", "--ipv6", "2001:DB8:0:0::9", "--kernel-ipv4", "192.0.2.1"];
    using program = netns.start(process.execPath, EXAMPLE, "--show", ...addresses);
    expect(await program.line()).toBe(
      "192.0.2.9 and 2001:db8::9 are behind tun0, and exist only in TypeScript. In another shell:",
    );
    while (!(await program.line()).startsWith("Ctrl-C")) {}
    for (const [kernel, host] of [
      ["192.0.2.1", "192.0.2.9"],
      ["2001:db8::1", "2001:db8::9"],
    ] as const) {
      netns.run("ping", "-q", "-c", "1", "-w", "30", host);
      expect(await program.line()).toMatch(
        new RegExp(`^to the host    IP6? ${kernel} > ${host}: ICMP6?,? echo request`),
      );
      expect(await program.line()).toMatch(new RegExp(`^from the host  IP6? ${host} > ${kernel}: ICMP6?,? echo reply`));
    }
    await program.end();
  });
});

describeWithTools("the command line of a host in TypeScript", ["ip"], () => {
  const started = (...command: string[]): { exitCode: number; stdout: string; stderr: string } => {
    const { exitCode, stdout, stderr } = Bun.spawnSync(command, { timeout: 60_000 });
    return { exitCode, stdout: `${stdout}`, stderr: `${stderr}` };
  };

  test("--help shows the options, and makes nothing", () => {
    const before = interfaceNames();
    const { exitCode, stdout, stderr } = started(process.execPath, EXAMPLE, "--help");
    expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: "" });
    for (const option of ["name", "ipv4", "ipv6", "kernel-ipv4", "kernel-ipv6", "lose", "show"]) {
      expect(stdout).toContain(`  --${option}`);
    }
    expect(newInterfaces(before)).toEqual([]);
  });

  test.each([
    { options: ["--ipv4", "198.51.100"], says: '--ipv4 is "198.51.100", wanted an IPv4 address' },
    { options: ["--ipv6", "2001:db8::x"], says: '--ipv6 is "2001:db8::x", wanted an IPv6 address' },
    { options: ["--lose", "1"], says: '--lose is "1", wanted 0 or a number from 2' },
    { options: ["--colour"], says: "--colour" },
  ])("$options is refused", ({ options, says }) => {
    const { exitCode, stderr } = started(process.execPath, EXAMPLE, ...options);
    expect(stderr).toContain(says);
    expect(exitCode).toBe(2);
  });

  test("says in a line what is wrong with the name of the interface", () => {
    const { exitCode, stderr } = started(process.execPath, EXAMPLE, "--name", "longer-than-names-may-be");
    expect({ exitCode, stderr }).toEqual({ exitCode: 1, stderr: expect.stringMatching(/^Option "name" [^\n]+\n$/) });
  });

  test("without the privilege it names the missing one", () => {
    const setpriv = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", "--bounding-set", "-all"];
    const { exitCode, stderr } = started(...setpriv, process.execPath, EXAMPLE);
    expect(stderr).toMatch(/^E(PERM|ACCES): /);
    expect(exitCode).toBe(1);
  });
});
