/** What scenarios are made of. */
import type { Device, TunTapError } from "../../src/index.ts";
import { echoRequest, isAnswer } from "./packets.ts";

/** What a scenario works with, and what is there before it begins and after it has ended. */
export interface World {
  /** The id of a process in another network namespace. */
  readonly other: number;
  /** A folder for files, which must be empty after each run. */
  readonly folder: string;
  /** Runs `look` while nothing fails: for what is looked at, and is not part of the scenario. */
  calmly<T>(look: () => T): T;
}

/** One piece of a program, as a careful user writes it: it closes what it has opened. */
export interface Scenario {
  readonly name: string;
  run(world: World): Promise<void>;
  /** True if it is about what the first device of a process does: each case has a process of its own then. */
  readonly isFirst?: boolean;
  /** Prepares what has to be there before; returns what takes it away. */
  prepare?(world: World): () => void;
  /** Returns what must be the same after a failure as before. */
  state?(world: World): string;
  /** Makes it so again. */
  repair?(world: World): void;
}

/** An expectation that did not hold although nothing failed, or although something did. */
export class Broken extends Error {
  override readonly name = "Broken";
}

export function expectThat(holds: boolean, what: string): void {
  if (!holds) throw new Broken(what);
}

/** The device ended, which is an outcome as well. */
export class Ended extends Error {
  override readonly name = "Ended";
  readonly reason: TunTapError | undefined;

  constructor(reason: TunTapError | undefined) {
    super(`the device ended: ${reason?.message}`);
    this.reason = reason;
  }
}

/** After a call that the device's end answers with null, or the like. */
export function assertAlive(device: Device): void {
  if (device.closed) throw new Ended(device.closeReason);
}

/** Counts the answers to pings that arrive. */
export class Answers {
  count = 0;
  readonly #offset: number;

  /** @param offset Bytes that stand before each packet. */
  constructor(offset = 0) {
    this.#offset = offset;
  }

  /** A data handler. */
  readonly data = (_device: unknown, frames: Uint8Array[]): void => {
    this.count += frames.filter((frame) => isAnswer(frame, this.#offset)).length;
  };
}

/** The time, in milliseconds, after which what does not come counts as missing, on a busy machine, too. */
export const PATIENCE_MS = 10_000;
const AGAIN_MS = 20;

/** Pings the kernel's end of `device` until `answered`; throws what sending throws. */
export async function pingUntil(
  device: Device,
  answered: () => boolean,
  request: Uint8Array = echoRequest,
): Promise<void> {
  const deadline = performance.now() + PATIENCE_MS;
  for (let sent = Number.NEGATIVE_INFINITY; !answered(); await pause()) {
    assertAlive(device);
    const now = performance.now();
    if (now > deadline) throw new Broken("no answer to a ping came");
    if (now < sent + AGAIN_MS) continue;
    device.send(request);
    sent = now;
  }
}

/** Resolves when `condition` holds. */
export async function until(device: Device, condition: () => boolean, what: string): Promise<void> {
  const deadline = performance.now() + PATIENCE_MS;
  for (; !condition(); await pause()) {
    assertAlive(device);
    if (performance.now() > deadline) throw new Broken(`it never came: ${what}`);
  }
}

/** A turn of the event loop. */
export async function pause(): Promise<void> {
  await Bun.sleep(1);
}
