/**
 * Two peers whose interfaces live in a namespace each, and whose sockets live in a third one: the scenario that every
 * implementation of the protocol is held against. One process has both ends, through the entry that programs import.
 *
 * BUN_TUNTAP_WIREGUARD_MB sets the MiB of each transfer: 1024 for the scenario in full.
 */
import { afterAll, beforeAll, expect, test } from "bun:test";
import {
  type CreatedTunnel,
  createTunnel,
  generatePresharedKey,
  generatePrivateKey,
  keyText,
  type PeerOptions,
  type PeerState,
  publicKeyOf,
} from "../../../apps/wireguard/core/index.ts";
import { describeWithTools } from "../../support/privilege.ts";
import { answersIn, until } from "../../support/system.ts";
import { type Host, Rig } from "./rig.ts";
import { megabytes } from "./tunnelled.ts";

const inner = { 1: { 4: "198.51.100.1", 6: "2001:db8:2::1" }, 2: { 4: "198.51.100.2", 6: "2001:db8:2::2" } } as const;
type Side = 1 | 2;
const sides = [1, 2] as const;
const families = [4, 6] as const;
const other = (side: Side): Side => (side === 1 ? 2 : 1);
/** Each side to the other, over each family. */
const ways = sides.flatMap((from) => families.map((family) => ({ from, to: other(from), family })));

interface Made extends Disposable {
  readonly tunnels: { readonly [S in Side]: CreatedTunnel };
  readonly hosts: { readonly [S in Side]: Host };
  /** The namespace of the sockets. */
  readonly outside: Host;
  /** Changes what `side` knows of the other one. */
  change(side: Side, change: Partial<PeerOptions>): void;
  /** Returns what `side` says of the other one. */
  stateOf(side: Side): PeerState;
}

async function make(preshared = false): Promise<Made> {
  using undo = new DisposableStack();
  const rig = undo.use(await Rig.open(3));
  const [hosts, outside] = [{ 1: rig.host(1), 2: rig.host(2) }, rig.host(3)];
  const privateKeys = { 1: generatePrivateKey(), 2: generatePrivateKey() };
  const psk = preshared ? { presharedKey: keyText(generatePresharedKey()) } : {};
  const peerOf = (side: Side): PeerOptions => ({
    publicKey: keyText(publicKeyOf(privateKeys[other(side)])),
    allowedIps: [`${inner[other(side)][4]}/32`, `${inner[other(side)][6]}/128`],
    ...psk,
  });
  const open = async (side: Side): Promise<CreatedTunnel> =>
    undo.use(
      await createTunnel({
        name: "wg0",
        privateKey: keyText(privateKeys[side]),
        netns: hosts[side].netns,
        socketNetns: outside.netns,
        addresses: [`${inner[side][4]}/24`, `${inner[side][6]}/64`],
        peers: [peerOf(side)],
      }),
    );
  const tunnels = { 1: await open(1), 2: await open(2) };
  const change = (side: Side, changed: Partial<PeerOptions>): void =>
    tunnels[side].setPeer({ ...peerOf(side), ...changed });
  for (const side of sides) change(side, { endpoint: { address: "127.0.0.1", port: tunnels[other(side)].listenPort } });
  for (const side of sides) await hosts[side].usable("wg0");
  const kept = undo.move();
  return {
    ...{ tunnels, hosts, outside, change },
    stateOf: (side) => tunnels[side].peers()[0] as PeerState,
    [Symbol.dispose]: () => kept.dispose(),
  };
}

/** Runs a program to its end, while the tunnels of this process go on. */
async function run(host: Host, ...command: string[]): Promise<string> {
  const child = host.start(command);
  const [stdout, stderr, exitCode] = await Promise.all([child.stdout.text(), child.stderr.text(), child.exited]);
  if (exitCode !== 0) throw new Error(`${command.join(" ")} exited with ${exitCode}: ${stderr}${stdout}`);
  return stdout;
}

const listens = async (host: Host, port: number): Promise<void> =>
  until(() => host.run("ss", "-Hltn", `sport = :${port}`) !== "", `port ${port}`);

describeWithTools("two peers with their sockets in a third namespace", ["ping", "iperf3", "socat", "ip", "ss"], () => {
  let made: Made;
  beforeAll(async () => {
    made = await make(true);
  }, 120_000);
  afterAll(() => made?.[Symbol.dispose]());

  const ping = async (from: Side, address: string, ...options: string[]): Promise<void> => {
    await run(made.hosts[from], "ping", "-c", "3", "-i", "0.05", "-W", "10", ...options, address);
  };
  /** Gives `side` an endpoint, which a message that was still on its way from the one before may take back at first. */
  const reach = async (side: Side, endpoint: NonNullable<PeerOptions["endpoint"]>, text: string): Promise<void> => {
    for (let attempts = 10; attempts > 0; attempts--) {
      made.change(side, { endpoint });
      await ping(side, inner[other(side)][4]);
      if (made.stateOf(side).endpoint === text) return;
    }
    throw new Error(`The endpoint of ${side} is ${made.stateOf(side).endpoint} after ten attempts, wanted ${text}`);
  };
  const pingAll = async (): Promise<void> => {
    for (const { from, to, family } of ways) await ping(from, inner[to][family]);
  };

  test.each(ways)(
    "a ping flood from $from to $to over IPv$family",
    async ({ from, to, family }) => {
      const text = await run(made.hosts[from], "ping", "-f", "-c", "1000", "-w", "50", inner[to][family]);
      expect(answersIn(text)).toBeGreaterThanOrEqual(1000);
    },
    120_000,
  );

  test.each(ways)(
    "TCP from $from to $to over IPv$family, the same bytes",
    async ({ from, to, family }) => {
      const port = 9000 + family;
      const address = family === 4 ? inner[to][4] : `[${inner[to][6]}]`;
      const make = `openssl enc -aes-128-ctr -nosalt -K 00112233445566778899aabbccddeeff -iv 0 </dev/zero 2>/dev/null | head -c ${megabytes}M`;
      const wanted = Bun.$`sh -c ${`${make} | sha256sum`}`.text();
      const received = run(
        made.hosts[to],
        "sh",
        "-c",
        `socat -u TCP${family}-LISTEN:${port},bind=${address},reuseaddr - | sha256sum`,
      );
      await listens(made.hosts[to], port);
      await run(made.hosts[from], "sh", "-c", `${make} | socat -u - TCP:${address}:${port}`);
      expect(await received).toBe(await wanted);
    },
    600_000,
  );

  test.each(ways)(
    "UDP from $from to $to over IPv$family",
    async ({ from, to, family }) => {
      const server = run(made.hosts[to], "iperf3", "-s", "-1", "-B", inner[to][family]);
      await listens(made.hosts[to], 5201);
      const command = [
        "iperf3",
        "-c",
        inner[to][family],
        "-u",
        "-b",
        "200M",
        "-l",
        "1300",
        "-n",
        `${megabytes}M`,
        "--json",
      ];
      const { end } = JSON.parse(await run(made.hosts[from], ...command));
      await server;
      // How many of them are lost is a matter of the machine.
      expect(end.sum.packets - end.sum.lost_packets).toBeGreaterThan(0);
      expect(end.sum.packets).toBeGreaterThanOrEqual((megabytes * 2 ** 20) / 1300 - 1);
    },
    600_000,
  );

  test("what one side has sent the other has received, and both know when the handshake was", async () => {
    using quiet = await make();
    const before = Date.now();
    for (const { from, to, family } of ways)
      await run(quiet.hosts[from], "ping", "-c", "50", "-i", "0.01", "-s", "1000", "-W", "10", inner[to][family]);
    await until(
      () => sides.every((side) => quiet.stateOf(side).sentBytes === quiet.stateOf(other(side)).receivedBytes),
      "the same counters on both sides",
    );
    for (const side of sides) {
      const { sentBytes, lastHandshake } = quiet.stateOf(side);
      // 200 requests or answers of 1,000 bytes and more, and a few messages beside them.
      expect(sentBytes).toBeWithin(200 * 1000, 300 * 1000);
      expect((lastHandshake as Date).getTime()).toBeWithin(before - 1, Date.now() + 1);
      expect(quiet.tunnels[side].dropped()).toMatchObject({ invalid: 0, replayed: 0, notAllowed: 0, limited: 0 });
    }
  }, 120_000);

  test("packets of 34,736 bytes, the largest MTU of the scenario", async () => {
    for (const side of sides) made.hosts[side].run("ip", "link", "set", "wg0", "mtu", "34736");
    await run(made.outside, "ip", "link", "set", "lo", "mtu", "65535");
    for (const { from, to, family } of ways) {
      await ping(from, inner[to][family], "-M", "do", "-s", String(34_736 - (family === 4 ? 28 : 48)));
    }
    for (const side of sides) made.hosts[side].run("ip", "link", "set", "wg0", "mtu", "1420");
    await pingAll();
  }, 120_000);

  test.each(sides)(
    "the endpoint that %d names moves to IPv6, to another address, and back",
    async (side) => {
      const { listenPort } = made.tunnels[other(side)];
      for (const address of ["::1", made.outside.ipv4, made.outside.ipv6, "127.0.0.1"]) {
        const brackets = address.includes(":") ? `[${address}]` : address;
        await reach(side, { address, port: listenPort }, `${brackets}:${listenPort}`);
        // The other side answers to where the packets come from: on loopback, to the address that they go to.
        const back = `${brackets}:${made.tunnels[side].listenPort}`;
        await until(() => made.stateOf(other(side)).endpoint === back, "answers to the new address");
        await ping(other(side), inner[side][6]);
      }
    },
    120_000,
  );

  test.each(sides)(
    "the address that %d sends from goes, and another one is found",
    async (side) => {
      await run(made.outside, "ip", "addr", "add", "192.0.2.77/32", "dev", "lo");
      const { listenPort } = made.tunnels[other(side)];
      await reach(side, { address: "192.0.2.77", port: listenPort }, `192.0.2.77:${listenPort}`);
      expect(made.stateOf(other(side)).endpoint).toBe(`192.0.2.77:${made.tunnels[side].listenPort}`);
      await run(made.outside, "ip", "addr", "del", "192.0.2.77/32", "dev", "lo");
      made.change(side, { endpoint: { address: made.outside.ipv4, port: listenPort } });
      await ping(side, inner[other(side)][4]);
      await ping(other(side), inner[side][4]);
      expect(made.stateOf(other(side)).endpoint).toBe(`${made.outside.ipv4}:${made.tunnels[side].listenPort}`);
    },
    120_000,
  );

  test.each(sides)(
    "addresses that %d takes away from the other one do not pass, until they are given back",
    async (side) => {
      const them = other(side);
      made.change(side, { allowedIps: [`${inner[them][6]}/128`] });
      const { notAllowed } = made.tunnels[side].dropped();
      expect(await made.hosts[them].start(["ping", "-c", "1", "-W", "1", inner[side][4]]).exited).toBe(1);
      // What an earlier test's TCP connection sends again is not allowed either.
      await until(() => made.tunnels[side].dropped().notAllowed > notAllowed, "its request was dropped");
      await ping(them, inner[side][6]);
      made.change(side, {});
      await pingAll();
    },
    120_000,
  );

  test.each(sides)(
    "%d removes the other one, and knows it again",
    async (side) => {
      const { publicKey } = made.stateOf(side);
      made.tunnels[side].removePeer(publicKey);
      expect(made.tunnels[side].peers()).toEqual([]);
      made.change(side, { endpoint: { address: "127.0.0.1", port: made.tunnels[other(side)].listenPort } });
      await ping(side, inner[other(side)][4]);
      await ping(other(side), inner[side][4]);
    },
    120_000,
  );

  test.each(sides)(
    "the interface of %d goes down and comes back",
    async (side) => {
      const { listenPort } = made.tunnels[other(side)];
      made.hosts[side].run("ip", "link", "set", "wg0", "down");
      await until(() => made.outside.run("ss", "-Hlun").split("\n").filter(Boolean).length < 2, "a closed socket");
      made.hosts[side].run("ip", "link", "set", "wg0", "up");
      await until(() => made.tunnels[side].listenPort > 0, "an open socket");
      made.change(side, { endpoint: { address: "127.0.0.1", port: listenPort } });
      made.hosts[side].run("ip", "addr", "replace", `${inner[side][6]}/64`, "dev", "wg0");
      await made.hosts[side].usable("wg0");
      await ping(side, inner[other(side)][4]);
      await ping(other(side), inner[side][6]);
    },
    120_000,
  );
});
