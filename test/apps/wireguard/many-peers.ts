/**
 * What many peers take, for real: a tunnel in a process of its own, and peers made of the core over one socket.
 *
 *   bun test/apps/wireguard/many-peers.ts
 *
 * A thousand peers send one packet each: the time until all handshakes are complete on both sides. Ten thousand
 * configured peers: the time from the start of the program until it has them all, and its memory beside that without.
 */
import { readFileSync } from "node:fs";
import { now } from "../../../apps/wireguard/core/clock.ts";
import { chooseAead } from "../../../apps/wireguard/core/crypto/choose.ts";
import { generatePrivateKey, keyText, publicKeyOf } from "../../../apps/wireguard/core/index.ts";
import type { Aead } from "../../../apps/wireguard/core/protocol/aead.ts";
import { Protocol } from "../../../apps/wireguard/core/protocol/protocol.ts";
import { readU32 } from "../../../apps/wireguard/core/protocol/wire.ts";
import { buildIPv4 } from "../../../src/packet/index.ts";
import { type Endpoint, openUdp, type UdpSocket } from "../../../src/udp/index.ts";
import { until } from "../../support/system.ts";
import { type Host, ours, Rig } from "./rig.ts";

/** Measured figures. */
export interface Figures {
  readonly handshakes: number;
  readonly handshakeSeconds: number;
  /** CPU time of the tunnel's process for each handshake, in microseconds. */
  readonly microseconds: number;
}

const HUB = "198.51.100.1";
const innerOf = (i: number): string => `10.${i >> 16}.${(i >> 8) & 255}.${i & 255}`;

/** The configuration of a tunnel with peers of these keys. */
function configOf(privateKey: Uint8Array, peers: readonly Uint8Array[]): string {
  const own = `[Interface]\nPrivateKey = ${keyText(privateKey)}\nListenPort = 51820\n`;
  return (
    own + peers.map((key, i) => `[Peer]\nPublicKey = ${keyText(key)}\nAllowedIPs = ${innerOf(i + 1)}/32\n`).join("")
  );
}

function cpuMicroseconds(pid: number): number {
  return Number(readFileSync(`/proc/${pid}/schedstat`, "utf8").split(" ")[0]) / 1000;
}

function residentBytes(pid: number): number {
  return Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]) * 1024;
}

/** Peers that share a socket: messages are theirs by the index that each of them has chosen. */
class Clients {
  readonly all: readonly Protocol<Endpoint>[];
  readonly #byIndex = new Map<number, Protocol<Endpoint>>();
  readonly #socket: UdpSocket;
  readonly #timer: ReturnType<typeof setInterval>;

  constructor(netns: string, aead: Aead, keys: readonly Uint8Array[], hubKey: Uint8Array, hubAddress: string) {
    this.#socket = openUdp({
      ...{ netns, receiveBuffer: 1 << 23, sendBuffer: 1 << 23 },
      data: (_, messages, from) => this.#receive(messages, from),
    });
    this.#timer = setInterval(() => {
      for (const protocol of this.all) if (protocol.deadline <= now()) protocol.tick(now());
    }, 100);
    this.all = keys.map((key) => {
      const protocol: Protocol<Endpoint> = new Protocol<Endpoint>({
        aead,
        random: (bytes) => crypto.getRandomValues(new Uint8Array(bytes)),
        addressOf: () => new Uint8Array(4),
        hostOf: () => "",
        outlet: {
          transmit: (to, messages) => {
            const [first] = messages;
            if (first?.[0] === 1) this.#byIndex.set(readU32(first, 4), protocol);
            return this.#socket.sendMany(messages, to) === messages.length;
          },
          deliver: () => {},
        },
      });
      protocol.setPrivateKey(key);
      const peer = protocol.addPeer(hubKey);
      if (peer === undefined) throw new Error("A key came twice");
      peer.endpoint = this.#socket.endpoint(hubAddress, 51820);
      protocol.allowedIps.set({ address: Uint8Array.from(HUB.split("."), Number), length: 32 }, peer);
      return protocol;
    });
  }

  /** The number that have completed their handshakes. */
  get complete(): number {
    return this.all.filter((protocol) => [...protocol.peers.values()].every((peer) => peer.lastHandshake > 0)).length;
  }

  send(): void {
    for (const [i, protocol] of this.all.entries())
      protocol.send(
        [buildIPv4({ source: innerOf(i + 1), destination: HUB, protocol: 253, payload: new Uint8Array(8) })],
        now(),
      );
  }

  close(): void {
    clearInterval(this.#timer);
    this.#socket.close();
  }

  #receive(messages: readonly Uint8Array[], from: Endpoint): void {
    for (const message of messages)
      this.#byIndex.get(readU32(message, message[0] === 2 ? 8 : 4))?.receive([message], from, now());
  }
}

/** A thousand peers, or as many as asked for, with one packet each. */
export async function handshakes(count: number): Promise<Figures> {
  using rig = await Rig.open(1);
  const host = rig.host(1);
  const hubKey = generatePrivateKey();
  const keys = Array.from({ length: count }, generatePrivateKey);
  const hub = await rig.serve(host, ours, "wg0");
  host.run("wg", "setconf", "wg0", rig.file("hub.conf", configOf(hubKey, keys.map(publicKeyOf))));
  host.run("ip", "link", "set", "wg0", "up");
  const clients = new Clients(host.netns, await chooseAead(), keys, publicKeyOf(hubKey), host.ipv4);
  const [cpu, start] = [cpuMicroseconds(hub.pid), performance.now()];
  clients.send();
  await until(() => clients.complete === count, "all handshakes", 60_000);
  const seconds = (performance.now() - start) / 1000;
  await until(() => receivedBy(host) === count, "a packet of each peer", 60_000);
  const microseconds = (cpuMicroseconds(hub.pid) - cpu) / count;
  clients.close();
  return { handshakes: count, handshakeSeconds: seconds, microseconds };
}

/** Peers of wg0 from which more has come than an initiation. */
function receivedBy(host: Host): number {
  return host
    .run("wg", "show", "wg0", "transfer")
    .split("\n")
    .filter((line) => Number(line.split("\t")[1]) > 148).length;
}

/** A program that is started, and given that many peers. */
export async function configured(
  count: number,
): Promise<{ seconds: number; cpuSeconds: number; bytesPerPeer: number }> {
  using rig = await Rig.open(2);
  const start = async (
    host: Host,
    peers: number,
  ): Promise<{ seconds: number; cpuSeconds: number; resident: number }> => {
    // Keys that were not made by anybody do as well, and are had at once.
    const file = rig.file(
      "peers.conf",
      configOf(generatePrivateKey(), Array.from({ length: peers }, generatePrivateKey)),
    );
    const begin = performance.now();
    const name = `wg${host.number}`;
    const child = await rig.serve(host, ours, name);
    host.run("wg", "setconf", name, file);
    host.run("ip", "link", "set", name, "up");
    const seconds = (performance.now() - begin) / 1000;
    if (host.run("wg", "show", name, "peers").trim().split("\n").length !== peers) throw new Error("Peers are missing");
    return { seconds, cpuSeconds: cpuMicroseconds(child.pid) / 1e6, resident: residentBytes(child.pid) };
  };
  const few = await start(rig.host(1), 1);
  const many = await start(rig.host(2), count);
  return { ...many, bytesPerPeer: (many.resident - few.resident) / count };
}

if (import.meta.main) {
  const { handshakeSeconds, microseconds } = await handshakes(1000);
  console.log(
    `1,000 peers with one packet each: ${handshakeSeconds.toFixed(2)} s, ${microseconds.toFixed(0)} µs of CPU a handshake`,
  );
  const { seconds, cpuSeconds, bytesPerPeer } = await configured(10_000);
  console.log(
    `10,000 configured peers: started in ${seconds.toFixed(2)} s (${cpuSeconds.toFixed(2)} s of CPU), ${(bytesPerPeer / 1024).toFixed(1)} KiB a peer`,
  );
  process.exit(0);
}
