/** The replay window of apps/vpn against a set of all counters ever seen. */
import { expect, test } from "bun:test";
import fc from "fast-check";
import { ReplayWindow, type Verdict, WINDOW } from "../../apps/vpn/replay-window.ts";

/** What the window must say, from a memory without end. */
class Reference {
  readonly #seen = new Set<number>();
  #newest = -1;

  accept(counter: number): Verdict {
    if (counter <= this.#newest - WINDOW) return "too old";
    if (this.#seen.has(counter)) return "replayed";
    this.#seen.add(counter);
    if (counter < this.#newest) return "late";
    this.#newest = counter;
    return "newest";
  }
}

/** Walks that stay around the window's ends, and leaps over it, up to where numbers still count. */
const steps = fc.array(
  fc.oneof(
    { weight: 5, arbitrary: fc.integer({ min: -40, max: 40 }) },
    { weight: 3, arbitrary: fc.integer({ min: -WINDOW - 40, max: -WINDOW + 40 }) },
    { weight: 2, arbitrary: fc.integer({ min: WINDOW - 40, max: 2 * WINDOW + 40 }) },
    { weight: 1, arbitrary: fc.integer({ min: 0, max: 2 ** 40 }) },
  ),
  { minLength: 1, maxLength: 300 },
);
const starts = fc.constantFrom(0, 1, 31, 32, 2047, 2048, 2 ** 32 - 100, 2 ** 47);

test("ReplayWindow says of each counter what a set of all counters says", () => {
  fc.assert(
    fc.property(starts, steps, (start, walk) => {
      const [window, reference] = [new ReplayWindow(), new Reference()];
      let highest = start;
      for (const step of [0, ...walk]) {
        const counter = Math.max(0, highest + step);
        highest = Math.max(highest, counter);
        const verdict = window.accept(counter);
        if (verdict !== reference.accept(counter)) return false;
      }
      return window.newest === highest;
    }),
    { numRuns: 500 },
  );
});

test("ReplayWindow takes each counter of a shuffled window once", () => {
  const window = new ReplayWindow();
  const counters = Array.from({ length: WINDOW }, (_, i) => (i * 1021) % WINDOW);
  expect(counters.map((counter) => window.accept(counter)).filter((verdict) => verdict === "replayed")).toEqual([]);
  expect(new Set(counters.map((counter) => window.accept(counter)))).toEqual(new Set<Verdict>(["replayed"]));
  expect(window.accept(WINDOW)).toBe("newest");
  expect(window.accept(0)).toBe("too old");
  expect(window.accept(1)).toBe("replayed");
});
