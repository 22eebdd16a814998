/** The timer wheel against a sorted list. */
import { expect, test } from "bun:test";
import fc from "fast-check";
import { type Outlet, Wheel } from "../../src/lab/wheel.ts";

class Log implements Outlet {
  waiting = 0;
  waitingBytes = 0;
  readonly got: number[] = [];
  onDeliver: () => void = () => {};

  deliver(frames: Uint8Array[]): void {
    this.onDeliver();
    for (const frame of frames) this.got.push(new DataView(frame.buffer, frame.byteOffset).getUint32(0));
  }
}

function frameOf(number: number, length = 64): Uint8Array {
  const frame = new Uint8Array(length);
  new DataView(frame.buffer).setUint32(0, number);
  return frame;
}

test("delivers in the order of time, and of those at the same time in the order of putting, as a sorted list does", () => {
  const step = fc.oneof(
    fc.record({ put: fc.integer({ min: 0, max: 900_000 }), length: fc.constantFrom(60, 300, 9000) }),
    fc.record({ advance: fc.integer({ min: 0, max: 700_000 }) }),
    fc.record({ move: fc.nat(), to: fc.integer({ min: 0, max: 900_000 }) }),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
      const [wheel, log] = [new Wheel(), new Log()];
      let expected: { at: number; sequence: number; number: number }[] = [];
      const tickets: number[] = [];
      const wanted: number[] = [];
      let [now, sequence] = [0, 0];
      const advance = (by: number): void => {
        now += by;
        wheel.drain(now);
        const due = expected.filter(({ at }) => at <= now).sort((a, b) => a.at - b.at || a.sequence - b.sequence);
        wanted.push(...due.map(({ number }) => number));
        expected = expected.filter(({ at }) => at > now);
      };
      for (const action of steps) {
        if ("put" in action) {
          expected.push({ at: now + action.put, sequence: sequence++, number: tickets.length });
          tickets.push(wheel.put(log, frameOf(tickets.length, action.length), now + action.put));
        } else if ("move" in action) {
          if (tickets.length === 0) continue;
          const number = action.move % tickets.length;
          wheel.move(tickets[number] as number, now + action.to);
          const entry = expected.find((other) => other.number === number);
          if (entry !== undefined) Object.assign(entry, { at: now + action.to, sequence: sequence++ });
        } else advance(action.advance);
        expect(log.waiting).toBe(expected.length);
        expect(wheel.earliest).toBeLessThanOrEqual(Math.min(...expected.map(({ at }) => at)));
      }
      advance(2_000_000);
      expect(log.got).toEqual(wanted);
      expect([wheel.size, log.waiting, log.waitingBytes, wheel.earliest]).toEqual([0, 0, 0, Number.POSITIVE_INFINITY]);
    }),
    { numRuns: 300 },
  );
});

test("drop() forgets the frames of one outlet, also while frames are being delivered", () => {
  const [wheel, one, other] = [new Wheel(), new Log(), new Log()];
  for (let i = 0; i < 100; i++) wheel.put(i % 2 === 0 ? one : other, frameOf(i), i);
  one.onDeliver = () => wheel.drop(other);
  wheel.drain(49);
  wheel.drain(1000);
  expect(one.got.length).toBe(50);
  // What was taken out together with the frame that closed the link still arrives.
  expect(other.got.length).toBe(25);
  expect([one.waiting, other.waiting, wheel.size]).toEqual([0, 0, 0]);
});

test("frames that a delivery puts are delivered after it", () => {
  const [wheel, log] = [new Wheel(), new Log()];
  log.onDeliver = () => {
    log.onDeliver = () => {};
    wheel.put(log, frameOf(2), 10);
    wheel.drain(10);
  };
  wheel.put(log, frameOf(1), 10);
  wheel.drain(10);
  expect(log.got).toEqual([1]);
  wheel.drain(10);
  expect(log.got).toEqual([1, 2]);
});

test("a delivery that transfers the buffer of a frame costs the frames of its memory, and none that come later", () => {
  const wheel = new Wheel();
  const got: number[] = [];
  let transfers = true;
  const outlet: Outlet = {
    waiting: 0,
    waitingBytes: 0,
    deliver(frames) {
      for (const frame of frames) got.push(frame.length === 0 ? -1 : (frame[3] as number));
      const { buffer } = frames[0] as Uint8Array<ArrayBuffer>;
      if (transfers) structuredClone(buffer, { transfer: [buffer] });
      transfers = false;
    },
  };
  for (const number of [1, 2, 3]) wheel.put(outlet, frameOf(number), number * 1000);
  wheel.drain(1000);
  wheel.put(outlet, frameOf(4), 4000);
  wheel.drain(4000);
  expect(got).toEqual([1, 0, 0, 4]);
  expect([outlet.waiting, outlet.waitingBytes, wheel.size]).toEqual([0, 0, 0]);
});

test("a million frames through one wheel keep no more memory than waited at once", () => {
  const [wheel, log] = [new Wheel(), new Log()];
  const frame = frameOf(1, 1514);
  for (let i = 0; i < 1_000_000; i++) {
    wheel.drain(i);
    wheel.put(log, frame, i + 100);
    log.got.length = 0;
  }
  Bun.gc(true);
  expect(wheel.size).toBeLessThan(200);
}, 60_000);
