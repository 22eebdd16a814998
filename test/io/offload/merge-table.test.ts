/** What may be merged with what: runs of four packets, of which something is odd about some. */
import { describe, expect, test } from "bun:test";
import { type Fields, FLAG, makePacket, makeSegments, noise, offsets, plainFields, sum16 } from "./support/packets.ts";
import { flip, four, runs, sized, withEdited } from "./support/runs.ts";
import { KIND } from "./support/shim.ts";

const { fin, syn, rst, psh, ack, urg, ece, cwr } = FLAG;

type Flow = "tcp4" | "tcp6" | "udp4" | "udp6";
const flows: Record<Flow, Fields> = {
  tcp4: plainFields,
  tcp6: { ...plainFields, version: 6 },
  udp4: { ...plainFields, protocol: "udp" },
  udp6: { ...plainFields, protocol: "udp", version: 6 },
};
const all: Flow[] = ["tcp4", "tcp6", "udp4", "udp6"];
const v4: Flow[] = ["tcp4", "udp4"];
const v6: Flow[] = ["tcp6", "udp6"];
const tcp: Flow[] = ["tcp4", "tcp6"];
const udp: Flow[] = ["udp4", "udp6"];

describe.each(all)("%s", (flow) => {
  const fields = flows[flow];

  test("four in a row are one", () => expect(runs(four(fields))).toEqual([4]));

  test("of one kind that is switched off each goes alone", () => {
    expect(runs(four(fields), false, KIND[flow])).toEqual([1, 1, 1, 1]);
    expect(runs(four(fields), false, 15 - KIND[flow])).toEqual([4]);
  });

  test.each([
    [0, [1, 3]],
    [1, [1, 1, 2]],
    [3, [3, 1]],
  ])("a bit of the transport checksum flipped in packet %d", (which, expected) => {
    expect(runs(withEdited(fields, which, (bytes, { check }) => flip(bytes, check + 1)))).toEqual(expected);
  });

  test.each([0, 1, 3])("a bit of the payload flipped in packet %d, the last one too", (which) => {
    for (const where of [0, 50, 99]) {
      const frames = withEdited(fields, which, (bytes, { payload }) => flip(bytes, payload + where));
      expect(runs(frames)).toEqual(which === 0 ? [1, 3] : which === 1 ? [1, 1, 2] : [3, 1]);
    }
  });

  test.each<[string, Partial<Fields>]>([
    ["traffic class", { tos: 2 }],
    ["hop limit", { ttl: 63 }],
  ])("another %s makes another run", (_, other) => {
    expect(runs(four(fields, (at) => (at >= 2 ? other : {})))).toEqual([2, 2]);
    expect(runs(four(fields, (at) => (at === 1 ? other : {})))).toEqual([1, 1, 2]);
  });

  test.each<[string, Partial<Fields>]>([
    ["source port", { sourcePort: 40_001 }],
    ["destination port", { destinationPort: 5202 }],
    ["source address", { hosts: [3, 2] }],
    ["destination address", { hosts: [1, 3] }],
  ])("another %s is another flow", (_, other) => {
    expect(runs(four(fields, (at) => (at >= 2 ? other : {})))).toEqual([2, 2]);
    // Of TCP the third does not continue the first.
    const expected = fields.protocol === "tcp" ? [1, 1, 2] : [3, 1];
    expect(runs(four(fields, (at) => (at === 1 ? other : {})))).toEqual(expected);
  });

  test("a smaller one closes the run, a larger one begins one", () => {
    expect(runs(sized(fields, [100, 60, 100, 100]))).toEqual([2, 2]);
    expect(runs(sized(fields, [100, 101, 101, 1]))).toEqual([1, 3]);
    expect(runs(sized(fields, [100, 100, 99, 99]))).toEqual([3, 1]);
    expect(runs(sized(fields, [8, 8, 8, 8]))).toEqual([4]);
  });

  test("one without payload is no part of a run", () => {
    expect(runs(sized(fields, [100, 100, 0, 100]))).toEqual([2, 1, 1]);
  });

  test("wrong lengths in the headers", () => {
    const length = fields.version === 4 ? 2 : 4;
    for (const by of [-1, 1, -100, 0x100]) {
      const frames = withEdited(fields, 1, (bytes, { ip }) => {
        bytes.writeUInt16BE((bytes.readUInt16BE(ip + length) + by) & 0xffff, ip + length);
      });
      expect(runs(frames)).toEqual([1, 1, 2]);
    }
  });

  test("bytes behind the end that the headers tell", () => {
    const frames = four(fields);
    frames[1] = Uint8Array.from([...frames[1]!, 0]);
    expect(runs(frames)).toEqual([1, 1, 2]);
  });

  test("cut at every length, down to nothing", () => {
    const frames = four(fields);
    for (let length = 0; length < frames[1]!.length; length++) {
      expect(runs(frames.with(1, frames[1]!.slice(0, length)))).toEqual([1, 1, 2]);
    }
  });

  test("another protocol or version in the header, or none: alone, of another flow perhaps", () => {
    const alone = [
      [1, 1, 2],
      [1, 3],
    ];
    const at = fields.version === 4 ? 9 : 6;
    for (const number of [0, 1, 6, 17, 43, 44, 58, 60, 255]) {
      if (number === (fields.protocol === "tcp" ? 6 : 17)) continue;
      expect(alone).toContainEqual(runs(withEdited(fields, 1, (bytes) => bytes.fill(number, at, at + 1))));
    }
    for (let version = 0; version < 16; version++) {
      if (version === fields.version) continue;
      expect(alone).toContainEqual(runs(withEdited(fields, 1, (bytes) => bytes.fill(version * 16 + 5, 0, 1))));
    }
  });

  test("64 KiB at most, to the byte", () => {
    const { payload: headers } = offsets(fields);
    const piece = Math.floor((65_535 - headers) / 5);
    expect(runs(sized(fields, [piece, piece, piece, piece, piece]))).toEqual([5]);
    const rest = 65_535 - headers - 4 * 13_000;
    expect(runs(sized(fields, [13_000, 13_000, 13_000, 13_000, rest]))).toEqual(rest > 13_000 ? [4, 1] : [5]);
    const fits = sized(fields, [16_000, 16_000, 16_000, 16_000, 65_535 - headers - 64_000]);
    expect(runs(fits)).toEqual([5]);
    const exceeds = sized(fields, [16_000, 16_000, 16_000, 16_000, 65_536 - headers - 64_000]);
    expect(runs(exceeds)).toEqual([4, 1]);
  });
});

describe.each(v4)("%s", (flow) => {
  const fields = flows[flow];

  test.each<[string, Partial<Fields>, number[]]>([
    ["another DF", { dontFragment: false }, [1, 1, 2]],
    ["MF", { moreFragments: true, dontFragment: false }, [1, 1, 2]],
    ["a fragment offset", { fragmentOffset: 100, dontFragment: false }, [1, 1, 2]],
    ["the reserved bit", { fragmentOffset: 0x8000 }, [1, 1, 2]],
    ["options", { ipOptions: [1, 1, 1, 0] }, [1, 1, 2]],
  ])("%s", (_, other, expected) => {
    expect(runs(four(fields, (at) => (at === 1 ? other : {})))).toEqual(expected);
  });

  test("all with options, or all fragments: never", () => {
    expect(runs(four({ ...fields, ipOptions: [7, 4, 0, 0] }))).toEqual([1, 1, 1, 1]);
    expect(runs(four({ ...fields, dontFragment: false, moreFragments: true }))).toEqual([1, 1, 1, 1]);
    expect(runs(four({ ...fields, dontFragment: false, fragmentOffset: 8 }))).toEqual([1, 1, 1, 1]);
  });

  test("a wrong header checksum goes as it is", () => {
    for (const which of [0, 1, 3]) {
      const frames = four(fields);
      flip(frames[which]!, 11);
      expect(runs(frames)).toEqual(which === 0 ? [1, 3] : which === 1 ? [1, 1, 2] : [3, 1]);
    }
  });

  test("without DF only identifications that count up, past 65535 too", () => {
    const whole = { ...fields, dontFragment: false };
    expect(runs(four({ ...whole, id: 0xfffe }, (at) => ({ id: (0xfffe + at) % 0x10000 })))).toEqual([4]);
    expect(runs(four(whole, () => ({ id: 7 })))).toEqual([1, 1, 1, 1]);
    expect(runs(four(whole, (at) => ({ id: at === 2 ? 9 : 7 + at })))).toEqual([4]);
    expect(runs(four(whole, (at) => ({ id: at === 2 ? 10 : 7 + at })))).toEqual([2, 1, 1]);
  });

  test("with DF, identifications of any kind", () => {
    expect(runs(four(fields, () => ({ id: 0 })))).toEqual([4]);
    expect(runs(four(fields, (at) => ({ id: 77 * at })))).toEqual([4]);
  });
});

describe.each(v6)("%s", (flow) => {
  const fields = flows[flow];

  test("another flow label", () => {
    expect(runs(four(fields, (at) => (at === 1 ? { flowLabel: 1 } : {})))).toEqual([1, 1, 2]);
    expect(runs(four({ ...fields, flowLabel: 0xabcde }))).toEqual([4]);
  });

  test.each([0, 43, 60])("extension header %d: never", (next) => {
    expect(runs(four({ ...fields, extension: [next, [0, 0, 0, 0, 0, 0, 0]] }))).toEqual([1, 1, 1, 1]);
  });
});

describe.each(tcp)("%s", (flow) => {
  const fields = flows[flow];

  test("PSH closes the run, and stays where it was", () => {
    expect(runs(four(fields, (at) => (at === 1 ? { flags: ack | psh } : {})))).toEqual([2, 2]);
    expect(runs(four(fields, (at) => (at === 3 ? { flags: ack | psh } : {})))).toEqual([4]);
    expect(runs(four({ ...fields, flags: ack | psh }))).toEqual([1, 1, 1, 1]);
  });

  test.each(Object.entries({ fin, syn, rst, urg, ece, cwr }))("%s goes alone, in its place", (_, flag) => {
    expect(runs(four(fields, (at) => (at === 1 ? { flags: ack | flag } : {})))).toEqual([1, 1, 2]);
    expect(runs(four(fields, (at) => (at === 3 ? { flags: ack | psh | flag } : {})))).toEqual([3, 1]);
  });

  test("without ACK, with reserved bits, or an urgent pointer: alone", () => {
    expect(runs(four(fields, (at) => (at === 1 ? { flags: psh } : {})))).toEqual([1, 1, 2]);
    for (const reserved of [1, 2, 4, 8]) {
      expect(runs(four(fields, (at) => (at === 1 ? { reserved } : {})))).toEqual([1, 1, 2]);
    }
    expect(runs(four(fields, (at) => (at === 1 ? { urgent: 1 } : {})))).toEqual([1, 1, 2]);
  });

  test.each<[string, Partial<Fields>]>([
    ["acknowledgement", { acknowledgement: 2_000_001 }],
    ["window", { window: 500 }],
    ["options", { options: [1, 1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 3] }],
    ["number of options", { options: [] }],
  ])("another %s makes another run", (_, other) => {
    expect(runs(four(fields, (at) => (at >= 2 ? other : {})))).toEqual([2, 2]);
  });

  test("out of order, twice, a gap, an overlap: order is kept, and nothing is put together that was not", () => {
    const [a, b, c, d] = four(fields) as [Uint8Array, Uint8Array, Uint8Array, Uint8Array];
    expect(runs([b, a, c, d])).toEqual([1, 1, 2]);
    expect(runs([a, b, b, c, d])).toEqual([2, 3]);
    expect(runs([a, b, d])).toEqual([2, 1]);
    expect(runs([d, c, b, a])).toEqual([1, 1, 1, 1]);
    expect(runs(four(fields, (at) => (at === 2 ? { sequence: fields.sequence + 199 } : {})))).toEqual([2, 1, 1]);
  });

  test("a bare ACK of the same flow is not overtaken", () => {
    const [a, b, c, d] = four(fields) as [Uint8Array, Uint8Array, Uint8Array, Uint8Array];
    const bare = makePacket({ ...fields, sequence: fields.sequence + 200 }, new Uint8Array());
    expect(runs([a, b, bare, c, d])).toEqual([2, 1, 2]);
  });

  test("sequence numbers that wrap", () => {
    const wrapping = makeSegments({ ...fields, sequence: 0xffff_ff38 }, noise(400), 100);
    expect(runs(wrapping)).toEqual([4]);
  });

  test("512 packets at most", () => {
    expect(runs(makeSegments(fields, noise(6000), 10))).toEqual([512, 88]);
  });

  test("segments of less than 8 bytes go alone: newer kernels would move their boundaries", () => {
    expect(runs(sized(fields, [7, 7, 7, 7]))).toEqual([1, 1, 1, 1]);
    expect(runs(sized(fields, [1, 1, 8, 8, 7, 7]))).toEqual([1, 1, 3, 1]);
  });
});

describe.each(udp)("%s", (flow) => {
  const fields = flows[flow];

  test("datagrams of any size", () => expect(runs(sized(fields, [1, 1, 1, 1]))).toEqual([4]));

  test("64 datagrams at most", () => expect(runs(makeSegments(fields, noise(1000), 10))).toEqual([64, 36]));

  test("without a checksum: alone", () => {
    const frames = withEdited(fields, 1, (bytes, { check }) => void bytes.writeUInt16BE(0, check));
    expect(runs(frames)).toEqual([1, 1, 2]);
  });

  test("a UDP length that is not the bytes in hand: alone, though the checksum is right for it", () => {
    for (const by of [-1, 1]) {
      const frames = withEdited(fields, 1, (bytes, { transport, check }) => {
        bytes.writeUInt16BE(bytes.readUInt16BE(transport + 4) + by, transport + 4);
        // The length is summed in the header alone: the pseudo-header's is of the bytes in hand.
        const sum = sum16([bytes[check]!, bytes[check + 1]!, ...(by > 0 ? [0xff, 0xfe] : [0, 1])]);
        bytes.writeUInt16BE(sum, check);
      });
      expect(runs(frames)).toEqual([1, 1, 2]);
    }
  });
});
