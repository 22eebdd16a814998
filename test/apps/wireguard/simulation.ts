/** Hosts that speak the protocol over a wire and by a clock of the test's own. */
import { createHash } from "node:crypto";
import type { Aead } from "../../../apps/wireguard/core/protocol/aead.ts";
import type { Peer } from "../../../apps/wireguard/core/protocol/peer.ts";
import { Protocol } from "../../../apps/wireguard/core/protocol/protocol.ts";
import type { PeerEvent } from "../../../apps/wireguard/core/protocol/types.ts";
import { buildIPv4 } from "../../../src/packet/index.ts";

/** 2026-01-01, in milliseconds. */
export const START = 1_767_225_600_000;

/** A message on the wire. */
export interface Datagram {
  readonly from: string;
  readonly to: string;
  readonly bytes: Uint8Array;
}

/** One host: the core, and all that it has handed out. */
export class Host {
  readonly name: string;
  readonly protocol: Protocol<string>;
  readonly packets: Uint8Array[] = [];
  readonly events: PeerEvent[] = [];
  readonly #wire: Wire;
  #randomCalls = 0;

  constructor(wire: Wire, name: string, aead: Aead, options: { mtu?: number; loadLimit?: number } = {}) {
    this.name = name;
    this.#wire = wire;
    this.protocol = new Protocol<string>({
      ...options,
      aead,
      random: (bytes) => this.#random(bytes),
      addressOf: (endpoint) => new TextEncoder().encode(endpoint),
      hostOf: (endpoint) => endpoint,
      outlet: {
        transmit: (to, messages) => {
          for (const message of messages) wire.put({ from: this.address, to, bytes: message.slice() });
          return true;
        },
        deliver: (packets) => this.packets.push(...packets.map((packet) => packet.slice())),
        report: (_peer, event) => this.events.push(event),
      },
    });
    this.protocol.setPrivateKey(this.#random(32));
    wire.hosts.set(name, this);
  }

  /** The address that its messages come from; a test changes it to roam. */
  address: string = "";

  get publicKey(): Uint8Array {
    return this.protocol.identity?.keys.publicKey as Uint8Array;
  }

  /** Makes `other` a peer that has the given IPv4 address. */
  knows(other: Host, inner: string, endpoint?: string): Peer<string> {
    const peer = this.protocol.addPeer(other.publicKey) as Peer<string>;
    peer.endpoint = endpoint;
    this.protocol.allowedIps.set({ address: Uint8Array.from(inner.split("."), Number), length: 32 }, peer);
    return peer;
  }

  send(packet: Uint8Array): void {
    this.protocol.send([packet], this.#wire.now);
  }

  /** The same bytes in every run. */
  #random(bytes: number): Uint8Array {
    const digest = createHash("sha512")
      .update(`${this.name} ${this.#randomCalls++}`)
      .digest();
    return new Uint8Array(digest.subarray(0, bytes));
  }
}

/** The network between the hosts. What `fate` answers false for is lost. */
export class Wire {
  now: number = START;
  readonly hosts: Map<string, Host> = new Map();
  /** All that was ever put on the wire. */
  readonly log: Datagram[] = [];
  fate: (datagram: Datagram) => boolean = () => true;
  #under: Datagram[] = [];

  put(datagram: Datagram): void {
    this.log.push(datagram);
    this.#under.push(datagram);
  }

  /** Delivers what is under way, and what follows from it. */
  settle(): void {
    for (let turns = 0; this.#under.length > 0; turns++) {
      if (turns > 100) throw new Error("The hosts do not come to rest");
      for (const datagram of this.#under.splice(0)) if (this.fate(datagram)) this.deliver(datagram);
    }
  }

  deliver({ from, to, bytes }: Datagram): void {
    for (const host of this.hosts.values()) {
      if (host.address === to) host.protocol.receive([bytes.slice()], from, this.now);
    }
  }

  /** Lets time pass, and does what is due on the way, in order. */
  pass(milliseconds: number): void {
    const end = this.now + milliseconds;
    this.settle();
    for (;;) {
      const next = Math.min(...[...this.hosts.values()].map(({ protocol }) => protocol.deadline));
      if (next > end) break;
      this.now = Math.max(this.now, next);
      for (const { protocol } of this.hosts.values()) protocol.tick(this.now);
      this.settle();
    }
    this.now = end;
  }
}

/** An IPv4 packet that the test tells from others by `text`. */
export function packet(source: string, destination: string, text: string): Uint8Array {
  return buildIPv4({ source, destination, protocol: 253, payload: new TextEncoder().encode(text) });
}

export const A = "192.0.2.1:51820";
export const B = "192.0.2.2:51820";
export const INNER_A = "198.51.100.1";
export const INNER_B = "198.51.100.2";

/** Two hosts that know each other; `a` knows where `b` is. */
export function pair(
  aead: Aead,
  options: { mtu?: number; loadLimit?: number } = {},
): {
  wire: Wire;
  a: Host;
  b: Host;
  ab: Peer<string>;
  ba: Peer<string>;
} {
  const wire = new Wire();
  const [a, b] = [new Host(wire, "a", aead, options), new Host(wire, "b", aead, options)];
  a.address = A;
  b.address = B;
  const ab = a.knows(b, INNER_B, B);
  const ba = b.knows(a, INNER_A);
  return { wire, a, b, ab, ba };
}
