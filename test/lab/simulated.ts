/** A direction of a link in simulated time: frames and times in, frames and times out, and no kernel. */
import { chanceKey } from "../../src/lab/chance.ts";
import { Interceptors } from "../../src/lab/interceptors.ts";
import { Pipe } from "../../src/lab/pipe.ts";
import { Recorder } from "../../src/lab/recorder.ts";
import { settingsOf } from "../../src/lab/settings.ts";
import type { Impairments } from "../../src/lab/types.ts";
import { Wheel } from "../../src/lab/wheel.ts";

export interface Arrival {
  /** Microseconds. */
  readonly at: number;
  readonly frame: Uint8Array;
}

/** Time that passes when it is told to. */
export class SimulatedClock {
  readonly wheel: Wheel = new Wheel();
  time = 0;

  now(): number {
    return this.time;
  }

  settle(): void {}

  /** Lets the time pass until `until`, and delivers each frame when it is due. */
  advance(until: number): void {
    while (this.wheel.earliest <= until) {
      this.time = Math.max(this.time, this.wheel.earliest);
      this.wheel.drain(this.time);
    }
    this.time = until;
  }
}

export interface SimulationOptions extends Impairments {
  seed?: number;
  name?: string;
  clock?: SimulatedClock;
}

export class Simulation {
  readonly clock: SimulatedClock;
  readonly arrivals: Arrival[] = [];
  readonly errors: unknown[] = [];
  readonly interceptors: Interceptors;
  readonly pipe: Pipe;

  constructor({ seed = 7, name = "link", clock = new SimulatedClock(), ...impairments }: SimulationOptions) {
    this.clock = clock;
    this.interceptors = new Interceptors(name, (error) => this.errors.push(error));
    this.pipe = new Pipe({
      direction: { way: "forward", from: "a", to: "b" },
      chanceKey: chanceKey(seed, name, "forward"),
      settings: settingsOf(impairments),
      clock,
      interceptors: this.interceptors,
      recorder: new Recorder(name),
      sink: (frames) => {
        for (const frame of frames) this.arrivals.push({ at: clock.time, frame: frame.slice() });
        return frames.length;
      },
    });
  }

  /** Sends a batch of frames now. */
  send(...frames: Uint8Array[]): void {
    this.pipe.receive(frames);
  }

  /** The numbers of the frames that have arrived, in order. */
  get order(): number[] {
    return this.arrivals.map(({ frame }) => numberOf(frame));
  }
}

const HEADER = 14;

/** A frame of IPv4 by its EtherType, with a number in its first bytes. */
export function numbered(number: number, length = 64): Uint8Array {
  const frame = new Uint8Array(length);
  frame[12] = 0x08;
  new DataView(frame.buffer).setUint32(HEADER, number);
  return frame;
}

export function numberOf(frame: Uint8Array): number {
  return new DataView(frame.buffer, frame.byteOffset).getUint32(HEADER);
}

/** An ARP frame. */
export function arp(): Uint8Array {
  const frame = new Uint8Array(42);
  frame.set([0x08, 0x06], 12);
  return frame;
}
