/** The socket of a tunnel: what becomes of it, and of the peers' endpoints, when it is to be opened anew. */
import { afterEach, beforeEach, expect, test } from "bun:test";
import { mkdtempSync, rmSync, symlinkSync } from "node:fs";
import { chooseAead } from "../../../apps/wireguard/core/crypto/choose.ts";
import { Tunnel } from "../../../apps/wireguard/core/tunnel.ts";
import { openTap, type TunTapError } from "../../../src/index.ts";
import { createLab, type Host, type Lab } from "../../../src/lab/index.ts";
import { openUdp, type UdpSocket } from "../../../src/udp/index.ts";
import { describeWithTools } from "../../support/privilege.ts";
import { thrownBy } from "../../support/programs.ts";
import { run, until } from "../../support/system.ts";

describeWithTools("the socket of a tunnel", ["ss"], () => {
  const [ownKey, otherKey, firstKey, secondKey] = [1, 2, 8, 9].map((byte) => new Uint8Array(32).fill(byte)) as [
    Uint8Array,
    Uint8Array,
    Uint8Array,
    Uint8Array,
  ];
  let lab: Lab;
  let here: Host;
  let there: Host;
  let peer: UdpSocket;
  let tunnel: Tunnel;
  let folder: string;
  /** Ports from which messages came to the peer. */
  let heard: number[];
  let log: string[];

  beforeEach(async () => {
    lab = await createLab();
    [here, there] = [lab.host("here"), lab.host("there")];
    lab.link(here, there);
    [heard, log] = [[], []];
    peer = openUdp({ port: 5000, netns: there.netns, data: (_socket, _messages, { port }) => void heard.push(port) });
    folder = mkdtempSync("/tmp/bun-tuntap-wireguard-");
    symlinkSync(here.netns, `${folder}/netns`);
    tunnel = new Tunnel({
      name: "wg1",
      aead: await chooseAead(undefined),
      log: { error: (line) => void log.push(line), verbose: () => {} },
      netns: here.netns,
      socketNetns: `${folder}/netns`,
    });
  });
  afterEach(async () => {
    rmSync(folder, { recursive: true });
    tunnel.close();
    peer.close();
    await lab.close();
  });

  /** A peer to which messages go at once, and again and again. */
  const talkative = (publicKey: Uint8Array) => ({
    publicKey,
    endpoint: { address: there.address, port: 5000 },
    allowedIps: [],
    keepAlive: 1,
  });
  const sockets = (): string => here.enter(() => run("ss", "-Hulne"));

  test("that cannot be opened again takes another mark, and keeps its port", async () => {
    tunnel.apply({ privateKey: ownKey, peers: [] });
    tunnel.up();
    const port = tunnel.listenPort;
    rmSync(`${folder}/netns`);
    tunnel.apply({ mark: 0x77, peers: [talkative(firstKey)] });
    expect([tunnel.mark, tunnel.listenPort]).toEqual([0x77, port]);
    expect(sockets()).toContain("fwmark:0x77");
    await until(() => heard.includes(port), "a message");
    // The port that a chance gave is asked for by name: the socket that there is will do.
    tunnel.apply({ listenPort: port, peers: [] });
    expect(tunnel.listenPort).toBe(port);
  });

  test("that cannot have another port is told of, and neither port nor mark nor key has changed", async () => {
    tunnel.apply({ privateKey: ownKey, listenPort: 41_000, mark: 5, peers: [] });
    tunnel.up();
    const identity = tunnel.protocol.identity?.keys.publicKey.toHex();
    rmSync(`${folder}/netns`);
    const settings = { privateKey: otherKey, listenPort: 41_001, mark: 6, peers: [] };
    expect((thrownBy(() => tunnel.apply(settings)) as TunTapError).code).toBe("ENOENT");
    expect([tunnel.listenPort, tunnel.mark]).toEqual([41_000, 5]);
    expect(tunnel.protocol.identity?.keys.publicKey.toHex()).toBe(identity);
    tunnel.apply({ peers: [talkative(firstKey)] });
    await until(() => heard.includes(41_000), "a message");
  });

  test("that could not be opened when the interface came up is opened by the next port", async () => {
    using _taken = openUdp({ port: 41_000, netns: here.netns });
    tunnel.apply({ privateKey: ownKey, listenPort: 41_000, peers: [talkative(firstKey)] });
    expect((thrownBy(() => tunnel.up()) as TunTapError).code).toBe("EADDRINUSE");
    await until(() => log.length > 0, "the tunnel's word of it");
    tunnel.apply({ listenPort: 41_001, peers: [] });
    await until(() => heard.includes(41_001), "a message");
  });

  test("is opened where the interface of one peer's endpoint is gone: the other peers go on", async () => {
    const radio = openTap({ name: "radio", netns: here.netns, up: true });
    const lost = { publicKey: secondKey, endpoint: { address: "fe80::1%radio", port: 1 }, allowedIps: [] };
    tunnel.apply({ privateKey: ownKey, listenPort: 41_000, peers: [lost, talkative(firstKey)] });
    radio.close();
    tunnel.up();
    await until(() => heard.includes(41_000), "a message of the other peer");
    expect(log).toEqual(['an endpoint is left out: "address" names an interface that does not exist here: "radio"']);
  });
});
