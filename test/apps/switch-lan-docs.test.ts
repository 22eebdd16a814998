/** The configurations in docs/virtual-lan.md: right for the programs that read them, and LANs that are kept apart stay apart. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { jetstreamManager } from "@nats-io/jetstream";
import { connect, type NatsConnection } from "@nats-io/transport-node";
import { parseCommandLine } from "../../apps/switch/command-line.ts";
import { metricsText } from "../../apps/switch/metrics.ts";
import { HubWatch } from "../../apps/switch/status.ts";
import { NO_TOTALS } from "../../apps/switch/status-totals.ts";
import { blocksOf, textOf } from "../docs/pages.ts";
import { describeWithTools } from "../support/privilege.ts";
import { run } from "../support/system.ts";
import { NATS, NatsServer } from "./nats.ts";

const PAGE = "docs/virtual-lan.md";
const blocks = blocksOf(PAGE);
const folder = mkdtempSync("/tmp/bun-tuntap-lan-docs-");
afterAll(() => rmSync(folder, { recursive: true }));

/** Has the program read a command line of the page, with secrets of this test. */
function check(command: string): void {
  const [token, nats] = [`${folder}/token`, `${folder}/nats`];
  writeFileSync(token, "a-token-of-the-pages-test\n");
  writeFileSync(nats, "office:a-password\n");
  const words = command
    .replaceAll("%d/token", token)
    .replaceAll("/run/secrets/token", token)
    .replaceAll("%d/nats", nats)
    .split(" ");
  const at = words.findIndex((word) => word === "serve" || word === "join");
  expect(at).toBeGreaterThan(0);
  parseCommandLine(words.slice(at));
}

test("the units of systemd start the program with options that it has, and systemd-analyze finds nothing wrong", () => {
  const units = blocks.filter(({ language }) => language === "ini");
  expect(units).toHaveLength(2);
  for (const [i, { text }] of units.entries()) {
    const [, command = ""] = /^ExecStart=(.*)$/m.exec(text) ?? [];
    check(command);
    if (Bun.which("systemd-analyze") === null) continue;
    const file = `${folder}/switch-${i}.service`;
    writeFileSync(file, text.replace("/usr/local/bin/switch", "/bin/true"));
    const { exitCode, stderr } = Bun.spawnSync(["systemd-analyze", "verify", "--man=no", file]);
    const own = `${stderr}`.split("\n").filter((line) => line.includes(`switch-${i}.service`));
    expect({ exitCode, own }).toEqual({ exitCode: 0, own: [] });
  }
});

test("the file for Docker Compose is YAML, and starts the program with options that it has", () => {
  const [compose = "", prometheus = ""] = blocks.filter(({ language }) => language === "yaml").map(({ text }) => text);
  const { services } = Bun.YAML.parse(compose) as { services: Record<string, { command: string; image: string }> };
  expect(Object.keys(services)).toEqual(["nats", "hub1", "hub2"]);
  for (const hub of ["hub1", "hub2"]) check(services[hub]?.command as string);
  expect(services["hub2"]?.image).toBe(services["hub1"]?.image as string);
  const { scrape_configs } = Bun.YAML.parse(prometheus) as { scrape_configs: { authorization: object }[] };
  expect(scrape_configs[0]?.authorization).toEqual({ credentials_file: "/etc/prometheus/switch-token" });
  if (Bun.which("promtool") === null) return;
  writeFileSync(`${folder}/secret`, "x");
  writeFileSync(`${folder}/prometheus.yml`, prometheus.replace("/etc/prometheus/switch-token", `${folder}/secret`));
  expect(run("promtool", "check", "config", `${folder}/prometheus.yml`)).toContain("SUCCESS");
});

test("the metrics that the page names are there", () => {
  const source = {
    hub: "a",
    mtu: 1500,
    clientsMax: 1,
    table: { addressesOf: () => [] },
    departed: () => NO_TOTALS,
    clients: () => [],
    addresses: () => ({ given: 0, size: 1, available: true }),
    backbone: () => ({ connected: true, droppedFrames: 0, refusedMessages: 0, flaps: 0 }),
    links: () => [],
    details: () => ({}),
  };
  const status = new HubWatch(source, () => 0).status({ clients: 0, find: "" });
  const text = metricsText(status, "office", { startTime: 0, cpuSeconds: 0 });
  const named = [...textOf(PAGE).matchAll(/tuntap_switch_[a-z_]*[a-z]/g)].map(([name]) => name);
  expect(named.length).toBeGreaterThan(5);
  for (const name of named) expect(text).toContain(`# TYPE ${name} `);
});

describeWithTools("NATS", [NATS, "ip"], () => {
  beforeAll(() => run("ip", "link", "set", "lo", "up"));

  test("takes every configuration of the page", () => {
    const configs = blocks.filter(({ language }) => language === "conf");
    expect(configs.length).toBeGreaterThan(3);
    for (const [i, { text }] of configs.entries()) {
      const file = `${folder}/${i}.conf`;
      writeFileSync(file, text.replace(/tls \{.*\}/, ""));
      const { exitCode, stderr } = Bun.spawnSync([NATS, "-t", "-c", file]);
      expect({ exitCode, stderr: exitCode === 0 ? "" : `${stderr}` }).toEqual({ exitCode: 0, stderr: "" });
    }
  });

  describe("with an account for each LAN", () => {
    let server: NatsServer;
    const connections: NatsConnection[] = [];
    const errors = new Map<NatsConnection, string[]>();

    beforeAll(async () => {
      const text = blocks.find(({ file }) => file === "accounts.conf")?.text ?? "";
      const accounts = text.slice(text.indexOf("accounts {"));
      server = await NatsServer.start({ port: 4231, jetStream: true, config: accounts });
    });
    afterAll(async () => {
      for (const connection of connections) await connection.close();
      await server[Symbol.asyncDispose]();
    });

    const enter = async (lan: string): Promise<NatsConnection> => {
      const options = {
        servers: server.url,
        user: lan,
        pass: `the-password-of-${lan}`,
        inboxPrefix: `bun-tuntap.${lan}.inbox`,
      };
      const connection = await connect(options);
      connections.push(connection);
      const own: string[] = [];
      errors.set(connection, own);
      void (async () => {
        for await (const status of connection.status())
          if (status.type === "error") own.push(`${status.error.message}`);
      })();
      return connection;
    };
    const refusals = async (connection: NatsConnection): Promise<readonly string[]> => {
      await connection.flush();
      // A refusal comes before the answer to the flush, and is told in a turn of its own.
      await new Promise(setImmediate);
      return errors.get(connection)?.splice(0) ?? [];
    };

    test("a hub of one cannot publish on the subjects of another, nor subscribe to them", async () => {
      const [office, lab] = [await enter("office"), await enter("lab")];
      const heard: string[] = [];
      lab.subscribe("bun-tuntap.lab.>", { callback: (_, { subject }) => void heard.push(subject) });
      await lab.flush();
      office.publish("bun-tuntap.lab.flood", "frames");
      expect((await refusals(office)).join()).toMatch(/Permissions Violation for Publish to "bun-tuntap\.lab\.flood"/i);
      for (const subject of ["bun-tuntap.lab.flood", "bun-tuntap.>", ">", "$KV.bun-tuntap-lab.>"]) {
        office.subscribe(subject, { callback: (error) => void (error ?? heard.push(`stolen ${subject}`)) });
        expect((await refusals(office)).join()).toMatch(/Permissions Violation for Subscription/i);
      }
      lab.publish("bun-tuntap.lab.flood", "frames");
      await lab.flush();
      await office.flush();
      expect([heard, await refusals(lab)]).toEqual([["bun-tuntap.lab.flood"], []]);
    });

    test("a stream that one makes of the other's subjects, which its permissions allow, stays empty", async () => {
      const [office, lab] = [await enter("office"), await enter("lab")];
      const { streams } = await jetstreamManager(office);
      await streams.add({ name: "spy", subjects: ["bun-tuntap.lab.>"] });
      for (let i = 0; i < 10; i++) lab.publish("bun-tuntap.lab.flood", "frames");
      await lab.flush();
      expect((await streams.info("spy")).state.messages).toBe(0);
      expect(await Array.fromAsync((await jetstreamManager(lab)).streams.names())).toEqual([]);
      await streams.delete("spy");
    });
  });

  test("in one account, such a stream hears the other LAN, as the page says", async () => {
    const user = (lan: string): string =>
      `{ user: ${lan}, password: x, permissions: { publish: ["bun-tuntap.${lan}.>", "$JS.API.>"], subscribe: ["bun-tuntap.${lan}.>"] } }`;
    const config = `authorization { users: [${user("office")}, ${user("lab")}] }`;
    await using server = await NatsServer.start({ port: 4232, jetStream: true, config });
    const [office, lab] = await Promise.all(
      ["office", "lab"].map((lan) =>
        connect({ servers: server.url, user: lan, pass: "x", inboxPrefix: `bun-tuntap.${lan}.inbox` }),
      ),
    );
    const { streams } = await jetstreamManager(office as NatsConnection);
    await streams.add({ name: "spy", subjects: ["bun-tuntap.lab.>"] });
    lab?.publish("bun-tuntap.lab.flood", "frames");
    await lab?.flush();
    expect((await streams.info("spy")).state.messages).toBe(1);
    for (const connection of [office, lab]) await connection?.close();
  });
});
