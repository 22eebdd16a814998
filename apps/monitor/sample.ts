/** Protocols and senders of the packets that were looked at, each of which stands for those that were not. */
import type { Class } from "./classify.ts";

/** The most senders that are told apart in one tick: addresses may be forged. */
const SENDERS = 500;
const TALKERS = 8;

/** Traffic of a protocol or a sender. */
export interface Amount {
  name: string;
  bytes: number;
  packets: number;
}

/** The sample of one tick. */
export class Sample {
  /** Packets that have passed. */
  seen = 0;
  /** Packets that were looked at. */
  taken = 0;
  readonly #protocols = new Map<string, Amount>();
  readonly #senders = new Map<string, Amount>();

  add({ protocol, sender }: Class, bytes: number): void {
    this.taken++;
    add(this.#protocols, protocol, bytes, 1);
    if (this.#senders.size < SENDERS || this.#senders.has(sender)) add(this.#senders, sender, bytes, 1);
  }

  /** Adds protocols up, each weighted by the packets that it stands for; the largest first. */
  static protocols(samples: readonly Sample[]): Amount[] {
    return total(samples.map((sample) => [sample, sample.#protocols]));
  }

  /** Adds senders up likewise; the few largest. */
  static talkers(samples: readonly Sample[]): Amount[] {
    return total(samples.map((sample) => [sample, sample.#senders])).slice(0, TALKERS);
  }
}

function add(amounts: Map<string, Amount>, name: string, bytes: number, packets: number): void {
  const amount = amounts.get(name);
  if (amount === undefined) amounts.set(name, { name, bytes, packets });
  else {
    amount.bytes += bytes;
    amount.packets += packets;
  }
}

function total(parts: readonly [Sample, ReadonlyMap<string, Amount>][]): Amount[] {
  const sum = new Map<string, Amount>();
  for (const [{ seen, taken }, amounts] of parts) {
    const scale = seen / Math.max(1, taken);
    for (const { name, bytes, packets } of amounts.values()) add(sum, name, bytes * scale, packets * scale);
  }
  return [...sum.values()].sort((a, b) => b.bytes - a.bytes);
}
