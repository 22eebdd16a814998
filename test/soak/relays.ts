/** The ways in which a program relays between two devices. */
import { type Device, relay, type Tap } from "../../src/index.ts";

/** Frames on their way from one device to the other; a fault that is planted changes them. */
export type Passing = (frames: Uint8Array[]) => Uint8Array[];

/** Relays both ways until the devices close. Resolves then. */
export type Way = (a: Tap, b: Tap, passing: Passing) => Promise<void>;

const both =
  (one: (from: Device, to: Device, passing: Passing) => Promise<void>): Way =>
  async (a, b, passing) => {
    await Promise.all([one(a, b, passing), one(b, a, (frames) => frames)]);
  };

/** A frame that finds the other end down is refused, which is counted; one that finds it closed ends the relaying. */
function sendAll(to: Device, frames: readonly Uint8Array[]): void {
  if (to.closed) return;
  const taken = to.sendMany(frames);
  if (taken < frames.length) throw new Error(`A TAP took ${taken} of ${frames.length} frames: it never waits`);
}

export const ways: Readonly<Record<string, Way>> = {
  "relay()": async (a, b, passing) => {
    await relay(a, b, { forward: passing }).finished;
  },
  "batches()": both(async (from, to, passing) => {
    for await (const frames of from.batches()) sendAll(to, passing(frames));
  }),
  "for await": both(async (from, to, passing) => {
    for await (const frame of from) sendAll(to, passing([frame]));
  }),
  "receive()": both(async (from, to, passing) => {
    for (let frame = await from.receive(); frame !== null; frame = await from.receive()) sendAll(to, passing([frame]));
  }),
  streams: both(async (from, to, passing) => {
    const through = new TransformStream<Uint8Array, Uint8Array>({
      transform: (frame, controller) => {
        for (const each of passing([frame])) controller.enqueue(each);
      },
    });
    // It ends with an error where the other device is the first to close.
    await from.readable
      .pipeThrough(through)
      .pipeTo(to.writable)
      .catch(() => {});
  }),
};

export type Plant = "loss" | "reorder" | "duplicate" | "damage";

/** Passes frames on as they are; or, to see whether it is found, changes one of every `period`. */
export function passingWith(plant: Plant | undefined, period: number): Passing {
  if (plant === undefined) return (frames) => frames;
  let count = 0;
  let kept: Uint8Array | undefined;
  return (frames) =>
    frames.flatMap((frame) => {
      const late = kept === undefined ? [] : [kept];
      kept = undefined;
      if (++count % period !== 0) return [frame, ...late];
      if (plant === "loss") return [];
      if (plant === "duplicate") return [frame, frame];
      if (plant === "damage") return [frame.with(frame.length - 1, ~(frame.at(-1) ?? 0))];
      kept = frame.slice();
      return late;
    });
}
