/** Interceptors in simulated time: every verdict, several of them, and those that fail. */
import { describe, expect, spyOn, test } from "bun:test";
import type { Verdict } from "../../src/lab/index.ts";
import { Interceptors } from "../../src/lab/interceptors.ts";
import { numbered, numberOf, Simulation } from "./simulated.ts";

const count = (simulation: Simulation) => simulation.pipe.stats();

test("undefined and pass let the frame pass, drop drops and counts it", () => {
  const simulation = new Simulation({});
  const verdicts: Verdict[] = [undefined, "pass", "drop", []];
  simulation.interceptors.add((frame) => verdicts[numberOf(frame)]);
  simulation.send(...[0, 1, 2, 3].map((number) => numbered(number)));
  expect(simulation.order).toEqual([0, 1]);
  expect(count(simulation)).toMatchObject({ frames: 4, delivered: 2, intercepted: 2 });
});

test("a frame in its place, one changed in place, several, and later ones", () => {
  const simulation = new Simulation({});
  simulation.interceptors.add((frame) => {
    const number = numberOf(frame);
    if (number === 0) return numbered(10);
    if (number === 1) {
      new DataView(frame.buffer, frame.byteOffset).setUint32(14, 11);
      return frame;
    }
    if (number === 2) return [frame, { frame: numbered(12), delay: 2 }, numbered(13)];
    return { delay: 1.5 };
  });
  simulation.send(...[0, 1, 2, 3].map((number) => numbered(number)));
  simulation.clock.advance(10_000);
  expect(simulation.arrivals.map(({ at, frame }) => [at, numberOf(frame)])).toEqual([
    [0, 10],
    [0, 11],
    [0, 2],
    [0, 13],
    [1500, 3],
    [2000, 12],
  ]);
});

test("the same buffer returned for several frames is taken as it was each time", () => {
  const simulation = new Simulation({ delay: 1 });
  const own = numbered(0);
  let next = 0;
  simulation.interceptors.add(() => {
    new DataView(own.buffer).setUint32(14, next++);
    return own;
  });
  simulation.send(numbered(7), numbered(8), numbered(9));
  simulation.clock.advance(1000);
  expect(simulation.order).toEqual([0, 1, 2]);
});

test("are asked in order, each about what the one before let through, until they are disposed of", () => {
  const simulation = new Simulation({});
  const asked: string[] = [];
  const first = simulation.interceptors.add((frame) => {
    asked.push(`first ${numberOf(frame)}`);
    return [frame, numbered(numberOf(frame) + 100)];
  });
  simulation.interceptors.add((frame, { way, from, to }) => {
    asked.push(`second ${numberOf(frame)} ${way} ${from} ${to}`);
    return numberOf(frame) === 1 ? "drop" : undefined;
  });
  simulation.send(numbered(1));
  expect(asked).toEqual(["first 1", "second 1 forward a b", "second 101 forward a b"]);
  expect(simulation.order).toEqual([101]);
  first[Symbol.dispose]();
  first[Symbol.dispose]();
  simulation.send(numbered(2));
  expect(asked.at(-1)).toBe("second 2 forward a b");
});

describe("one that fails lets the frame pass, and the error is told", () => {
  test("that throws", () => {
    const simulation = new Simulation({});
    const error = new Error("a mistake in the test");
    simulation.interceptors.add(() => {
      throw error;
    });
    simulation.send(numbered(1), numbered(2));
    expect(simulation.order).toEqual([1, 2]);
    expect(simulation.errors).toEqual([error, error]);
  });

  test("that throws, and so does what is told of it", () => {
    const thrown = new Error("a mistake in the error option");
    const interceptors = new Interceptors("link", () => {
      throw thrown;
    });
    interceptors.add(() => "dropp" as Verdict);
    const uncaught = spyOn(globalThis, "reportError").mockImplementation(() => {});
    try {
      const passed: Uint8Array[] = [];
      const frame = numbered(1);
      interceptors.run(frame, { way: "forward", from: "a", to: "b" }, (next) => passed.push(next));
      expect(passed).toEqual([frame]);
      expect(uncaught.mock.calls).toEqual([[thrown]]);
    } finally {
      uncaught.mockRestore();
    }
  });

  test.each([
    [true],
    [null],
    ["dropp"],
    [3],
    [new Uint8Array(13)],
    [new Uint8Array(65_536)],
    [{ delay: -1 }],
    [{ delay: Number.NaN }],
    [{ frame: "text", delay: 1 }],
    [[numbered(1), "drop"]],
    [Promise.resolve("drop")],
  ])("that returns %p", (garbage) => {
    const simulation = new Simulation({});
    simulation.interceptors.add(() => garbage as Verdict);
    simulation.send(numbered(1));
    expect(simulation.order).toEqual([1]);
    expect(simulation.errors).toEqual([expect.any(TypeError)]);
    expect(String(simulation.errors[0])).toStartWith('TypeError: An interceptor of the link "link" returned');
  });

  test("that is no function", () => {
    expect(() => new Simulation({}).interceptors.add("drop" as never)).toThrow('"interceptor" must be a function');
  });
});
