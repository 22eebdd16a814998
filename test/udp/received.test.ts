/** What becomes of messages as the kernel hands them over, by messages that a test hands in. */
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { EBADF } from "../../src/sys/constants.ts";
import { Receiving, type Waiting } from "./kernel.ts";

const MSG_TRUNC = 0x20;
const ECONNREFUSED = 111;
const ROOM = 1 << 20;

describe("receiving datagrams", () => {
  test("merged ones have the size of each, single ones their own", () => {
    const { received } = new Receiving(ROOM).read([{ bytes: 4400, segment: 1000 }, { bytes: 100 }, { bytes: 0 }]);
    expect(received.map(({ bytes, segment }) => [bytes, segment])).toEqual([
      [4400, 1000],
      [100, 100],
      [0, 0],
    ]);
  });

  test("a message that the kernel cut is counted, and so is what found no room", () => {
    const socket = new Receiving(ROOM);
    socket.read([{ bytes: 65_536, flags: MSG_TRUNC }, { bytes: 5 }], 1024, 7);
    expect(socket.counters).toEqual({ lost: 7, truncated: 1, icmp: 0 });
    socket.read([{ bytes: 5 }], 1024, 12);
    expect(socket.counters).toEqual({ lost: 12, truncated: 1, icmp: 0 });
  });

  test("an ICMP error costs no datagram, wherever it comes", () => {
    const socket = new Receiving(ROOM);
    const icmp = { bytes: -ECONNREFUSED };
    const messages = [icmp, { bytes: 1 }, { bytes: 2 }, icmp, { bytes: 3 }, icmp];
    // An error behind a message ends a read: as something waits still, epoll tells of it at once.
    const bytes: number[] = [];
    for (let at = 0, reads = 0; at < messages.length && reads < 10; reads++) {
      const { received, taken } = socket.read(messages.slice(at));
      bytes.push(...received.map((message) => message.bytes));
      at += taken;
    }
    expect([bytes, socket.counters.icmp]).toEqual([[1, 2, 3], 3]);
  });

  test("reports that the socket has gone after its datagrams", () => {
    expect(new Receiving(ROOM).read([{ bytes: 1 }, { bytes: -EBADF }])).toMatchObject({ result: 1 });
    expect(new Receiving(ROOM).read([{ bytes: -EBADF }])).toMatchObject({ result: -EBADF });
  });

  test("errors without end do not hold the thread", () => {
    expect(new Receiving(ROOM).read(Array(1000).fill({ bytes: -ECONNREFUSED })).taken).toBeLessThan(100);
  });

  test("one sender is one number, for as long as it is seen", () => {
    const socket = new Receiving(ROOM);
    const first = socket.read([
      { bytes: 1, port: 5 },
      { bytes: 1, port: 6 },
      { bytes: 1, port: 5 },
    ]).received;
    expect(first.map(({ isNew }) => isNew)).toEqual([true, true, false]);
    expect(first[2]?.peer).toBe(first[0]?.peer as number);
    // Ten times as many strangers as are kept, in reads of 1,000, and the one peer in between.
    for (let port = 1000; port < 41_000; port += 1000) {
      const strangers = Array.from({ length: 1000 }, (_, i): Waiting => ({ bytes: 1, port: port + i }));
      let left = strangers.length;
      while (left > 0) {
        const { received, taken } = socket.read(strangers.slice(-left));
        // None that this read met was forgotten within it: their numbers are all different.
        expect(new Set(received.map(({ peer }) => peer)).size).toBe(received.length);
        left -= taken;
      }
      const again = socket.read([{ bytes: 1, port: 5 }]).received[0];
      expect([again?.peer, again?.isNew]).toEqual([first[0]?.peer, false]);
    }
  });

  test("takes any message once, in order, whole, inside the slab, and none over another", () => {
    const size = fc.oneof(
      fc.integer({ min: 0, max: 3000 }),
      fc.integer({ min: 0, max: 65_536 }),
      fc.constantFrom(0, 64, 1452, 4096, 4097),
    );
    const message = fc.record({
      bytes: size,
      segment: fc.constantFrom(0, 0, 100, 1452),
      port: fc.integer({ min: 1, max: 4 }),
    });
    const room = fc.constantFrom(70_000, 200_000, ROOM);
    fc.assert(
      fc.property(
        fc.array(message, { maxLength: 60, minLength: 1 }),
        room,
        fc.integer({ min: 1, max: 200 }),
        (messages, bytes, limit) => {
          const socket = new Receiving(bytes);
          for (let at = 0; at < messages.length; ) {
            const rest = messages.slice(at);
            const { received, taken } = socket.read(rest, limit);
            expect(received.length).toBe(taken);
            expect(taken).toBeGreaterThan(0);
            let end = 8;
            for (const [i, { offset, bytes: length, content }] of received.entries()) {
              expect(offset).toBeGreaterThanOrEqual(end);
              end = offset + length;
              expect(end).toBeLessThanOrEqual(bytes);
              expect([length, ...content]).toEqual(length === 0 ? [0] : [rest[i]?.bytes as number, i + 1]);
            }
            at += taken;
          }
        },
      ),
      { numRuns: 200 },
    );
  });
});
