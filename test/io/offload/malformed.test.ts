/** Virtio headers that do not fit their frames, one field wrong at a time: that frame is lost and counted, and those around it are not. */
import { describe, expect, test } from "bun:test";
import { FrameReader } from "../../../src/io/frame-reader.ts";
import {
  type Fields,
  isEthernet,
  makeHeader,
  makePacket,
  makeSegments,
  noise,
  offsets,
  plainFields,
} from "./support/packets.ts";
import { HEADER } from "./support/shim.ts";
import { socketPair } from "./support/sockets.ts";

const payload = noise(2500);
const SIZE = 1000;

/** Returns what a device gives for these messages, and how many it counts as malformed. */
function received(messages: readonly Uint8Array[], ethernet: boolean): { packets: Uint8Array[]; malformed: number } {
  const [ours, theirs] = socketPair();
  using _ = ours;
  using __ = theirs;
  const split = ethernet ? "tap" : "tun";
  const reader = new FrameReader({ fd: ours.fd, frameMax: 1500, reuseBuffers: false, split });
  reader.onFailed = (errno) => {
    throw new Error(`errno ${errno}`);
  };
  const packets: Uint8Array[] = [];
  for (const message of messages) {
    // One by one: the socket has room for ten messages by default.
    if (!theirs.send(message)) throw new Error("The socket is full");
    for (let frame = reader.readFrame(); frame !== null; frame = reader.readFrame()) packets.push(frame.slice());
  }
  return { packets, malformed: reader.counters().malformed };
}

const message = (fields: Fields, size?: number): Buffer<ArrayBuffer> =>
  Buffer.concat([makeHeader(fields, size), makePacket(fields, payload, true)]);

/** Fails unless `bad`, between two good ones, is lost and counted, and nothing else is. */
function expectLost(bad: Uint8Array, fields: Fields): void {
  const good = makeSegments(fields, payload, SIZE);
  const { packets, malformed } = received([message(fields, SIZE), bad, message(fields, SIZE)], isEthernet(fields));
  expect({ malformed, packets }).toEqual({ malformed: 1, packets: [...good, ...good] });
}

/** Fails unless the frame gives `packets`, and is not counted. */
function expectTaken(taken: Uint8Array, fields: Fields, expected: Uint8Array[]): void {
  expect(received([taken], isEthernet(fields))).toEqual({ malformed: 0, packets: expected });
}

const kinds: [string, Fields][] = ([4, 6] as const).flatMap((version) =>
  (["tcp", "udp"] as const).flatMap((protocol) =>
    ([undefined, [], [[0x8100, 42]]] as const).map((tags): [string, Fields] => [
      `${protocol.toUpperCase()} over IPv${version} on a ${tags ? `TAP, ${tags.length} tags` : "TUN"}`,
      { ...plainFields, version, protocol, ...(tags ? { tags } : {}) },
    ]),
  ),
);

describe.each(kinds)("%s", (_, fields) => {
  const at = offsets(fields);
  const ip = HEADER + at.ip;
  const transport = HEADER + at.transport;
  const type = makeHeader(fields, SIZE)[1] as number;
  const edited = (edit: (bytes: Buffer) => unknown, size: number | undefined = SIZE): Uint8Array => {
    const bytes = message(fields, size);
    edit(bytes);
    return bytes;
  };
  const unfinished = (edit: (bytes: Buffer) => unknown): Uint8Array => {
    const bytes = message(fields);
    edit(bytes);
    return bytes;
  };

  test("another gso_type", () => {
    for (let other = 1; other < 256; other++) {
      // ECN beside TCP is what it should be.
      if (other % 128 === type) continue;
      expectLost(
        edited((bytes) => bytes.fill(other, 1, 2)),
        fields,
      );
    }
  });

  test("gso_size 0", () =>
    expectLost(
      edited((bytes) => bytes.writeUInt16LE(0, 4)),
      fields,
    ));

  test("another csum_start or csum_offset", () => {
    for (const [where, right] of [
      [6, at.transport],
      [8, at.check - at.transport],
    ] as const) {
      for (const other of [0, 1, right - 1, right + 1, right ^ 22, 0x7fff, 0xffff]) {
        expectLost(
          edited((bytes) => bytes.writeUInt16LE(other, where)),
          fields,
        );
      }
    }
    // Their sum is right, and they are not.
    expectLost(
      edited((bytes) => {
        bytes.writeUInt16LE(at.transport + 2, 6);
        bytes.writeUInt16LE(at.check - at.transport - 2, 8);
      }),
      fields,
    );
  });

  test("cut: within the virtio header, the others, or behind them all", () => {
    for (let length = 0; length <= HEADER + at.payload; length++) {
      expectLost(message(fields, SIZE).subarray(0, length), fields);
    }
  });

  test("another version or protocol in the IP header", () => {
    for (let version = 0; version < 16; version++) {
      if (version !== fields.version)
        expectLost(
          edited((bytes) => bytes.fill(version * 16 + 5, ip, ip + 1)),
          fields,
        );
    }
    const where = ip + (fields.version === 4 ? 9 : 6);
    for (const protocol of [1, 6, 17, 44, 50, 58, 59, 132]) {
      if (protocol === (fields.protocol === "tcp" ? 6 : 17)) continue;
      expectLost(
        edited((bytes) => bytes.fill(protocol, where, where + 1)),
        fields,
      );
    }
  });

  test("too long to be a packet", () => {
    const bytes = Buffer.concat([message(fields, SIZE), Buffer.alloc(65_600)]).subarray(0, 65_590 + HEADER);
    if (fields.version === 4) expectLost(bytes, fields);
  });

  if (fields.tags !== undefined) {
    test("another EtherType, or a third tag", () => {
      for (const type of [0x0806, 0x8847, 0x0000, fields.version === 4 ? 0x86dd : 0x0800]) {
        expectLost(
          edited((bytes) => bytes.writeUInt16BE(type, ip - 2)),
          fields,
        );
      }
      const tags = [1, 2, 3].map((id) => [0x8100, id] as const);
      expectLost(message({ ...fields, tags }, SIZE), fields);
    });
  }

  if (fields.version === 4) {
    test("an IP header that is too short, or longer than the frame", () => {
      for (const words of [0, 4])
        expectLost(
          edited((bytes) => bytes.fill(0x40 + words, ip, ip + 1)),
          fields,
        );
      const short = edited((bytes) => bytes.fill(0x4f, ip, ip + 1)).subarray(0, ip + 30);
      expectLost(short, fields);
    });
  } else {
    test("extension headers without an end", () => {
      for (const next of [0, 43, 60]) {
        const endless = edited((bytes) => {
          bytes.fill(next, ip + 6, ip + 7);
          // Each points to one more, of the greatest length.
          for (let here = ip + 40; here + 2 <= bytes.length; here += 2) bytes.set([next, 0xff], here);
        });
        expectLost(endless, fields);
        const short = edited((bytes) => {
          bytes.fill(next, ip + 6, ip + 7);
          for (let here = ip + 40; here + 2 <= bytes.length; here += 2) bytes.set([next, 0], here);
        });
        expectLost(short, fields);
      }
    });
  }

  if (fields.protocol === "tcp") {
    test("a TCP header that is too short, or longer than the frame", () => {
      for (const words of [0, 1, 4]) {
        expectLost(
          edited((bytes) => bytes.fill(words << 4, transport + 12, transport + 13)),
          fields,
        );
      }
      const cut = edited((bytes) => bytes.fill(0xf0, transport + 12, transport + 13)).subarray(0, transport + 59);
      expectLost(cut, fields);
    });
  }

  test("hdr_len may say anything: the kernel sets it wrong where it forwards", () => {
    for (const length of [0, 1, 20, at.payload + 1, 1500, 0xffff]) {
      const odd = edited((bytes) => bytes.writeUInt16LE(length, 2));
      expectTaken(odd, fields, makeSegments(fields, payload, SIZE));
    }
  });

  test("a gso_size of more than there is makes one packet; flags that nobody knows make no difference", () => {
    const whole = edited((bytes) => bytes.writeUInt16LE(0xfffe, 4));
    expectTaken(whole, fields, makeSegments(fields, payload, 0xfffe));
    for (const flags of [0, 0xfe, 0xff]) {
      expectTaken(
        edited((bytes) => bytes.fill(flags, 0, 1)),
        fields,
        makeSegments(fields, payload, SIZE),
      );
    }
  });

  test("no super-packet: a checksum that would be outside of the frame", () => {
    const { length } = makePacket(fields, payload);
    for (const [start, offset] of [
      [length, 0],
      [length - 1, 0],
      [at.transport, length - at.transport - 1],
      [at.transport, 0xffff],
      [0xffff, 0xffff],
      [0xffff, 0],
    ] as const) {
      const bad = unfinished((bytes) => {
        bytes.writeUInt16LE(start, 6);
        bytes.writeUInt16LE(offset, 8);
      });
      expectLost(bad, fields);
    }
    for (let cut = HEADER; cut < HEADER + at.check + 2; cut++) expectLost(message(fields).subarray(0, cut), fields);
    expectTaken(message(fields), fields, [makePacket(fields, payload)]);
  });
});

test("ECN: the type's highest bit says that the first segment has CWR, and changes nothing else", () => {
  for (const version of [4, 6] as const) {
    const fields = { ...plainFields, version, flags: 0x90 };
    const bytes = message(fields, SIZE);
    bytes.writeUInt8((bytes[1] as number) | 0x80, 1);
    expectTaken(bytes, fields, makeSegments(fields, payload, SIZE));
  }
});
