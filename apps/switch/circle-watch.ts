/**
 * Flooded frames that go in a circle: two hubs are bridged by accident, and a single broadcast goes round for ever. When
 * its station is silent, its address does not even flap. But the same frame, byte for byte, comes again and again from
 * elsewhere than where it came from first.
 */

/** Times that a frame may come again from elsewhere within `WITHIN_MS`. A station that repeats itself while it moves from one hub to another does it less often. */
const AGAIN_MAX = 100;
const WITHIN_MS = 1000;
/** Frames to remember at a time. */
const FRAMES_MAX = 1024;

/** A frame that was flooded. */
interface Sighting<Port> {
  /** The place that it came from first. */
  readonly first: Port;
  again: number;
  since: number;
}

/** Recognizes flooded frames that come again. The caller tells the time. */
export class CircleWatch<Port> {
  /** Frames of the current period and of the one before. */
  #fresh = new Map<number | bigint, Sighting<Port>>();
  #stale = new Map<number | bigint, Sighting<Port>>();
  #turnedAt = Number.NEGATIVE_INFINITY;

  /** Looks at a frame that is to be flooded. Returns where it came from first, once it goes in a circle. */
  see(frame: Uint8Array, from: Port, now: number): Port | undefined {
    if (now - this.#turnedAt > WITHIN_MS || this.#fresh.size >= FRAMES_MAX) this.#turn(now);
    const key = Bun.hash(frame);
    const known = this.#fresh.get(key) ?? this.#stale.get(key);
    if (known === undefined) {
      this.#fresh.set(key, { first: from, again: 0, since: now });
      return undefined;
    }
    this.#fresh.set(key, known);
    if (known.first === from) return undefined;
    if (now - known.since > WITHIN_MS) [known.since, known.again] = [now, 0];
    return ++known.again > AGAIN_MAX ? known.first : undefined;
  }

  #turn(now: number): void {
    this.#stale = this.#fresh;
    this.#fresh = new Map();
    this.#turnedAt = now;
  }

  /** Forgets all frames, as a port has gone that some may have come from. */
  clear(): void {
    this.#fresh.clear();
    this.#stale.clear();
  }
}
