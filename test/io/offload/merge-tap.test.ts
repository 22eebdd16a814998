/** Merging on a TAP: Ethernet headers, tags, padding, and what is no IP. */
import { describe, expect, test } from "bun:test";
import { type Fields, makePacket, makeSegments, noise, plainFields } from "./support/packets.ts";
import { runs as runsOf } from "./support/runs.ts";

const tap: Fields = { ...plainFields, tags: [] };

const runs = (frames: readonly Uint8Array[]): number[] => runsOf(frames, true);
const four = (fields: Fields): Uint8Array[] => makeSegments(fields, noise(400), 100);

describe("on a TAP", () => {
  test.each<[string, Fields["tags"] & {}]>([
    ["no tag", []],
    ["a tag", [[0x8100, 42]]],
    ["a service tag", [[0x88a8, 42]]],
    [
      "two tags",
      [
        [0x88a8, 100],
        [0x8100, 42],
      ],
    ],
  ])("frames with %s are merged", (_, tags) => {
    for (const version of [4, 6] as const) {
      for (const protocol of ["tcp", "udp"] as const)
        expect(runs(four({ ...tap, tags, version, protocol }))).toEqual([4]);
    }
  });

  test("frames with three tags are not", () => {
    const tags = [1, 2, 3].map((id) => [0x8100, id] as const);
    expect(runs(four({ ...tap, tags }))).toEqual([1, 1, 1, 1]);
  });

  test("another tag, one tag less, another MAC address: another run", () => {
    const [a, b] = [four({ ...tap, tags: [[0x8100, 1]] }), four({ ...tap, tags: [[0x8100, 2]] })];
    const untagged = four(tap);
    expect(runs([...a.slice(0, 2), ...b.slice(2)])).toEqual([2, 2]);
    expect(runs([...a.slice(0, 2), ...untagged.slice(2)])).toEqual([2, 2]);
    for (const at of [0, 5, 6, 11]) {
      const frames = four(tap);
      frames[2]![at]! ^= 1;
      expect(runs(frames)).toEqual([2, 1, 1]);
    }
  });

  test("what is no IP closes the run, and keeps its place", () => {
    const [a, b, c, d] = four(tap) as [Uint8Array, Uint8Array, Uint8Array, Uint8Array];
    const arp = Uint8Array.from([...a.subarray(0, 12), 0x08, 0x06, ...noise(46)]);
    expect(runs([a, b, arp, c, d])).toEqual([2, 1, 2]);
    // The same bytes, but for the type.
    const other = a.slice();
    other.set([0x88, 0xb5], 12);
    expect(runs([other, a, b, c, d])).toEqual([1, 4]);
  });

  test("an Ethernet type that is not the version in the header", () => {
    const frames = four(tap);
    frames[1]!.set([0x86, 0xdd], 12);
    // Its first byte says IPv4 still, and so do lengths and checksums: the kernel goes by the type.
    expect(runs(frames)).toEqual([1, 1, 2]);
    for (const frame of frames) frame.set([0x86, 0xdd], 12);
    expect(runs(frames)).toEqual([1, 1, 1, 1]);
  });

  test("a short frame with padding goes as it is", () => {
    const small = makeSegments({ ...tap, protocol: "udp" }, noise(4), 1);
    expect(runs(small)).toEqual([4]);
    const padded = small.map((frame) => Uint8Array.from([...frame, ...new Uint8Array(60 - frame.length)]));
    expect(runs(padded)).toEqual([1, 1, 1, 1]);
  });

  test("cut at every length, tags and all", () => {
    const frames = four({
      ...tap,
      tags: [
        [0x88a8, 1],
        [0x8100, 2],
      ],
    });
    for (let length = 0; length < frames[1]!.length; length++) {
      expect(runs(frames.with(1, frames[1]!.slice(0, length)))).toEqual([1, 1, 2]);
    }
  });

  test("an IP packet on a TAP, and an Ethernet frame on a TUN: neither is what it seems", () => {
    expect(runsOf(four(plainFields), true)).toEqual([1, 1, 1, 1]);
    expect(runsOf(four(tap), false)).toEqual([1, 1, 1, 1]);
    expect(runs([makePacket(tap, noise(10))])).toEqual([1]);
  });
});
