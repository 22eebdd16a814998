/** The LAN from one executable, over TLS. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { describeWithTools } from "../support/privilege.ts";
import { answersIn, run } from "../support/system.ts";
import { NATS, NatsServer } from "./nats.ts";
import { example, Lan, tools } from "./switch-lan.ts";

describeWithTools("the compiled executable of the switch", [...tools, "openssl", NATS], () => {
  let folder: string;
  let lan: Lan;

  beforeAll(async () => {
    folder = mkdtempSync(`${tmpdir()}/bun-tuntap-switch-`);
    const [bun, source] = example as [string, string];
    run(bun, "build", "--compile", source, "--outfile", `${folder}/switch`);
    lan = await Lan.open(2, [`${folder}/switch`]);
  }, 120_000);
  afterAll(async () => {
    rmSync(folder, { recursive: true });
    expect(await lan.end()).toEqual([]);
  }, 120_000);

  test("shows its help, and what is wrong with a command line", () => {
    expect(run(`${folder}/switch`, "--help")).toContain("switch join URL [URL...] [options]");
    const { exitCode, stderr } = Bun.spawnSync([`${folder}/switch`, "serve", "--mtu", "x"]);
    expect([exitCode, `${stderr}`]).toEqual([
      2,
      '--mtu must be a whole number from 68 to 65513, got "x"\nSee --help for the options\n',
    ]);
  });

  test("joins other hubs by a backbone, whose client library it has inside", async () => {
    await using nats = await NatsServer.start({ host: "192.0.2.1", netns: lan.hub.path, jetStream: true });
    const hub = await lan.serve("--backbone", nats.url, "--lan", "compiled", "--hub", "one");
    expect(hub.log).toContain("connected to 192.0.2.1:4222: hub one of the LAN compiled");
    expect(await hub.end("SIGTERM")).toBe(0);
  }, 120_000);

  test("makes a LAN, of clients that trust the switch's certificate", async () => {
    const [key, cert] = [`${folder}/key.pem`, `${folder}/cert.pem`];
    const names = ["-subj", "/CN=switch", "-addext", "subjectAltName=IP:192.0.2.1"];
    run(..."openssl req -x509 -newkey rsa:2048 -nodes -days 2".split(" "), "-keyout", key, "-out", cert, ...names);
    const server = await lan.serve("--tls-cert", cert, "--tls-key", key, "--mtu", "9000");
    expect(server.log).toContain("listening on wss://192.0.2.1:7000");
    const own = ["wss://192.0.2.1:7000", "--token-file", lan.tokenFile];

    const stranger = lan.startJoin(1, own);
    await stranger.says("trying again");
    expect(await stranger.end()).toBe(0);
    expect(server.log).not.toContain("join");

    const clients = [1, 2].map((number) =>
      lan.startJoin(number, [...own, "--tls-ca", cert, "--id", `client${number}`]),
    );
    for (const client of clients) await client.says("lan0 is in the LAN");
    const [first, second] = clients.map(({ log }) => /198\.51\.100\.\d/.exec(log)?.[0]) as [string, string];
    expect([lan.interfaceOf(1).mtu, first === second]).toEqual([9000, false]);
    expect(answersIn(lan.ping(1, second, "-s", "8900", "-M", "do"))).toBeGreaterThanOrEqual(3);
    expect(answersIn(lan.ping(2, first))).toBeGreaterThanOrEqual(3);
    const page = lan.hub.run("curl", "-sf", "--cacert", cert, "https://192.0.2.1:7000/");
    expect(page).toMatch(/^<!doctype html>.*<script>.*<\/script>.*<\/html>\n$/s);
    for (const client of clients) expect(await client.end()).toBe(0);
    expect(await server.end("SIGTERM")).toBe(0);
  }, 120_000);
});
