/** Runs of packets become super-packets, and packets again, the same ones. */
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { mergeable, superPacket, traffic } from "./support/arbitraries.ts";
import { expectSameFlows } from "./support/order.ts";
import {
  type Fields,
  FLAG,
  isEthernet,
  makeHeader,
  makePacket,
  makeSegments,
  offsets,
  plainFields as tcp,
} from "./support/packets.ts";
import { HEADER, receive, SendState, send, split } from "./support/shim.ts";

const EAGAIN = 11;
const EIO = 5;
const ENOMEM = 12;
const EINVAL = 22;
const ENOBUFS = 105;

describe("merging", () => {
  test("after splitting is the identity", () => {
    fc.assert(
      fc.property(superPacket(mergeable, 64), ({ fields, payload, size }) => {
        const ethernet = isEthernet(fields);
        const whole = makePacket(fields, payload, true);
        // Smaller segments of TCP are not merged.
        fc.pre(fields.protocol === "udp" || size >= 8);
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

  test("before splitting is the identity: the same packets, each flow in order, whatever the mix", () => {
    let [merged, given] = [0, 0];
    fc.assert(
      fc.property(traffic, ({ frames, ethernet }) => {
        const writes = send(frames, ethernet);
        expectSameFlows(receive(writes, ethernet), frames, ethernet);
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
        const ethernet = isEthernet(fields);
        const packets = makeSegments({ ...fields, version: 4, dontFragment: false }, payload, size);
        expect(receive(send(packets, ethernet), ethernet)).toEqual(packets);
      }),
    );
  });
});

describe("a write that fails", () => {
  test("EAGAIN: what was written and what is kept are the frames that were taken, and no other", () => {
    let [stops, kepts] = [0, 0];
    fc.assert(
      fc.property(traffic, fc.nat(40), ({ frames, ethernet }, at) => {
        const state = new SendState();
        const { writes, result, given, pending, kept, refused } = state.send(frames, ethernet, {
          errors: [...Array(at).fill(0), EAGAIN],
        });
        const taken = given - pending;
        expect([result, refused.size]).toEqual([taken < frames.length || kept.length > 0 ? -EAGAIN : 0, 0]);
        if (result < 0) stops++;
        kepts += kept.length;
        const received = receive(writes, ethernet);
        expectSameFlows([...received, ...kept], frames.slice(0, taken), ethernet);
        // What follows goes on there, and with nothing of what failed.
        const rest = state.send([...kept, ...frames.slice(taken)], ethernet);
        expect([rest.result, rest.pending, rest.kept.length]).toEqual([0, 0, 0]);
        expectSameFlows([...received, ...receive(rest.writes, ethernet)], frames, ethernet);
      }),
      { numRuns: 300 },
    );
    // Or this shows little.
    expect(stops).toBeGreaterThan(30);
    expect(kepts).toBeGreaterThan(30);
  });

  test("an error for good costs the frames of that write, and no other", () => {
    fc.assert(
      fc.property(traffic, fc.nat(40), fc.constantFrom(EIO, EINVAL), ({ frames, ethernet }, at, errno) => {
        // Of EINVAL for a super-packet its packets go one by one, and are refused then.
        const errors = [...Array(at).fill(0), ...Array(600).fill(errno), 0];
        const { writes, result, given, ...sent } = new SendState().send(frames, ethernet, { errors });
        expect([result, given, sent.pending, sent.kept.length]).toEqual([0, frames.length, 0, 0]);
        expect([...sent.refused.values()]).toEqual(Array(sent.refused.size).fill(-errno));
        const taken = frames.filter((_, at) => !sent.refused.has(at));
        expectSameFlows(receive(writes, ethernet), taken, ethernet);
      }),
      { numRuns: 300 },
    );
  });

  test.each([ENOBUFS, ENOMEM])("errno %d for a super-packet: its packets go one by one, this time alone", (errno) => {
    const state = new SendState();
    const packets = makeSegments({ ...tcp, flags: FLAG.ack }, new Uint8Array(500), 100);
    const first = state.send(packets, false, { errors: [errno, 0] });
    expect(first).toMatchObject({ result: 0, refused: new Map(), off: 0 });
    expect([first.writes.length, receive(first.writes, false)]).toEqual([5, packets]);
    expect(state.send(packets, false).writes).toHaveLength(1);
    // And one that there is no memory for alone is refused, and costs no other.
    const second = state.send(packets, false, { errors: [errno, 0, errno, 0] });
    expect(second).toMatchObject({ result: 0, refused: new Map([[1, -errno]]), off: 0 });
    expect(receive(second.writes, false)).toEqual(packets.toSpliced(1, 1));
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
        const { writes, given, pending, result, kept, refused } = new SendState().send(frames, ethernet, { errors });
        expect([0, -EAGAIN]).toContain(result);
        // EINVAL for a frame alone is the frame's own.
        const taken = frames.slice(0, given - pending).filter((_, at) => !refused.has(at));
        expectSameFlows([...receive(writes, ethernet), ...kept], taken, ethernet);
      }),
      { numRuns: 300 },
    );
  });
});
