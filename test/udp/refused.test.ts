/** What becomes of runs where the kernel says no: by answers that a test hands in, and a model that knows datagrams alone. */
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { EAGAIN, EBADF, EHOSTUNREACH, EINVAL, EIO, EMSGSIZE, ENOBUFS } from "../../src/sys/constants.ts";
import { type Message, send } from "./kernel.ts";

const ECONNREFUSED = 111;

/** The datagrams of messages: number and length of each. */
function datagramsOf(messages: readonly Message[], lengths: readonly number[]): number[] {
  return messages.flatMap(({ bytes, segment, first }) => {
    if (segment === 0) return [bytes === 0 ? -1 : first];
    const count = Math.ceil(bytes / segment);
    for (let i = 0; i < count; i++) {
      expect(lengths[(first + i) & 0xff] ?? 0).toBe(i < count - 1 ? segment : bytes - segment * (count - 1));
    }
    return Array.from({ length: count }, (_, i) => first + i);
  });
}

const run = (count: number, length: number): number[] => Array(count).fill(length);

describe("sending datagrams", () => {
  test("a run is one message, with its size; several runs are one call", () => {
    expect(send(run(10, 100))).toMatchObject({
      result: 0,
      done: 10,
      calls: 1,
      messages: [{ bytes: 1000, segment: 100, first: 0 }],
    });
    expect(send([...run(3, 100), 50, 60, 60])).toMatchObject({
      calls: 1,
      messages: [
        { bytes: 350, segment: 100, first: 0 },
        { bytes: 120, segment: 60, first: 4 },
      ],
    });
    // A datagram alone carries no size; an empty one is none of a run.
    expect(send([100, 0, 0, 100]).messages).toEqual([
      { bytes: 100, segment: 0, first: 0 },
      { bytes: 0, segment: 0, first: -1 },
      { bytes: 0, segment: 0, first: -1 },
      { bytes: 100, segment: 0, first: 3 },
    ]);
  });

  test("a run has 64 datagrams at most, and what an IPv4 packet holds", () => {
    expect(send(run(130, 10)).messages.map(({ bytes }) => bytes)).toEqual([640, 640, 20]);
    expect(send(run(50, 1452)).messages.map(({ bytes }) => bytes)).toEqual([45 * 1452, 5 * 1452]);
    expect(send(run(3, 40_000)).messages.map(({ bytes, segment }) => [bytes, segment])).toEqual(
      Array(3).fill([40_000, 0]),
    );
  });

  test("without segmentation each goes alone, 64 a call", () => {
    const { messages, calls } = send(run(130, 100), [], 0);
    expect([messages.length, calls]).toEqual([130, 3]);
    expect(messages.every(({ segment }) => segment === 0)).toBe(true);
  });

  test("EIO of a run: one by one, and never again on this path", () => {
    // Twice: the first answer may be about an earlier datagram.
    const { result, done, messages, segmentMax, refusals } = send(run(5, 100), [-EIO, -EIO]);
    expect([result, done, segmentMax, refusals]).toEqual([0, 5, 0, 1]);
    expect(messages.map(({ bytes, segment, first }) => [bytes, segment, first])).toEqual(
      [0, 1, 2, 3, 4].map((i) => [100, 0, i]),
    );
  });

  // EINVAL: Linux before 6.14.
  test.each([EMSGSIZE, EINVAL])("errno %p of a run: one by one, and so are all that are as long", (errno) => {
    const { done, messages, segmentMax, refusals } = send(run(5, 100), [-errno, -errno]);
    expect([done, messages.length, segmentMax, refusals]).toEqual([5, 5, 99, 0]);
  });

  test("EINVAL of a run that is too long with its headers, as Linux before 5.16 counts it: shorter ones from then on", () => {
    // With gaps, 448 datagrams are sent together. The kernel refuses the first seven runs.
    const one = [-EINVAL, -EINVAL, ...Array(64).fill(0)];
    const none = [...Array(6).fill([-EINVAL, ...one]), one].flat();
    const { done, messages, segmentMax, refusals } = send(run(448 + 130, 100), none, 65_535, 3);
    expect([done, segmentMax, refusals]).toEqual([578, 65_535, 0]);
    expect(messages.map(({ bytes }) => bytes)).toEqual([...Array(448).fill(100), 6300, 6300, 400]);
    // With shorter ones the headers are more of them.
    const { messages: short } = send(run(448 + 64, 4), none, 65_535, 3);
    expect(short.slice(448).map(({ bytes }) => bytes)).toEqual([208, 48]);
  });

  test("ENOBUFS of a run: one by one this time, and together the next", () => {
    const { done, messages, segmentMax } = send(run(5, 100), [-ENOBUFS, -ENOBUFS]);
    expect([done, messages.length, segmentMax]).toEqual([5, 5, 65_535]);
  });

  test("a run that is refused as one and one by one is refused, and the path keeps its name", () => {
    // EINVAL: the local address is gone. Then the first datagram alone is refused too.
    const { result, done, messages } = send(run(5, 100), [-EINVAL, -EINVAL, -EINVAL, -EINVAL]);
    expect([result, done, messages]).toEqual([-EINVAL, 0, []]);
  });

  test.each([ECONNREFUSED, EHOSTUNREACH, EMSGSIZE])("errno %p of an earlier datagram costs none", (errno) => {
    expect(send(run(5, 100), [-errno])).toMatchObject({
      result: 0,
      done: 5,
      icmp: 1,
      segmentMax: 65_535,
      messages: [{ bytes: 500 }],
    });
    expect(send([100], [-errno])).toMatchObject({ result: 0, done: 1, icmp: 1 });
    // In the middle of several runs: sendmmsg(2) took two and did not tell why not more.
    const sizes = [10, 20, 30, 40, 50];
    expect(send(sizes, [2, -errno])).toMatchObject({ result: 0, done: 5, icmp: 1 });
    expect(send(sizes, [2, -errno]).messages.map(({ bytes }) => bytes)).toEqual(sizes);
  });

  test("no room: what was sent is told, and nothing is sent twice", () => {
    expect(send(run(5, 100), [-EAGAIN])).toMatchObject({ result: -EAGAIN, done: 0, messages: [] });
    expect(send([10, 20, 30, 40], [2, -EAGAIN])).toMatchObject({ result: -EAGAIN, done: 2 });
    expect(send([...run(3, 10), ...run(3, 20), 5], [1, -EAGAIN])).toMatchObject({ result: -EAGAIN, done: 3 });
    // One by one, in the middle of a run.
    expect(send(run(5, 100), [-EIO, -EIO, 0, 0, -EAGAIN])).toMatchObject({ result: -EAGAIN, done: 2 });
    expect(send(run(5, 100), [-EBADF])).toMatchObject({ result: -EBADF, done: 0 });
  });

  test("whatever the kernel answers: in order, none twice, none left out, and the count is right", () => {
    const answer = fc.oneof(
      { weight: 3, arbitrary: fc.constant(0) },
      fc.integer({ min: 1, max: 4 }),
      fc.constantFrom(-EIO, -EINVAL, -EMSGSIZE, -ENOBUFS, -EAGAIN, -ECONNREFUSED, -EHOSTUNREACH, -EBADF),
    );
    const length = fc.oneof(fc.constantFrom(1, 100, 1400, 30_000), fc.integer({ min: 1, max: 2000 }));
    const lengths = fc.oneof(
      fc.array(length, { maxLength: 200, minLength: 1 }),
      fc.tuple(fc.integer({ min: 1, max: 200 }), length).map(([n, each]) => run(n, each)),
    );
    fc.assert(
      fc.property(
        lengths,
        fc.array(answer, { maxLength: 30 }),
        fc.constantFrom(65_535, 0, 1000),
        fc.constantFrom(0, 3),
        (sizes, answers, max, gap) => {
          const { result, done, messages } = send(sizes, answers, max, gap);
          const sent = datagramsOf(messages, sizes);
          expect(sent.map((i) => i & 0xff)).toEqual(Array.from({ length: done }, (_, i) => i & 0xff));
          if (result === 0) expect(done).toBe(sizes.length);
          for (const { segment, bytes } of messages) {
            expect(segment === 0 || (segment <= max && bytes <= 65_507 && Math.ceil(bytes / segment) <= 64)).toBe(true);
          }
        },
      ),
      { numRuns: 300 },
    );
  });
});
