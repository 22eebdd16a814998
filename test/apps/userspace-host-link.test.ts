/** The userspace host over a link that loses, doubles and reorders packets both ways, in a time of its own: whatever happens, the bytes are right. */
import { expect, test } from "bun:test";
import type { Host } from "../../apps/userspace-host/host.ts";
import { CONNECTIONS_MAX } from "../../apps/userspace-host/tcp.ts";
import { fillChecksums, PacketError, verifyChecksums } from "../../src/packet/index.ts";
import { Random } from "../support/random.ts";
import { ACK, bigBody, FIN, newHost, Peer, SYN, segmentIn } from "./userspace-host-peer.ts";

const BYTES = 60_000;
const REQUEST = `GET /big?bytes=${BYTES} HTTP/1.1\r\nHost: x\r\n\r\n`;
/** What the client waits before it says the same again. */
const AGAIN_MS = 700;

interface Link {
  readonly lost: number;
  readonly doubled: number;
  readonly delayMs: number;
}

/** What is on its way, earliest first. */
class Wire {
  readonly #link: Link;
  readonly #random: Random;
  readonly #travelling: { at: number; packet: Uint8Array }[] = [];

  constructor(link: Link, random: Random) {
    this.#link = link;
    this.#random = random;
  }

  get nextAt(): number {
    return this.#travelling[0]?.at ?? Number.POSITIVE_INFINITY;
  }

  put(packet: Uint8Array, now: number): void {
    const { lost, doubled, delayMs } = this.#link;
    if (this.#random.fraction() < lost) return;
    const at = now + 1 + this.#random.fraction() * delayMs;
    this.#travelling.push({ at, packet });
    this.#travelling.sort((a, b) => a.at - b.at);
    if (this.#random.fraction() < doubled) this.put(packet, now);
  }

  take(): Uint8Array {
    return this.#travelling.shift()!.packet;
  }
}

/** A client that asks once, keeps what comes too early, and repeats what is not acknowledged. Numbers are relative. */
class Client {
  readonly #peer: Peer;
  readonly #early = new Map<number, Uint8Array>();
  readonly #received: Uint8Array[] = [];
  #start: number | undefined;
  #length = 0;
  #endAt: number | undefined;
  #acknowledged = 0;
  wakeAt = 0;

  constructor(host: Host) {
    this.#peer = new Peer(host, { sequence: 0xffff_ff00 });
  }

  get received(): Buffer {
    return Buffer.concat(this.#received);
  }

  get #ended(): boolean {
    return this.#endAt !== undefined && this.#length === this.#endAt;
  }

  /** True once both ends have closed, as far as the client knows. */
  get done(): boolean {
    return this.#ended && this.#acknowledged === REQUEST.length + 2;
  }

  /** Returns what the client says when nothing has come for a while. */
  speak(now: number): Uint8Array {
    this.wakeAt = now + AGAIN_MS;
    return this.#say(true);
  }

  /** Takes a packet, and returns the answer. */
  take(packet: Uint8Array, now: number): Uint8Array {
    const { sequence, acknowledgment, flags, payload } = segmentIn(packet);
    if (flags & SYN) this.#start = (sequence + 1) >>> 0;
    if (this.#start === undefined) throw new Error("The host sent something before its SYN");
    const news = (acknowledgment - this.#peer.sequence) >>> 0;
    if (news > this.#acknowledged) this.wakeAt = now;
    this.#acknowledged = Math.max(this.#acknowledged, news);
    const at = flags & SYN ? 0 : (sequence - this.#start) | 0;
    if (flags & FIN) this.#endAt = at + payload.length;
    if (payload.length > 0) this.#early.set(at, payload.slice());
    this.#join();
    return this.#say(false);
  }

  #join(): void {
    for (const [at, payload] of [...this.#early].sort(([a], [b]) => a - b)) {
      if (at > this.#length) return;
      this.#early.delete(at);
      const news = payload.subarray(this.#length - at);
      this.#received.push(news);
      this.#length += news.length;
    }
  }

  #say(everything: boolean): Uint8Array {
    const { sequence } = this.#peer;
    if (this.#start === undefined) return this.#peer.packet({ sequence, flags: SYN, mss: 1000 });
    const acknowledgment = (this.#start + this.#length + Number(this.#ended)) >>> 0;
    const payload = everything && this.#acknowledged < 1 + REQUEST.length ? REQUEST : "";
    const fin = everything && payload === "" && this.#ended && !this.done;
    const at = (sequence + (payload === "" ? this.#acknowledged : 1)) >>> 0;
    return this.#peer.packet({ sequence: at, acknowledgment, flags: ACK | (fin ? FIN : 0), payload });
  }
}

/** Runs until both ends are done, and nothing is on its way. */
function download(link: Link, seed: number): { body: Buffer; host: Host; seconds: number } {
  const random = new Random(seed);
  const [toHost, toClient] = [new Wire(link, random), new Wire(link, random)];
  const host = newHost();
  const client = new Client(host);
  let now = 0;
  for (let turns = 0; turns < 100_000; turns++) {
    const wakeAt = client.done ? Number.POSITIVE_INFINITY : client.wakeAt;
    const next = Math.min(wakeAt, toHost.nextAt, toClient.nextAt, host.deadline);
    if (next === Number.POSITIVE_INFINITY) break;
    now = Math.max(now, next);
    if (toClient.nextAt <= now) toHost.put(client.take(toClient.take(), now), now);
    else if (toHost.nextAt <= now) for (const packet of host.receive([toHost.take()], now)) toClient.put(packet, now);
    else if (host.deadline <= now) for (const packet of host.tick(now)) toClient.put(packet, now);
    else toHost.put(client.speak(now), now);
  }
  const { received } = client;
  return { body: received.subarray(received.indexOf("\r\n\r\n") + 4), host, seconds: now / 1000 };
}

const links: { what: string; link: Link; resent: number }[] = [
  { what: "a good link", link: { lost: 0, doubled: 0, delayMs: 0 }, resent: 0 },
  { what: "every tenth packet lost", link: { lost: 0.1, doubled: 0, delayMs: 0 }, resent: 1 },
  { what: "every fourth packet lost", link: { lost: 0.25, doubled: 0, delayMs: 5 }, resent: 1 },
  { what: "packets doubled and reordered", link: { lost: 0, doubled: 0.2, delayMs: 20 }, resent: 0 },
  { what: "all of it", link: { lost: 0.1, doubled: 0.1, delayMs: 150 }, resent: 1 },
];

test.each(links)("$what: the whole body, in order, and the connection ends", ({ link, resent }) => {
  const expected = bigBody(BYTES);
  for (let seed = 1; seed <= 25; seed++) {
    const { body, host, seconds } = download(link, seed);
    const right = body.equals(expected);
    expect({ seed, right, length: body.length }).toEqual({ seed, right: true, length: BYTES });
    expect(host.counters.segmentsSentAgain).toBeGreaterThanOrEqual(resent);
    if (link.lost === 0 && link.delayMs === 0) expect(host.counters.segmentsSentAgain).toBe(0);
    // TIME-WAIT too is over.
    expect([seed, [...host.tcp.states]]).toEqual([seed, []]);
    expect(seconds).toBeLessThan(600);
  }
});

/** The same packet with some bytes changed, cut off or added, and as often as not with its checksums put right. */
function mutated(packet: Uint8Array, random: Random): Uint8Array {
  const length = random.fraction() < 0.1 ? Math.floor(random.fraction() * (packet.length + 20)) : packet.length;
  const bytes = new Uint8Array(length);
  bytes.set(packet.subarray(0, length));
  for (let changes = Math.floor(random.fraction() * 4); changes > 0 && length > 0; changes--) {
    bytes[Math.floor(random.fraction() * Math.min(length, 64))] = Math.floor(random.fraction() * 256);
  }
  try {
    if (random.fraction() < 0.7) fillChecksums(bytes);
  } catch (error) {
    if (!(error instanceof PacketError)) throw error;
  }
  return bytes;
}

test("whatever comes, nothing is thrown, answers are well-formed, and connections stay few", () => {
  const random = new Random(1);
  const host = newHost();
  let [now, answers] = [0, 0];
  const heed = (sent: Uint8Array[]): void => {
    answers += sent.length;
    for (const packet of sent) if (!verifyChecksums(packet, "tun").valid) throw new Error(packet.toHex());
  };
  for (let round = 0; round < 2000; round++) {
    const peer = new Peer(host, { port: 1 + (round % 300), now, sequence: Math.floor(random.fraction() * 2 ** 32) });
    heed(host.receive([mutated(peer.packet({ sequence: peer.sequence, flags: SYN, mss: 1000 }), random)], now));
    const [synAck] = host.receive([peer.packet({ sequence: peer.sequence, flags: SYN })], now);
    const { sequence } = synAck === undefined ? { sequence: 0 } : segmentIn(synAck);
    const next = { sequence: (peer.sequence + 1) >>> 0, acknowledgment: (sequence + 1) >>> 0, flags: ACK };
    for (const flags of [ACK, ACK | FIN]) {
      heed(host.receive([mutated(peer.packet({ ...next, flags, payload: REQUEST }), random)], now));
    }
    now += random.fraction() * 500;
    if (host.deadline <= now) heed(host.tick(now));
    const open = [...host.tcp.states.values()].reduce((sum, count) => sum + count, 0);
    expect(open).toBeLessThanOrEqual(CONNECTIONS_MAX);
  }
  expect(answers).toBeGreaterThan(2000);
  expect(host.counters.requestsAnswered).toBeGreaterThan(100);
  expect(host.counters.packetsDamaged).toBeGreaterThan(100);
  // All that is left comes to its end by itself.
  for (let turns = 0; turns < 100_000 && host.deadline < Number.POSITIVE_INFINITY; turns++)
    heed(host.tick(host.deadline));
  expect([...host.tcp.states]).toEqual([]);
});
