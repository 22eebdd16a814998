/**
 * Many frames each way, of every size that a TAP of MTU 9000 carries.
 *
 *   frames.c (packet socket) --> TAP --> a way to receive --> checkFrame
 *   send, sendMany, writable --> TAP --> packet socket (frames.c)
 *
 * Every frame arrives once, whole and in order, or the kernel has counted it
 * as dropped.
 */
import { expect, test } from "bun:test";
import { openTap, type Tap } from "../../src/index.ts";
import { floodFrames, timeLimitMs } from "../support/effort.ts";
import { checkFrame, collect, flood, makeFrame } from "../support/frames.ts";
import { describePrivileged } from "../support/privilege.ts";
import { quietIPv6, until } from "../support/system.ts";

const COUNT = floodFrames;
const MTU = 9000;
const TIMEOUT_MS = timeLimitMs(COUNT);

/** Counts frames as they come; `wrong` holds the first few that are not whole or not in order. */
class Tally {
  arrived = 0;
  last = -1;
  readonly wrong: string[] = [];

  add(frame: Uint8Array): void {
    const number = checkFrame(frame);
    if (number > this.last) {
      this.last = number;
      this.arrived++;
    } else if (this.wrong.length < 5) this.wrong.push(`${number} after ${this.last}, ${frame.length} bytes`);
  }
}

type Receive = (tap: Tap, tally: Tally) => Promise<void> | undefined;

const ways: Record<string, Receive> = {
  data: () => undefined,
  "for await": async (tap, tally) => {
    for await (const frame of tap) tally.add(frame);
  },
  batches: async (tap, tally) => {
    for await (const frames of tap.batches()) for (const frame of frames) tally.add(frame);
  },
  receive: async (tap, tally) => {
    for (let frame = await tap.receive(); frame !== null; frame = await tap.receive()) tally.add(frame);
  },
  tryReceive: async (tap, tally) => {
    while (!tap.closed) {
      for (let frame = tap.tryReceive(); frame !== null; frame = tap.tryReceive()) tally.add(frame);
      await Bun.sleep(0);
    }
  },
  readable: async (tap, tally) => {
    for await (const frame of tap.readable) tally.add(frame);
  },
};

describePrivileged("a flood", () => {
  for (const [name, receive] of Object.entries(ways)) {
    for (const reuseBuffers of [false, true]) {
      test(
        `${name}${reuseBuffers ? " with reuseBuffers" : ""} gets every frame once, whole, in order, or the kernel counts it`,
        async () => {
          quietIPv6();
          const tally = new Tally();
          const data = (_: Tap, frames: Uint8Array[]): void => frames.forEach((frame) => void tally.add(frame));
          const tap = openTap({ mtu: MTU, up: true, reuseBuffers, ...(name === "data" ? { data } : {}) });
          const receiving = receive(tap, tally);
          const sent = await flood(tap.index, COUNT, 14, MTU + 14);
          expect(sent).toBe(COUNT);
          const accounted = (): number => tally.arrived + tally.wrong.length + tap.stats().txDropped;
          await until(() => accounted() >= sent, "every frame accounted for", TIMEOUT_MS);
          const { txDropped } = tap.stats();
          tap.close();
          await receiving;
          expect(tally.wrong).toEqual([]);
          expect(tally.arrived + txDropped).toBe(sent);
          // A part of the flood must have been received, or this shows little: how much depends on what else the machine does.
          expect(tally.arrived).toBeGreaterThan(COUNT / 10);
        },
        TIMEOUT_MS,
      );
    }
  }

  const senders: Record<string, (tap: Tap, frames: Uint8Array[]) => Promise<void>> = {
    send: async (tap, frames) => {
      for (const frame of frames) expect(tap.send(frame)).toBeTrue();
    },
    sendMany: async (tap, frames) => expect(tap.sendMany(frames)).toBe(frames.length),
    writable: async (tap, frames) => {
      const writer = tap.writable.getWriter();
      for (const frame of frames) await writer.write(frame);
      writer.releaseLock();
    },
  };

  for (const [name, send] of Object.entries(senders)) {
    test(
      `${name} puts every frame on the interface once, whole, in order`,
      async () => {
        quietIPv6();
        using tap = openTap({ mtu: MTU, up: true });
        const collected = await collect(tap.index, COUNT);
        let size = 14;
        for (let number = 0; number < COUNT; ) {
          const batch: Uint8Array[] = [];
          for (; batch.length < 64 && number < COUNT; number++) {
            // 7919 is prime to the number of sizes, so every size comes.
            size = 14 + ((number * 7919) % (MTU + 1));
            const frame = new Uint8Array(size);
            makeFrame(frame, number);
            batch.push(frame);
          }
          await send(tap, batch);
        }
        const { inOrder, wrong, dropped } = await collected.done;
        expect({ wrong, total: inOrder + dropped + tap.stats().rxDropped }).toEqual({ wrong: 0, total: COUNT });
        expect(inOrder).toBeGreaterThan(COUNT / 10);
      },
      TIMEOUT_MS,
    );
  }
});
