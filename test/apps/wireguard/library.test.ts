/** A tunnel inside a program: the entry that programs import, from its making until nothing is left. */
import { expect, test } from "bun:test";
import {
  type CreatedTunnel,
  type CreateTunnelOptions,
  createTunnel,
  generatePresharedKey,
  generatePrivateKey,
  keyText,
  type PeerOptions,
  publicKeyOf,
} from "../../../apps/wireguard/core/index.ts";
import type { TunTapError } from "../../../src/index.ts";
import { describeWithTools } from "../../support/privilege.ts";
import { openFds, until } from "../../support/system.ts";
import { type Host, Rig } from "./rig.ts";

const inner = (host: Host): string => `198.51.100.${host.number}`;

/** A tunnel on a host of a rig: interface and socket are in its namespace, the program is this one. */
class Site {
  readonly #own = generatePrivateKey();
  readonly host: Host;
  readonly closings: (TunTapError | undefined)[] = [];
  readonly log: string[] = [];

  constructor(host: Host) {
    this.host = host;
  }

  get publicKey(): string {
    return keyText(publicKeyOf(this.#own));
  }

  /** This site as a peer of others. */
  asPeer(listenPort?: number): PeerOptions {
    const endpoint = listenPort === undefined ? {} : { endpoint: { address: this.host.ipv4, port: listenPort } };
    return { publicKey: this.publicKey, allowedIps: [`${inner(this.host)}/32`], ...endpoint };
  }

  open(options: Partial<CreateTunnelOptions> = {}): Promise<CreatedTunnel> {
    const write = (message: string): void => void this.log.push(message);
    return createTunnel({
      name: "lib%d",
      privateKey: keyText(this.#own),
      netns: this.host.netns,
      socketNetns: this.host.netns,
      addresses: [`${inner(this.host)}/24`],
      peers: [],
      log: { error: write, verbose: () => {} },
      onClose: (reason) => void this.closings.push(reason),
      ...options,
    });
  }
}

/** The exit code of one ping, while the tunnels of this process go on. */
const ping = (from: Host, to: Host, seconds = 10): Promise<number> =>
  from.start(["ping", "-c", "1", "-W", String(seconds), inner(to)]).exited;

/** Sockets of any kind, TUNs and namespaces that this process has open. */
const held = (): string[] => openFds(/^(socket:|\/dev\/net\/tun|net:)/);

const links = (host: Host): string => host.run("ip", "-br", "link");
const sockets = (host: Host): string => host.run("ss", "-Hlun");

describeWithTools("createTunnel", ["ping", "ip", "ss", "nsenter", "unshare"], () => {
  test.each(["libcrypto", "libsodium"] as const)(
    "with %s joins two namespaces; peers come, change and go; and nothing is left",
    async (cipher) => {
      using rig = await Rig.open(2);
      const [here, there] = [new Site(rig.host(1)), new Site(rig.host(2))];
      const before = { links: [here, there].map(({ host }) => links(host)), held: held().length };

      const server = await there.open({ cipher, peers: [here.asPeer()] });
      const client = await here.open({ cipher, mtu: 1300 });
      expect(held().length).toBeGreaterThan(before.held + 3);
      expect(client.name).toBe("lib0");
      expect(client.cipher).toStartWith(cipher);
      expect(links(here.host)).toContain("lib0");
      expect(here.host.run("ip", "-o", "link", "show", "lib0")).toContain("mtu 1300");
      expect(sockets(there.host)).toContain(`:${server.listenPort} `);

      // Nobody yet, and one packet that has no peer.
      expect(client.peers()).toEqual([]);
      expect(await ping(here.host, there.host, 1)).toBe(1);
      expect(client.dropped().unroutable).toBeGreaterThan(0);

      // A peer is added.
      client.setPeer(there.asPeer(server.listenPort));
      const [fresh] = client.peers();
      expect(fresh).toMatchObject({ lastHandshake: undefined, receivedBytes: 0, sentBytes: 0 });
      expect(await ping(here.host, there.host)).toBe(0);
      expect(await ping(there.host, here.host)).toBe(0);
      const [used] = client.peers();
      expect(used).toMatchObject({
        publicKey: there.publicKey,
        endpoint: `${there.host.ipv4}:${server.listenPort}`,
        allowedIps: [`${inner(there.host)}/32`],
      });
      expect(used?.lastHandshake).toBeInstanceOf(Date);
      expect(used?.receivedBytes).toBe(server.peers()[0]?.sentBytes as number);
      expect(used?.sentBytes).toBeGreaterThan(0);
      expect(server.peers()[0]?.endpoint).toBe(`${here.host.ipv4}:${client.listenPort}`);

      // It changes: the same key with another preshared one, on both sides, and with a further prefix.
      const presharedKey = keyText(generatePresharedKey());
      server.removePeer(here.publicKey);
      client.removePeer(there.publicKey);
      expect([server.peers(), client.peers()]).toEqual([[], []]);
      server.setPeer({ ...here.asPeer(), presharedKey });
      const more = { allowedIps: [`${inner(there.host)}/32`, "203.0.113.0/24"], keepAlive: 25 };
      client.setPeer({ ...there.asPeer(server.listenPort), ...more, presharedKey });
      expect(client.peers()[0]?.allowedIps.toSorted()).toEqual(more.allowedIps);
      expect(await ping(here.host, there.host)).toBe(0);

      client.close();
      client.close();
      {
        using _ended = server;
      }
      await until(() => held().length <= before.held, "closed fds");
      expect([here, there].map(({ host }) => links(host))).toEqual(before.links);
      expect([here, there].map(({ host }) => sockets(host))).toEqual(["", ""]);
      expect([here.closings, there.closings]).toEqual([[undefined], [undefined]]);
      expect([...here.log, ...there.log]).toEqual([]);
    },
    120_000,
  );

  test("that fails leaves nothing, and names no secret", async () => {
    using rig = await Rig.open(1);
    const site = new Site(rig.host(1));
    const before = { links: links(site.host), held: held().length };
    using taken = await site.open({ name: "taken" });
    const secret = keyText(generatePrivateKey()).slice(1);
    const wrong: readonly [Partial<CreateTunnelOptions>, string][] = [
      [{ listenPort: taken.listenPort }, "EADDRINUSE"],
      [{ addresses: ["198.51.100.300/24"] }, "198.51.100.300"],
      [{ privateKey: secret }, '"privateKey" must be 44 characters of base64'],
      [{ peers: [{ ...site.asPeer(), publicKey: "short" }] }, '"publicKey" must be 44 characters of base64'],
      [{ peers: [{ ...new Site(site.host).asPeer(), allowedIps: ["198.51.100.2/33"] }] }, "198.51.100.2/33"],
      [
        { peers: [{ ...new Site(site.host).asPeer(), endpoint: { address: "vpn.example.net", port: 1 } }] },
        '"endpoint.address" must be an IP address and no name, got "vpn.example.net"',
      ],
      [{ peers: [new Site(site.host).asPeer(0)] }, '"endpoint.port" must be 1 to 65535, got 0'],
      [{ peers: [{ ...new Site(site.host).asPeer(), keepAlive: Number.NaN }] }, '"keepAlive" must be a whole number'],
      [{ name: "taken" }, "EBUSY"],
      [{ netns: "/nowhere" }, "/nowhere"],
    ];
    for (const [options, words] of wrong) {
      const error = await site.open(options).then(
        () => new Error("It did not fail"),
        (cause: Error) => cause,
      );
      expect(error.message).toContain(words);
      expect(error.message).not.toContain(secret);
    }
    taken.close();
    await until(() => held().length <= before.held, "closed fds");
    expect(links(site.host)).toBe(before.links);
    expect(sockets(site.host)).toBe("");
  }, 120_000);

  test("ends with a reason when its interface is deleted", async () => {
    using rig = await Rig.open(1);
    const site = new Site(rig.host(1));
    const tunnel = await site.open();
    site.host.run("ip", "link", "del", tunnel.name);
    await until(() => site.closings.length > 0, "the end");
    expect(site.closings[0]?.code).toBeString();
    expect(sockets(site.host)).toBe("");
  }, 120_000);
});
