/** The example vpn, compiled, between two network namespaces: ping, curl and iperf3 through it. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { createHash } from "node:crypto";
import { readFileSync, statSync, writeFileSync } from "node:fs";
import { Namespace, type Program } from "../io/offload/support/namespaces.ts";
import { temporaryFolder } from "../package/support.ts";
import { describeWithTools } from "../support/privilege.ts";
import { interfaceNames } from "../support/system.ts";
import {
  allGone,
  compileVpn,
  dropped,
  INNER,
  joinHosts,
  keyFile,
  ping,
  type Stats,
  tunnel,
  Vpn,
} from "./vpn-support.ts";

const MEGABYTES = 100;
const tools = ["ip", "ping", "curl", "python3", "sha256sum", "iperf3", "tcpdump", "nsenter", "unshare"];

/** Two hosts with the tunnel up between them. */
interface Rig extends Disposable {
  readonly left: Namespace;
  readonly right: Namespace;
  readonly listening: Vpn;
  readonly connecting: Vpn;
}

describeWithTools("the example vpn", tools, () => {
  let folder: ReturnType<typeof temporaryFolder>;
  let vpn: string;
  let key: string;
  let digest: string;
  const before = interfaceNames();

  beforeAll(() => {
    folder = temporaryFolder();
    vpn = compileVpn(folder.path);
    key = keyFile(folder.path, "vpn.key");
    const megabyte = crypto.getRandomValues(new Uint32Array(2 ** 14));
    const file = Buffer.concat(
      Array.from({ length: MEGABYTES * 16 }, (_, i) => Buffer.from(megabyte.fill(i, 0, 9).slice().buffer)),
    );
    writeFileSync(`${folder.path}/file`, file);
    digest = createHash("sha256").update(file).digest("hex");
  }, 60_000);
  afterAll(() => {
    folder?.[Symbol.dispose]();
    expect(interfaceNames()).toEqual(before);
  });

  async function open({ outer = "192.0.2.1", more = [] as string[] } = {}): Promise<Rig> {
    using stack = new DisposableStack();
    const [left, right] = [stack.use(await Namespace.open()), stack.use(await Namespace.open())];
    joinHosts(left, right);
    const options = (addresses: readonly string[]): string[] => [
      "--key",
      key,
      ...more,
      ...addresses.flatMap((a) => ["--address", a]),
    ];
    const listening = stack.use(new Vpn(right, vpn, "listen", ...options(tunnel.right)));
    const { port } = await listening.next<{ port: number }>("up");
    const to = outer.includes(":") ? `[${outer}]:${port}` : `${outer}:${port}`;
    const connecting = stack.use(new Vpn(left, vpn, "connect", to, ...options(tunnel.left)));
    expect((await connecting.next("session")).peer).toBe(to);
    await listening.next("session");
    const owned = stack.move();
    return { left, right, listening, connecting, [Symbol.dispose]: () => owned.dispose() };
  }

  /** Ends both, after what is under way has arrived; resolves to their counters, once the processes are gone. */
  async function end({ listening, connecting }: Rig): Promise<{ left: Stats; right: Stats }> {
    for (let turn = 0; turn < 100; turn++) {
      const [left, right] = [await connecting.stats(), await listening.stats()];
      if (Bun.deepEquals([left.sent, right.sent], [right.received, left.received])) break;
      await Bun.sleep(10);
    }
    const [left, right] = [await connecting.end(), await listening.end()];
    await allGone([listening.pid, connecting.pid]);
    return { left, right };
  }

  async function serve(host: Namespace, target: string): Promise<Program> {
    const server = host.start(
      "python3",
      "-u",
      "-m",
      "http.server",
      "8080",
      "--bind",
      target,
      "--directory",
      folder.path,
    );
    expect(await server.line()).toContain("Serving HTTP");
    return server;
  }

  /** The file through the tunnel; resolves to its SHA-256. */
  async function fetchFile({ left }: Rig, target: string, ...options: string[]): Promise<string> {
    const url = `http://${target.includes(":") ? `[${target}]` : target}:8080/file`;
    const curl = ["curl", "--silent", "--fail", "--max-time", "20", ...options, `'${url}'`];
    return (await left.start("sh", "-c", `${curl.join(" ")} | sha256sum`).rest()).slice(0, 64);
  }

  /** Fails if a host of the rig had to split a packet. */
  function expectNoFragments({ left, right }: Rig): void {
    for (const host of [left, right]) {
      expect(host.run("nstat", "-asz", "IpFragCreates", "Ip6FragCreates")).not.toMatch(/FragCreates +[1-9]/);
    }
  }

  test.each([
    { over: "IPv4", outer: "192.0.2.1" },
    { over: "IPv6", outer: "2001:db8::1" },
  ])(
    "carries ping, files and iperf3 over $over, whole and unfragmented, and ends without a trace",
    async ({ outer }) => {
      using rig = await open({ outer });
      expect(await ping(rig.left, INNER.ipv4, 10)).toBe(10);
      expect(await ping(rig.left, INNER.ipv6, 10)).toBe(10);
      // The largest packets that fit: 1420 bytes, headers and all.
      expect(await ping(rig.left, INNER.ipv4, 3, "-M", "do", "-s", "1392")).toBe(3);
      for (const target of Object.values(INNER)) {
        using _server = await serve(rig.right, target);
        expect(await fetchFile(rig, target)).toBe(digest);
      }
      using server = rig.right.start("iperf3", "-s", "-1", "--forceflush");
      await server.line();
      const iperf = JSON.parse(await rig.left.start("iperf3", "-c", INNER.ipv4, "-t", "2", "-J").rest());
      expect(iperf.end.sum_received.bytes).toBeGreaterThan(10_000_000);
      expectNoFragments(rig);
      const { left, right } = await end(rig);
      expect([dropped(left), dropped(right)]).toEqual([{}, {}]);
      expect(right.received).toEqual(left.sent);
      expect(left.received).toEqual(right.sent);
      for (const host of [rig.left, rig.right]) expect(host.run("ip", "link")).not.toContain("vpn");
    },
    60_000,
  );

  test("shows nothing of what it carries", async () => {
    using rig = await open();
    const marker = "c0ffee42".repeat(4);
    const captures = ["veth0", "vpn0"].map((name) => `${folder.path}/${name}.pcap`);
    const dumps = captures.map((path) =>
      rig.left.start(
        "sh",
        "-c",
        `exec tcpdump -i ${path.split("/").at(-1)?.split(".")[0]} -U --immediate-mode -w ${path} 2>&1`,
      ),
    );
    for (const dump of dumps) while (!(await dump.line()).includes("listening on"));
    expect(await ping(rig.left, INNER.ipv4, 5, "-p", marker)).toBe(5);
    for (const dump of dumps) await dump.end();
    const holds = captures.map((path) => readFileSync(path).includes(Buffer.from(marker, "hex")));
    expect(holds).toEqual([false, true]);
    expect(statSync(captures[0] as string).size).toBeGreaterThan(1000);
  }, 30_000);

  test("goes on with the transfer when the other host's address changes in the middle of it", async () => {
    // Where nothing arrives there is nothing to acknowledge: a keep-alive may be the first to come from the new address.
    using rig = await open({ more: ["--keep-alive", "1"] });
    using _server = await serve(rig.right, INNER.ipv4);
    const fetched = fetchFile(rig, INNER.ipv4, "--limit-rate", "40M");
    while ((await rig.connecting.stats()).received.bytes < 20_000_000) await Bun.sleep(20);
    rig.left.run("ip", "address", "delete", "192.0.2.2/24", "dev", "veth0");
    rig.left.run("ip", "address", "add", "192.0.2.77/24", "dev", "veth0");
    expect((await rig.connecting.stats()).received.bytes).toBeLessThan(90_000_000);
    expect((await rig.listening.next("moved")).peer).toStartWith("192.0.2.77:");
    expect(await fetched).toBe(digest);
    const { left, right } = await end(rig);
    expect([left.moves, right.moves, left.sessions, right.sessions]).toEqual([0, 1, 1, 1]);
  }, 30_000);

  test("loses nothing when keys change during a transfer", async () => {
    using rig = await open({ more: ["--rekey-after", "1"] });
    using _server = await serve(rig.right, INNER.ipv4);
    expect(await fetchFile(rig, INNER.ipv4, "--limit-rate", "30M")).toBe(digest);
    const { left, right } = await end(rig);
    expect(left.sessions).toBeGreaterThanOrEqual(3);
    expect([dropped(left), dropped(right)]).toEqual([{}, {}]);
    expect(right.received).toEqual(left.sent);
    expect(left.received).toEqual(right.sent);
  }, 30_000);

  test("does not talk to a host with another key", async () => {
    using stack = new DisposableStack();
    const [left, right] = [stack.use(await Namespace.open()), stack.use(await Namespace.open())];
    joinHosts(left, right);
    const other = keyFile(folder.path, "other.key");
    const listening = stack.use(new Vpn(right, vpn, "listen", "--key", key, "--address", "198.51.100.1/30"));
    await listening.next("up");
    const connecting = stack.use(
      new Vpn(left, vpn, "connect", "192.0.2.1:51820", "--key", other, "--address", "198.51.100.2/30"),
    );
    await connecting.next("up");
    expect(await ping(left, INNER.ipv4, 3, "-w", "1")).toBe(0);
    const [theirs, ours] = [await listening.end(), await connecting.end()];
    expect(Object.keys(dropped(theirs))).toEqual(["wrong key"]);
    expect(Object.keys(dropped(ours))).toEqual(["no session"]);
    expect(theirs.sessions + ours.sessions).toBe(0);
  }, 30_000);

  describe("on the command line", () => {
    const start = (...args: string[]) => {
      const { stdout, stderr, exitCode } = Bun.spawnSync([vpn, ...args], { timeout: 10_000 });
      return { stdout: `${stdout}`, stderr: `${stderr}`, exitCode };
    };

    test("makes a key in a file of the owner's alone, and takes it", () => {
      const path = `${folder.path}/made.key`;
      Bun.spawnSync(["sh", "-c", `umask 022; ${vpn} keygen > ${path}`]);
      expect(statSync(path).mode & 0o777).toBe(0o600);
      expect(Buffer.from(readFileSync(path, "latin1"), "base64").length).toBe(32);
      const { stderr, exitCode } = start("connect", "192.0.2.1:1", "--key", path, "--address", "no address");
      expect({ stderr, exitCode }).toEqual({ stderr: expect.stringContaining("no address"), exitCode: 1 });
    });

    test.each([0o644, 0o640, 0o604])("refuses a key file of mode %o, and says what to do", (mode) => {
      const path = keyFile(folder.path, `open-${mode}.key`, mode);
      const message = `${path} has mode 0${mode.toString(8)}, so that others can use the key: chmod 600 ${path}\n`;
      expect(start("listen", "--key", path)).toEqual({ stdout: "", stderr: message, exitCode: 1 });
    });

    test.each([
      { args: ["listen"], says: "--key is missing: make one with vpn keygen > vpn.key" },
      { args: ["connect", "--key", "k"], says: "Expected keygen, listen or connect HOST:PORT: see --help" },
      { args: ["listen", "--key", "K", "--mtu", "9"], says: '--mtu is "9": expected a number from 1280 to 65455' },
      {
        args: ["listen", "--key", "K", "--mtu", "65456"],
        says: '--mtu is "65456": expected a number from 1280 to 65455',
      },
      {
        args: ["connect", "2001:db8::1:51820", "--key", "K"],
        says: '"2001:db8::1:51820" is no HOST:PORT, such as 192.0.2.1:51820',
      },
      { args: ["listen", "--colour"], says: "see --help" },
    ])("says what is wrong: $says", ({ args, says }) => {
      const { stderr, exitCode } = start(...args.map((arg) => (arg === "K" ? key : arg)));
      expect({ stderr, exitCode }).toEqual({ stderr: expect.stringContaining(says), exitCode: 2 });
    });

    test("names the host that it cannot find", () => {
      const { stderr, exitCode } = start("connect", "no-such-name.invalid:1", "--key", key);
      expect({ stderr, exitCode }).toEqual({ stderr: expect.stringContaining("no-such-name.invalid"), exitCode: 1 });
    });

    test("explains itself", () => {
      expect(start("--help")).toEqual({
        stdout: expect.stringContaining("vpn connect HOST:PORT"),
        stderr: "",
        exitCode: 0,
      });
    });
  });
});
