/** The backbone on real NATS servers: who is let in by what credentials, who is told what is wrong, and what is bounded. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { createUser } from "@nats-io/nkeys";
import type { ConnectOptions } from "../../apps/switch/backbone/connection.ts";
import type { Entered } from "../../apps/switch/backbone/enter.ts";
import type { Peer } from "../../apps/switch/backbone/peer.ts";
import { ProgramError } from "../../src/cli/program.ts";
import { describeWithTools } from "../support/privilege.ts";
import { run, until } from "../support/system.ts";
import { Authority } from "./authority.ts";
import { NATS, type NatsOptions, NatsServer } from "./nats.ts";
import { credsOf, operatorConfig } from "./nats-jwt.ts";
import { BROADCAST, frameOf } from "./switch-bus.ts";
import { example } from "./switch-lan.ts";
import { TestHub } from "./switch-test-hub.ts";

/** Ports from here on are this file's. */
const PORT = 4230;

/** Two hubs exchange a broadcast and a frame for each other. */
async function exchange(one: TestHub, other: TestHub): Promise<void> {
  const [before, after] = [one.marks.length, other.marks.length];
  await until(() => one.summary.hubs.length === 1 && other.summary.hubs.length === 1, "they know each other");
  // A hub is known a little before its subscription to floods has got to every server.
  await until(() => {
    one.send(frameOf(BROADCAST, 0x21, 1));
    return other.marks.length > after;
  }, "a broadcast comes");
  await until(() => other.summary.hubs[0]?.macs === 1, "its source is known");
  other.send(frameOf(0x21, 0x22, 2));
  await until(() => one.marks.length > before, "an answer comes");
  expect([one.marks.slice(before), new Set(other.marks.slice(after))]).toEqual([[2], new Set([1])]);
}

describeWithTools("hubs on NATS", [NATS, "ip", "openssl"], () => {
  let folder: string;
  let port = PORT;

  beforeAll(() => {
    run("ip", "link", "set", "lo", "up");
    folder = mkdtempSync(`${tmpdir()}/bun-tuntap-backbone-`);
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  const startServer = (options: NatsOptions = {}): Promise<NatsServer> =>
    NatsServer.start({ port: port++, ...options });

  test("reach each other, and notice that a server is silent", async () => {
    await using server = await startServer();
    await using one = await new TestHub().enter([server.url]);
    await using other = await new TestHub().enter([server.url], { hub: "hub2" });
    await exchange(one, other);
    server.signal("SIGSTOP");
    await until(() => one.log.some((line) => line.includes("is lost; trying again")), "it is noticed");
    for (let i = 0; i < 1000; i++) one.send(frameOf(BROADCAST, 0x21, 3, 1400));
    expect([one.summary.isConnected, one.summary.dropped.backPressure > 900]).toEqual([false, true]);
    await until(() => one.summary.hubs.length === 0, "the other hub counts as gone");
    server.signal("SIGCONT");
    await until(() => one.log.some((line) => line.includes("connected again")), "it is connected again");
    await exchange(one, other);
  }, 120_000);

  test("go to another server of a cluster when theirs is killed", async () => {
    const hosts = ["127.0.0.2", "127.0.0.3"];
    const servers = await Promise.all(hosts.map((host) => startServer({ host, name: host, cluster: hosts })));
    await using first = servers[0] as NatsServer;
    await using second = servers[1] as NatsServer;
    await using one = await new TestHub().enter([first.url, second.url]);
    const isAtFirst = (): boolean => one.entered?.connection.server.includes("127.0.0.2") === true;
    const [own, its] = isAtFirst() ? [first, second] : [second, first];
    await using other = await new TestHub().enter([its.url], { hub: "hub2" });
    await exchange(one, other);
    await own.kill();
    await until(() => one.log.some((line) => line.includes("connected again")), "it is at the other server");
    await exchange(one, other);
    // One that does not answer when a hub starts is used when it is there later.
    await using third = await new TestHub().enter([own.url, its.url], { hub: "hub3" });
    await own.restart();
    await its.kill();
    await until(() => third.log.some((line) => line.includes("connected again")), "the third hub is there");
    expect(third.summary.isConnected).toBe(true);
  }, 120_000);

  test.each(["user", "nkey", "creds"] as const)(
    "are let in by %s, and told when it is refused",
    async (kind) => {
      const nkey = createUser();
      const creds = credsOf("test");
      const config = {
        user: 'authorization { users: [{ user: alice, password: "s:e$cret" }] }',
        nkey: `authorization { users: [{ nkey: ${nkey.getPublicKey()} }] }`,
        creds: operatorConfig(creds),
      }[kind];
      const right: NonNullable<ConnectOptions["credentials"]> = {
        user: { kind: "user", user: "alice", password: "s:e$cret" } as const,
        nkey: { kind: "nkey", seed: Buffer.from(nkey.getSeed()).toString() } as const,
        creds: { kind: "creds", text: creds.file } as const,
      }[kind];
      const wrong: NonNullable<ConnectOptions["credentials"]> = {
        user: { kind: "user", user: "alice", password: "s" } as const,
        nkey: { kind: "nkey", seed: Buffer.from(createUser().getSeed()).toString() } as const,
        creds: { kind: "creds", text: credsOf("stranger").file } as const,
      }[kind];
      await using server = await startServer({ config });
      await using one = await new TestHub().enter([server.url], { credentials: right });
      await using other = await new TestHub().enter([server.url], { hub: "hub2", credentials: right });
      await exchange(one, other);
      for (const credentials of [wrong, undefined]) {
        const refused = new TestHub().enter([server.url], { hub: "hub3", credentials });
        await expect(refused).rejects.toThrow(`${server.url}: it refuses the credentials (--backbone-creds`);
      }
    },
    30_000,
  );

  test("speak TLS with a server whose certificate they trust, and with no other", async () => {
    const [key, cert] = [`${folder}/key.pem`, `${folder}/cert.pem`];
    const names = ["-subj", "/CN=nats", "-addext", "subjectAltName=IP:127.0.0.1"];
    run(..."openssl req -x509 -newkey rsa:2048 -nodes -days 2".split(" "), "-keyout", key, "-out", cert, ...names);
    await using server = await startServer({ config: `tls { cert_file: "${cert}", key_file: "${key}" }` });
    const ca = await Bun.file(cert).text();
    await using one = await new TestHub().enter([server.url], { tls: { ca } });
    await using other = await new TestHub().enter([server.url], { hub: "hub2", tls: { ca } });
    await exchange(one, other);
    await expect(new TestHub().enter([server.url], { hub: "hub3" })).rejects.toThrow(/: .*certificate/i);
    await using plain = await startServer();
    await expect(new TestHub().enter([plain.url], { tls: { ca } })).rejects.toThrow("does not support 'tls'");
  }, 120_000);

  test("show a certificate to a server that wants one, and are told what is wrong with it", async () => {
    const authority = new Authority(folder);
    const [server, own] = [authority.issue("nats", "IP:127.0.0.1"), authority.issue("hub", "DNS:hub")];
    const stranger = new Authority(`${folder}/strangers`).issue("stranger", "DNS:stranger");
    const files = `cert_file: "${server.certFile}", key_file: "${server.keyFile}", ca_file: "${authority.certFile}"`;
    await using nats = await startServer({ config: `tls { ${files}, verify: true }` });
    const { ca } = authority;
    const tls = { ca, cert: own.cert, key: own.key };
    await using one = await new TestHub().enter([nats.url], { tls });
    await using other = await new TestHub().enter([nats.url], { hub: "hub2", tls });
    await exchange(one, other);
    const enter = (tls: ConnectOptions["tls"]): Promise<unknown> =>
      new TestHub().enter([nats.url], { hub: "hub3", tls });
    await expect(enter({ ca })).rejects.toThrow("wants a certificate of this hub (--backbone-tls-cert and");
    const strange = { ca, cert: stranger.cert, key: stranger.key };
    await expect(enter(strange)).rejects.toThrow("it refuses this hub's certificate");
    await expect(enter({ cert: own.cert, key: own.key })).rejects.toThrow("(--backbone-tls-ca is for an authority");
    // The certificate is shown again where the connection is made again.
    nats.signal("SIGSTOP");
    await until(() => !one.summary.isConnected, "it is noticed");
    nats.signal("SIGCONT");
    await until(() => one.summary.isConnected && other.summary.isConnected, "they are connected again");
    await exchange(one, other);
  }, 60_000);

  test("end when the client library gives their connection up, and not when they leave", async () => {
    await using server = await startServer();
    await using one = await new TestHub().enter([server.url]);
    const other = await new TestHub().enter([server.url], { hub: "hub2" });
    await one.entered?.connection.nats.close();
    await until(() => one.failure !== undefined, "it ends");
    expect(one.failure).toContain("has ended for good");
    await other.entered?.close();
    expect(other.failure).toBeUndefined();
  }, 30_000);

  test("that have permissions for another LAN are told, and hear nothing of this one", async () => {
    const subjects = (lan: string): string => `{ publish: "bun-tuntap.${lan}.>", subscribe: "bun-tuntap.${lan}.>" }`;
    const users = ["test", "other"].map((lan) => `{ user: ${lan}, password: pass, permissions: ${subjects(lan)} }`);
    await using server = await startServer({ config: `authorization { users: [${users}] }` });
    const as = (user: string): ConnectOptions["credentials"] => ({ kind: "user", user, password: "pass" });
    await using one = await new TestHub().enter([server.url], { credentials: as("test") });
    await using other = await new TestHub().enter([server.url], { hub: "hub2", credentials: as("test") });
    await exchange(one, other);
    const stranger = new TestHub().enter([server.url], { hub: "hub3", credentials: as("other") });
    const failure = await stranger.then(
      () => undefined,
      (error: unknown) => error,
    );
    expect(failure).toBeInstanceOf(ProgramError);
    expect(`${failure}`).toMatch(
      /server at 127\.0\.0\.1:\d+ says: permissions violation.*\(a hub needs to .* bun-tuntap\.test\.>\)$/i,
    );
    expect(one.summary.hubs.map(({ id }) => id)).toEqual(["hub2"]);
  }, 120_000);

  test("of one name: the second is refused; a server that takes too little is named", async () => {
    await using server = await startServer({ config: "max_payload: 4096" });
    await using one = await new TestHub().enter([server.url]);
    await expect(new TestHub().enter([server.url])).rejects.toThrow('There is a hub "hub1" in the LAN "test" already');
    expect([one.failure, one.summary.hubs]).toEqual([undefined, []]);
    const jumbo = new TestHub().enter([server.url], { hub: "hub2", mtu: 9000 });
    await expect(jumbo).rejects.toThrow("and the NATS server takes 4096: raise its max_payload, or lower --mtu");
    await using other = await new TestHub().enter([server.url], { hub: "hub2" });
    await exchange(one, other);
  }, 120_000);

  test("that a hub cannot reach are named with the reason of each, in a line, with exit code 1", async () => {
    using silent = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data() {} } });
    const urls = ["nats://127.0.0.1:1", `nats://127.0.0.1:${silent.port}`, "nats://nowhere.invalid:4222"];
    const args = ["serve", "--listen", "127.0.0.1:0", "--token-file", `${folder}/token`, "--lan", "test"];
    const hub = Bun.spawn([...example, ...args, "--backbone", urls.join()], { stdout: "pipe", stderr: "pipe" });
    const [stderr, stdout, exitCode] = await Promise.all([hub.stderr.text(), hub.stdout.text(), hub.exited]);
    expect({ stdout, exitCode, lines: stderr.trim().split("\n").length }).toEqual({
      stdout: "",
      exitCode: 1,
      lines: 1,
    });
    expect(stderr).toStartWith("The backbone cannot be reached: nats://127.0.0.1:1: connection refused; ");
    expect(stderr).toContain(`nats://127.0.0.1:${silent.port}: no answer; nats://nowhere.invalid:4222: `);
  }, 120_000);

  test("are not looked for by a hub without a backbone, which does not even load the library", async () => {
    const source = `
      const { plugin } = await import("bun");
      plugin({ name: "refuse", setup: (build) => build.onLoad({ filter: /@nats-io/ }, ({ path }) => {
        throw new Error("loads " + path);
      }) });
      const { startHub } = await import("${import.meta.dir}/../../apps/switch/hub.ts");
      const { parseCommandLine } = await import("${import.meta.dir}/../../apps/switch/command-line.ts");
      const { options } = parseCommandLine(["serve", "--listen", "127.0.0.1:0", "--token-file", "${folder}/token", ...process.argv.slice(1)]);
      const hub = await startHub({ ...options, log() {} }, () => {});
      await hub.stop();
      console.log("ran");`;
    const start = (...args: string[]) => Bun.spawnSync([process.execPath, "-e", source, "--", ...args]);
    expect(`${start().stdout}`).toBe("ran\n");
    const { stdout, stderr } = start("--backbone", "nats://127.0.0.1:1", "--lan", "test");
    expect([`${stdout}`, `${stderr}`.includes("loads ")]).toEqual(["", true]);
  });

  test("send a hub that stands still no more than a window, and count the rest", async () => {
    await using server = await startServer();
    await using one = await new TestHub().enter([server.url]);
    // A hub that never confirms anything, though it is there: it stands still.
    const args = [
      "serve",
      "--listen",
      "127.0.0.1:0",
      "--token-file",
      `${folder}/token`,
      "--lan",
      "test",
      "--hub",
      "hub2",
    ];
    const hub = Bun.spawn([...example, ...args, "--backbone", server.url], { stdout: "ignore", stderr: "ignore" });
    await until(() => one.summary.hubs.length === 1, "it is there");
    hub.kill("SIGSTOP");
    await until(() => readFileSync(`/proc/${hub.pid}/stat`, "utf8").includes(") T "), "it stands still");
    const [peer] = [...(one.entered as Entered).backbone.roster.peers.values()] as [Peer];
    one.lan.table.learn(0x22, peer.port, performance.now());
    for (let i = 0; i < 5000; i++) {
      one.send(frameOf(0x22, 0x21, 1, 1400));
      if (i % 50 === 0) await new Promise(setImmediate);
    }
    hub.kill("SIGKILL");
    await hub.exited;
    const { framesOut, bytesOut, dropped } = peer.port;
    expect([framesOut + dropped.backPressure, bytesOut <= 64 * 1024]).toEqual([5000, true]);
  }, 120_000);
});
