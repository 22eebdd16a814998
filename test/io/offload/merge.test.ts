/** Runs of packets become super-packets, and packets again, the same ones. */
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { mergeable, superPacket, traffic } from "./support/arbitraries.ts";
import {
  type Fields,
  FLAG,
  makeHeader,
  makePacket,
  makeSegments,
  offsets,
  plainFields as tcp,
} from "./support/packets.ts";
import { HEADER, receive, SendState, send, split } from "./support/shim.ts";
import { withoutId } from "./support/soundness.ts";

const EAGAIN = 11;
const EIO = 5;
const EINVAL = 22;

describe("merging", () => {
  test("after splitting is the identity", () => {
    fc.assert(
      fc.property(superPacket(mergeable, 64), ({ fields, payload, size }) => {
        const ethernet = fields.tags !== undefined;
        const whole = makePacket(fields, payload, true);
        // Of IPv6 the header counts too, as for IPv4: 40 bytes less than the length field could say.
        fc.pre(whole.length - offsets(fields).ip <= 65_535);
        const packets = split(makeHeader(fields, size), whole, ethernet);
        const writes = send(packets, ethernet);
        expect(writes).toHaveLength(1);
        // One packet alone goes as it is, with a header that asks for nothing.
        const expected =
          packets.length === 1 ? [new Uint8Array(HEADER), packets[0]!] : [makeHeader(fields, size), whole];
        expect(writes[0]).toEqual(Uint8Array.from(Buffer.concat(expected)));
      }),
      { numRuns: 400 },
    );
  });

  test("before splitting is the identity: the same packets in the same order, whatever the mix", () => {
    let [merged, given] = [0, 0];
    fc.assert(
      fc.property(traffic, ({ frames, ethernet }) => {
        const writes = send(frames, ethernet);
        const received = receive(writes, ethernet);
        expect(received.map((frame) => withoutId(frame, ethernet))).toEqual(
          frames.map((frame) => withoutId(frame, ethernet)),
        );
        given += frames.length;
        merged += frames.length - writes.length;
      }),
      { numRuns: 600 },
    );
    // Or this shows little.
    expect(merged).toBeGreaterThan(given / 3);
  });

  test("changes no identification that means something, and merges where it counts up", () => {
    fc.assert(
      fc.property(superPacket(mergeable, 64), ({ fields, payload, size }) => {
        const ethernet = fields.tags !== undefined;
        const packets = makeSegments({ ...fields, version: 4, dontFragment: false }, payload, size);
        expect(receive(send(packets, ethernet), ethernet)).toEqual(packets);
      }),
    );
  });
});

describe("a write that fails", () => {
  test("leaves the frames before it taken, and no other", () => {
    fc.assert(
      fc.property(traffic, fc.nat(40), fc.constantFrom(EAGAIN, EIO), ({ frames, ethernet }, at, errno) => {
        const state = new SendState();
        const { writes, result, given, pending } = state.send(frames, ethernet, {
          errors: [...Array(at).fill(0), errno],
        });
        const taken = given - pending;
        if (result === 0) expect(taken).toBe(frames.length);
        else expect([result, taken < frames.length]).toEqual([-errno, true]);
        expect(receive(writes, ethernet).map((frame) => withoutId(frame, ethernet))).toEqual(
          frames.slice(0, taken).map((frame) => withoutId(frame, ethernet)),
        );
        // What follows goes on there, and with nothing of what failed.
        const rest = state.send(frames.slice(taken), ethernet);
        expect([rest.result, rest.given - rest.pending]).toEqual([0, frames.length - taken]);
        expect(receive(rest.writes, ethernet)).toHaveLength(frames.length - taken);
      }),
      { numRuns: 300 },
    );
  });

  test("is forgotten by the next, whose first frame may fail alone", () => {
    const state = new SendState();
    const frames = makeSegments({ ...tcp, flags: FLAG.ack }, new Uint8Array(500), 100);
    expect(state.send(frames, false, { errors: [EAGAIN] })).toMatchObject({ result: -EAGAIN, given: 5, pending: 5 });
    const bare = makePacket(tcp, new Uint8Array());
    expect(state.send([bare], false, { errors: [EAGAIN] })).toMatchObject({ result: -EAGAIN, given: 0, pending: 0 });
  });

  test("EINVAL for a super-packet: its packets go one by one, and that kind from then on", () => {
    const state = new SendState();
    const segments = (more: Partial<Fields>): Uint8Array[] =>
      makeSegments({ ...tcp, ...more }, new Uint8Array(500), 100);
    const [tcp4, tcp6, udp4] = [segments({}), segments({ version: 6 }), segments({ protocol: "udp" })];
    const first = state.send([...tcp4, ...udp4], false, { errors: [EINVAL, 0] });
    expect(first).toMatchObject({ result: 0, pending: 0, off: 1 });
    expect(first.writes).toHaveLength(5 + 1);
    expect(receive(first.writes, false)).toEqual([...tcp4, ...udp4]);
    const second = state.send([...tcp4, ...tcp6, ...udp4], false);
    expect([second.writes.length, second.off]).toEqual([5 + 1 + 1, 1]);
    expect(receive(second.writes, false)).toEqual([...tcp4, ...tcp6, ...udp4]);
  });

  test("EINVAL for every kind, and a write that fails while its packets go one by one", () => {
    fc.assert(
      fc.property(traffic, fc.nat(10), fc.nat(10), fc.nat(20), ({ frames, ethernet }, before, until, at) => {
        const errors = [
          ...Array(before).fill(0),
          EINVAL,
          ...Array(until).fill(0),
          EINVAL,
          ...Array(at).fill(0),
          EAGAIN,
        ];
        const { writes, given, pending, result } = new SendState().send(frames, ethernet, { errors });
        const taken = given - pending;
        // EINVAL for a frame alone is the frame's own: it is the one that is refused.
        expect(result === 0 ? frames.length : taken).toBe(taken);
        expect([0, -EINVAL, -EAGAIN]).toContain(result);
        expect(receive(writes, ethernet).map((frame) => withoutId(frame, ethernet))).toEqual(
          frames.slice(0, taken).map((frame) => withoutId(frame, ethernet)),
        );
      }),
      { numRuns: 300 },
    );
  });
});
