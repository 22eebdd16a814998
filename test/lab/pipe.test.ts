/** Impairments in simulated time, against what theory says of them. */
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { arp, numbered, numberOf, SimulatedClock, Simulation, type SimulationOptions } from "./simulated.ts";

const FRAMES = 1_000_000;

/** Sends `count` frames, one each `gapUs`, and waits for the last one. */
function flow(options: SimulationOptions, count: number, gapUs = 10, length = 64): Simulation {
  const simulation = new Simulation(options);
  const frame = numbered(0, length);
  const view = new DataView(frame.buffer);
  for (let i = 0; i < count; i++) {
    simulation.clock.advance(i * gapUs);
    view.setUint32(14, i);
    simulation.send(frame.slice());
  }
  simulation.clock.advance(simulation.clock.time + 10_000_000);
  return simulation;
}

/** Fails if a count strays from n p by more than five standard deviations, which happens once in two million runs. */
function expectBinomial(count: number, n: number, p: number): void {
  expect(Math.abs(count - n * p)).toBeLessThan(5 * Math.sqrt(n * p * (1 - p)));
}

describe("loss", () => {
  test.each([0.001, 0.01, 0.2, 0.5])(
    "of %d is within the binomial bounds over 10^6 frames",
    (loss) => {
      const { pipe } = flow({ loss }, FRAMES);
      expectBinomial(pipe.stats().lost, FRAMES, loss);
      expect(pipe.stats().delivered).toBe(FRAMES - pipe.stats().lost);
    },
    60_000,
  );

  test("of neighbouring frames is independent", () => {
    const { order } = flow({ loss: 0.1 }, FRAMES);
    let pairs = 0;
    for (let i = 1; i < order.length; i++) if ((order[i] as number) - (order[i - 1] as number) > 2) pairs++;
    // Gaps of two or more lost frames: a delivered frame, a lost one and a lost one.
    expectBinomial(pairs, FRAMES, 0.9 * 0.1 * 0.1);
  }, 60_000);

  test("in bursts has the share and the mean burst of the chain", () => {
    const { order } = flow({ loss: { enter: 0.01, leave: 0.25 } }, FRAMES);
    let bursts = 0;
    for (let i = 1; i < order.length; i++) if ((order[i] as number) - (order[i - 1] as number) > 1) bursts++;
    const lost = FRAMES - order.length;
    expect(lost / FRAMES).toBeWithin(0.0385 * 0.95, 0.0385 * 1.05);
    expect(lost / bursts).toBeWithin(4 * 0.95, 4 * 1.05);
  }, 60_000);

  test("of 1 loses every frame but those of ARP", () => {
    const simulation = new Simulation({ loss: 1 });
    for (let i = 0; i < 10; i++) simulation.send(numbered(i), arp());
    expect(simulation.pipe.stats()).toMatchObject({ frames: 20, lost: 10, delivered: 10 });
  });
});

describe("delay", () => {
  test("delivers each frame so much later, to the microsecond", () => {
    const { arrivals } = flow({ delay: 12.345 }, 1000, 777);
    expect(arrivals.length).toBe(1000);
    for (const { at, frame } of arrivals) expect(at).toBeCloseTo(numberOf(frame) * 777 + 12_345, 3);
  });

  test("with jitter is spread evenly, and keeps the order", () => {
    const { arrivals, order } = flow({ delay: 20, jitter: 5 }, 100_000, 10_000);
    expect(order).toEqual([...order].sort((a, b) => a - b));
    const delays = arrivals.map(({ at, frame }) => at - numberOf(frame) * 10_000).sort((a, b) => a - b);
    for (const [quantile, wanted] of [
      [0.01, 15_100],
      [0.25, 17_500],
      [0.5, 20_000],
      [0.75, 22_500],
      [0.99, 24_900],
    ]) {
      expect(
        Math.abs((delays[Math.floor(delays.length * (quantile as number))] as number) - (wanted as number)),
      ).toBeLessThan(150);
    }
    expect(delays[0]).toBeGreaterThanOrEqual(15_000);
    expect(delays.at(-1)).toBeLessThanOrEqual(25_000);
  });

  test("with jitter keeps the order of frames that come close together", () => {
    const { order } = flow({ delay: 20, jitter: 20 }, 10_000, 5);
    expect(order).toEqual(Array.from({ length: 10_000 }, (_, i) => i));
  });
});

describe("rate", () => {
  test.each([1e6, 1e7, 1e8, 1e9])("of %d bit/s is kept", (rate) => {
    const length = 1514;
    const frameUs = (length * 8e6) / rate;
    const { arrivals } = flow({ rate, queue: 2 ** 20 }, 20_000, frameUs / 2, length);
    const [first, last] = [arrivals[0]?.at ?? 0, arrivals.at(-1)?.at ?? 0];
    const measured = ((arrivals.length - 1) * length * 8e6) / (last - first);
    expect(measured / rate).toBeWithin(0.9999, 1.0001);
  });

  test("lets as many bytes wait as the queue has, and drops and counts the rest", () => {
    const simulation = new Simulation({ rate: 1e6, queue: 10_000 });
    for (let i = 0; i < 100; i++) simulation.send(numbered(i, 1000));
    const { waitingBytes, queueDropped } = simulation.pipe.stats();
    // The one that is being sent waits, too.
    expect(waitingBytes).toBe(10_000);
    expect(queueDropped).toBe(90);
    simulation.clock.advance(80_000);
    expect(simulation.order).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    expect(simulation.pipe.stats().waitingBytes).toBe(0);
  });
});

describe("the other impairments", () => {
  test("duplicate: both copies arrive, one behind the other", () => {
    const { order, pipe } = flow({ duplicate: 0.1, delay: 1 }, 100_000);
    expectBinomial(pipe.stats().duplicated, 100_000, 0.1);
    expect(order.length).toBe(100_000 + pipe.stats().duplicated);
    expect(order).toEqual([...order].sort((a, b) => a - b));
  });

  test("corrupt: one bit of the packet, never of the Ethernet header", () => {
    const { arrivals, pipe } = flow({ corrupt: 0.1 }, 100_000);
    expectBinomial(pipe.stats().corrupted, 100_000, 0.1);
    let bits = 0;
    for (const [i, { frame }] of arrivals.entries()) {
      const wanted = numbered(i);
      frame.forEach((byte, at) => {
        const difference = byte ^ (wanted[at] as number);
        if (difference === 0) return;
        expect(at).toBeGreaterThanOrEqual(14);
        expect(difference & (difference - 1)).toBe(0);
        bits++;
      });
    }
    expect(bits).toBe(pipe.stats().corrupted);
  });

  test("reorder: one to three frames overtake, whatever their distance", () => {
    for (const gap of [1, 1000]) {
      const { order, pipe } = flow({ reorder: 0.05 }, 10_000, gap);
      expectBinomial(pipe.stats().reordered, 10_000, 0.05);
      expect([...order].sort((a, b) => a - b)).toEqual(Array.from({ length: 10_000 }, (_, i) => i));
      for (const [at, number] of order.entries()) expect(Math.abs(at - number)).toBeLessThan(20);
      expect(order).not.toEqual([...order].sort((a, b) => a - b));
    }
  });

  test("reorder: a frame that none follows arrives all the same", () => {
    const simulation = new Simulation({ reorder: 1 });
    simulation.send(numbered(1));
    simulation.clock.advance(249_999);
    expect(simulation.order).toEqual([]);
    simulation.clock.advance(250_000);
    expect(simulation.order).toEqual([1]);
  });

  test("mtu: longer packets vanish, those of this length pass", () => {
    const simulation = new Simulation({ mtu: 1400 });
    simulation.send(numbered(1, 1414), numbered(2, 1415), numbered(3, 60));
    expect(simulation.order).toEqual([1, 3]);
    expect(simulation.pipe.stats().tooLong).toBe(1);
  });

  test("a cut link loses what comes and what is under way", () => {
    const simulation = new Simulation({ delay: 10 });
    simulation.send(numbered(1));
    simulation.pipe.isCut = true;
    simulation.send(numbered(2));
    simulation.clock.advance(10_000);
    simulation.pipe.isCut = false;
    simulation.send(numbered(3));
    simulation.clock.advance(20_000);
    expect(simulation.order).toEqual([3]);
    expect(simulation.pipe.stats().cut).toBe(2);
  });
});

describe("chance", () => {
  const impairments = fc.record({
    loss: fc.constantFrom(0, 0.1, 0.5),
    duplicate: fc.constantFrom(0, 0.2),
    corrupt: fc.constantFrom(0, 0.2),
    reorder: fc.constantFrom(0, 0.2),
    delay: fc.constantFrom(0, 3),
    jitter: fc.constantFrom(0, 2),
  });
  const lengths = fc.array(fc.integer({ min: 60, max: 1514 }), { minLength: 1, maxLength: 60 });

  function run(
    options: SimulationOptions,
    sizes: readonly number[],
    batch: number,
    clock = new SimulatedClock(),
  ): Simulation {
    const simulation = new Simulation({ ...options, clock });
    const start = clock.time;
    for (let i = 0; i < sizes.length; i += batch) {
      clock.advance(start + i * 1000);
      simulation.send(...sizes.slice(i, i + batch).map((length, k) => numbered(i + k, length)));
    }
    clock.advance(clock.time + 1_000_000);
    return simulation;
  }

  const bytes = ({ arrivals }: Simulation): string[] => arrivals.map(({ frame }) => frame.toHex());

  test("the same seed and frames have the same fates, whatever passes on other links", () => {
    fc.assert(
      fc.property(fc.nat(0xffff_ffff), impairments, lengths, lengths, (seed, wanted, sizes, others) => {
        const alone = run({ seed, ...wanted }, sizes, 1);
        const clock = new SimulatedClock();
        const other = new Simulation({ seed, name: "other", clock, delay: 1, jitter: 1, loss: 0.3 });
        for (const [i, length] of others.entries()) other.send(numbered(i, length));
        const beside = run({ seed, ...wanted }, sizes, 1, clock);
        expect(bytes(beside)).toEqual(bytes(alone));
        expect(beside.pipe.stats()).toEqual(alone.pipe.stats());
      }),
    );
  });

  test("fates do not depend on how frames fall into batches", () => {
    fc.assert(
      fc.property(
        fc.nat(0xffff_ffff),
        impairments,
        lengths,
        fc.integer({ min: 2, max: 7 }),
        (seed, wanted, sizes, batch) => {
          const [single, batched] = [run({ seed, ...wanted }, sizes, 1), run({ seed, ...wanted }, sizes, batch)];
          expect(bytes(batched)).toEqual(bytes(single));
        },
      ),
    );
  });

  test("another impairment leaves the fates that come of one", () => {
    const sizes = new Array(1000).fill(100);
    const survivors = (more: SimulationOptions): Set<number> => new Set(run({ loss: 0.1, ...more }, sizes, 1).order);
    expect(survivors({ duplicate: 0.3, jitter: 1, delay: 1 })).toEqual(survivors({}));
  });

  test.each([{ loss: 0.3 }, { reorder: 0.3, duplicate: 0.1 }])("ARP between frames changes no fate: %p", (wanted) => {
    const [plain, mixed] = [new Simulation(wanted), new Simulation(wanted)];
    for (let i = 0; i < 200; i++) {
      plain.send(numbered(i));
      mixed.send(arp(), numbered(i), arp());
    }
    for (const { clock } of [plain, mixed]) clock.advance(1_000_000);
    const fates = mixed.arrivals.filter(({ frame }) => frame[13] !== 6).map(({ frame }) => numberOf(frame));
    expect(fates).toEqual(plain.order);
  });

  test("another seed, another name: other fates", () => {
    const sizes = new Array(200).fill(100);
    const orders = [{}, { seed: 8 }, { name: "link-2" }].map((more) =>
      String(run({ loss: 0.5, ...more }, sizes, 1).order),
    );
    expect(new Set(orders).size).toBe(3);
  });
});
