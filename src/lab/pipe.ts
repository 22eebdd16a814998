import type { Clock } from "./clock.ts";
import { Fate, Fates } from "./fates.ts";
import type { Interceptors } from "./interceptors.ts";
import type { Recorder } from "./recorder.ts";
import type { Settings } from "./settings.ts";
import type { DirectionStats, LinkDirection } from "./types.ts";
import type { Outlet } from "./wheel.ts";

/** Takes frames, in order, that are valid until it returns. Returns how many it took. */
export type Sink = (frames: Uint8Array[]) => number;

/** The time after which a frame that was to be overtaken follows by itself, in microseconds. */
const HOLD_US = 250_000;
/** Bytes under way in one direction, for links with a delay and no rate: 10 Gbit/s for 50 ms. */
const WAITING_BYTES_MAX = 64 * 1024 * 1024;

const ETHERTYPE_IPV4 = 0x0800;
const ETHERTYPE_ARP = 0x0806;
const ETHERTYPE_IPV6 = 0x86dd;
const PROTOCOL_HOP_BY_HOP = 0;
const PROTOCOL_IGMP = 2;
const PROTOCOL_ICMPV6 = 58;
/** The first and the last message of neighbour discovery (RFC 4861 section 4). */
const ROUTER_SOLICITATION = 133;
const REDIRECT = 137;

/** The parts of a {@link Pipe}. */
export interface PipeParts {
  readonly direction: LinkDirection;
  readonly chanceKey: number;
  readonly settings: Settings;
  readonly clock: Pick<Clock, "wheel" | "now" | "settle">;
  readonly interceptors: Interceptors;
  readonly recorder: Recorder;
  readonly sink: Sink;
}

type Counters = { -readonly [K in Exclude<keyof DirectionStats, "waiting" | "waitingBytes">]: number };

/** One direction of a link: what one end sends goes in, and comes out at the other one, late, damaged, or not at all. */
export class Pipe implements Outlet {
  waiting = 0;
  waitingBytes = 0;
  isCut = false;
  #isClosed = false;
  readonly #parts: PipeParts;
  readonly #fates: Fates;
  /** Frames that are to be overtaken: their tickets, and by how many more. */
  #held: { ticket: number; left: number }[] = [];
  /** Frames of this batch that need not wait. */
  #passing: Uint8Array[] = [];
  readonly #counters: Counters = {
    frames: 0,
    bytes: 0,
    delivered: 0,
    deliveredBytes: 0,
    lost: 0,
    duplicated: 0,
    reordered: 0,
    corrupted: 0,
    queueDropped: 0,
    tooLong: 0,
    cut: 0,
    intercepted: 0,
    refused: 0,
  };

  constructor(parts: PipeParts) {
    this.#parts = parts;
    this.#fates = new Fates(parts.chanceKey, parts.settings);
  }

  set settings(settings: Settings) {
    this.#fates.settings = settings;
  }

  get direction(): LinkDirection {
    return this.#parts.direction;
  }

  stats(): DirectionStats {
    return { ...this.#counters, waiting: this.waiting, waitingBytes: this.waitingBytes };
  }

  /** Takes what the sender sent. The frames are valid until this returns. */
  receive(frames: Uint8Array[]): void {
    const { clock, interceptors, recorder, direction } = this.#parts;
    if (this.#isClosed) return;
    const now = clock.now();
    this.#counters.frames += frames.length;
    for (const { length } of frames) this.#counters.bytes += length;
    recorder.keep(frames, direction.way === "forward", now);
    if (this.isCut) {
      this.#counters.cut += frames.length;
      return;
    }
    if (this.waiting === 0 && this.#fates.settings.isPlain && interceptors.isEmpty) {
      this.#send(frames);
      return;
    }
    clock.wheel.drain(now);
    for (const frame of frames) {
      if (interceptors.isEmpty) this.#impair(frame, now, 0);
      else this.#intercept(frame, now);
    }
    this.#flush();
    clock.wheel.drain(now);
    clock.settle();
  }

  deliver(frames: Uint8Array[]): void {
    if (this.isCut) this.#counters.cut += frames.length;
    else this.#send(frames);
  }

  /** Forgets the frames under way. */
  close(): void {
    this.#isClosed = true;
    this.#parts.clock.wheel.drop(this);
    this.#held = [];
  }

  #intercept(frame: Uint8Array, now: number): void {
    let onward = 0;
    this.#parts.interceptors.run(frame, this.direction, (next, delayMs) => {
      onward++;
      // An interceptor may use the memory of its answer again for the next frame.
      this.#impair(next === frame || delayMs > 0 ? next : next.slice(), now, delayMs * 1000);
    });
    if (onward === 0) this.#counters.intercepted++;
  }

  #impair(frame: Uint8Array, now: number, extraUs: number): void {
    // An interceptor may have closed the link.
    if (this.#isClosed) return;
    const fates = this.#fates;
    const fate = fates.decide(frame.length, now, isUpkeep(frame), extraUs);
    if (fate !== Fate.PASSED) {
      this.#count(fate);
      return;
    }
    const { at, copies, hold, bit } = fates;
    if (bit >= 0) this.#counters.corrupted++;
    if (copies > 1) this.#counters.duplicated++;
    if (at <= now && hold === 0 && this.waiting === 0 && !fates.settings.isTimed) {
      if (bit >= 0) flip(frame, bit);
      for (let copy = 0; copy < copies; copy++) this.#passing.push(frame);
      return;
    }
    // Those before it come first.
    this.#flush();
    if (this.waitingBytes + frame.length * copies > WAITING_BYTES_MAX) this.#count(Fate.QUEUE);
    else this.#wait(frame, at, copies, hold, bit);
  }

  #wait(frame: Uint8Array, at: number, copies: number, hold: number, bit: number): void {
    const { wheel } = this.#parts.clock;
    for (let copy = 0; copy < copies; copy++) {
      const ticket = wheel.put(this, frame, hold > 0 ? at + HOLD_US : at);
      if (bit >= 0) flip(wheel.bytesOf(ticket), bit);
      if (hold > 0) this.#held.push({ ticket, left: hold });
    }
    if (hold > 0) this.#counters.reordered++;
    else if (this.#fates.overtakes && this.#held.length > 0) this.#overtake(at);
  }

  /** A frame arrives at `at`: those that were to be overtaken by it alone follow it. */
  #overtake(at: number): void {
    for (const held of this.#held) if (--held.left === 0) this.#parts.clock.wheel.move(held.ticket, at);
    this.#held = this.#held.filter(({ left }) => left > 0);
  }

  #flush(): void {
    if (this.#passing.length === 0) return;
    const frames = this.#passing;
    this.#passing = [];
    this.#send(frames);
  }

  #send(frames: Uint8Array[]): void {
    let bytes = 0;
    for (const { length } of frames) bytes += length;
    const taken = this.#parts.sink(frames);
    this.#counters.delivered += taken;
    this.#counters.refused += frames.length - taken;
    this.#counters.deliveredBytes += bytes;
  }

  #count(fate: number): void {
    if (fate === Fate.LOST) this.#counters.lost++;
    else if (fate === Fate.TOO_LONG) this.#counters.tooLong++;
    else this.#counters.queueDropped++;
  }
}

function flip(frame: Uint8Array, bit: number): void {
  frame[bit >> 3] = (frame[bit >> 3] as number) ^ (1 << (bit & 7));
}

/**
 * Tells whether a frame only keeps the Ethernet going: ARP, IGMP, and neighbour
 * discovery and MLD of ICMPv6, which the kernel sends when it likes.
 */
function isUpkeep(frame: Uint8Array): boolean {
  const type = ((frame[12] as number) << 8) | (frame[13] as number);
  if (type === ETHERTYPE_ARP) return true;
  if (type === ETHERTYPE_IPV4) return frame[23] === PROTOCOL_IGMP;
  if (type !== ETHERTYPE_IPV6) return false;
  // MLD comes behind a hop-by-hop header of 8 bytes (RFC 3810 section 5).
  if (frame[20] === PROTOCOL_HOP_BY_HOP) return frame[54] === PROTOCOL_ICMPV6;
  const message = frame[54] as number;
  return frame[20] === PROTOCOL_ICMPV6 && message >= ROUTER_SOLICITATION && message <= REDIRECT;
}
