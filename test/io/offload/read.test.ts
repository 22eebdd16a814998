/** vnet_read(), and the reader that devices have, on a socket in place of a TUN fd: whatever the room, no packet is lost or comes twice. */
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { FrameReader } from "../../../src/io/frame-reader.ts";
import { offloadNative } from "../../../src/sys/native.ts";
import { splittable, superPacket } from "./support/arbitraries.ts";
import { type Fields, FLAG, makeHeader, makePacket, makeSegments, noise, plainFields } from "./support/packets.ts";
import { HEADER } from "./support/shim.ts";
import { type Socket, socketPair } from "./support/sockets.ts";

const EAGAIN = 11;
const EBADF = 9;

/** vnet_read() with the state of one device. */
class Reader {
  readonly state: Uint8Array = new Uint8Array(offloadNative().rx_size());
  readonly #shared = new Int32Array(this.state.buffer, 0, 2);
  readonly #link: number;

  constructor(ethernet = false) {
    this.#link = ethernet ? 1 : 0;
  }

  get held(): boolean {
    return this.#shared[0] !== 0;
  }

  /** The packets of one call; or the negative errno. Fails if it writes where it must not. */
  read(fd: number, room: number, count: number): Uint8Array[] | number {
    const slab = new Uint8Array(room + 64).fill(0xa5);
    const lengths = new Int32Array(count + 1).fill(-7);
    const offset = 8;
    const n = offloadNative().vnet_read(fd, slab, offset, offset + room, this.state, this.#link, lengths, count);
    expect(lengths.subarray(Math.max(n, 0)).every((length) => length === -7)).toBe(true);
    expect([...slab.subarray(0, offset), ...slab.subarray(offset + room)].every((byte) => byte === 0xa5)).toBe(true);
    if (n < 0) return n;
    let at = offset;
    return Array.from(lengths.subarray(0, n), (length) => {
      const packet = slab.slice(at, at + length);
      // Without gaps: a UDP socket sends packets of one size as one piece of memory.
      at += length;
      return packet;
    });
  }
}

const fill = (socket: Socket, fields: Fields, payload: Uint8Array, size?: number): void => {
  if (!socket.send(makeHeader(fields, size), makePacket(fields, payload, true))) throw new Error("The socket is full");
};

describe("vnet_read", () => {
  test("gives every packet once and in order, whatever the room and the number asked for", () => {
    const frames = fc.array(superPacket(splittable, 60), { minLength: 1, maxLength: 4 });
    const call = fc.record({ room: fc.integer({ min: 0, max: 9000 }), count: fc.integer({ min: 1, max: 9 }) });
    fc.assert(
      fc.property(fc.boolean(), frames, fc.array(call, { maxLength: 300 }), (ethernet, given, calls) => {
        const [ours, theirs] = socketPair(600_000);
        using _ = ours;
        using __ = theirs;
        const reader = new Reader(ethernet);
        const expected: Uint8Array[] = [];
        for (const { fields: any, payload, size } of given) {
          const { tags = [], ...rest } = any;
          const fields = ethernet ? { ...rest, tags } : rest;
          const isWhole = payload.length <= size;
          fill(theirs, fields, payload, isWhole ? undefined : size);
          expected.push(...makeSegments(fields, payload, size));
        }
        const packets: Uint8Array[] = [];
        for (const { room, count } of calls) {
          const got = reader.read(ours.fd, room, count);
          if (got === -EAGAIN) break;
          if (typeof got === "number") throw new Error(`errno ${got}`);
          // Nothing came, so what is held is longer than the room.
          if (got.length === 0)
            expect([reader.held, (expected[packets.length]?.length ?? 0) > room]).toEqual([true, true]);
          expect(got.length).toBeLessThanOrEqual(count);
          packets.push(...got);
        }
        for (
          let got = reader.read(ours.fd, 500_000, 512);
          typeof got !== "number";
          got = reader.read(ours.fd, 500_000, 512)
        ) {
          packets.push(...got);
        }
        expect(packets).toEqual(expected);
        expect(reader.held).toBe(false);
      }),
      { numRuns: 150 },
    );
  });

  test("goes on with a super-packet of more segments than one call gives: advmss 400, and the least that there is", () => {
    const [ours, theirs] = socketPair(600_000);
    using _ = ours;
    using __ = theirs;
    for (const size of [388, 36, 1]) {
      const payload = noise(65_483);
      fill(theirs, plainFields, payload, size);
      const reader = new Reader();
      const packets: Uint8Array[] = [];
      let calls = 0;
      for (; packets.length === 0 || reader.held; calls++)
        packets.push(...(reader.read(ours.fd, 1 << 20, 128) as Uint8Array[]));
      expect(packets).toHaveLength(Math.ceil(payload.length / size));
      expect(calls).toBe(Math.ceil(packets.length / 128));
      expect(packets.slice(0, 200)).toEqual(makeSegments(plainFields, payload.subarray(0, 200 * size), size));
      expect(Buffer.concat(packets.map((packet) => packet.subarray(52))).equals(payload)).toBe(true);
      expect(reader.read(ours.fd, 1 << 20, 128)).toBe(-EAGAIN);
    }
  });

  test("takes frames without a super-packet's header as they are, checksum or not", () => {
    const [ours, theirs] = socketPair();
    using _ = ours;
    using __ = theirs;
    const reader = new Reader();
    const frames = [noise(1), noise(60), makePacket(plainFields, noise(100)), noise(65_535)];
    // VIRTIO_NET_HDR_F_DATA_VALID, and flags that nobody has given a meaning yet.
    for (const [at, frame] of frames.entries()) theirs.send(Uint8Array.of(at * 2, ...noise(9).fill(0, 0, 1)), frame);
    expect(reader.read(ours.fd, 70_000, 9)).toEqual(frames);
  });

  test("says EAGAIN for none, EBADF for no fd, and the number of those before", () => {
    const [ours, theirs] = socketPair();
    using _ = ours;
    using __ = theirs;
    const reader = new Reader();
    expect(reader.read(ours.fd, 5000, 9)).toBe(-EAGAIN);
    expect(reader.read(-1, 5000, 9)).toBe(-EBADF);
    fill(theirs, plainFields, noise(2500), 1000);
    expect(reader.read(ours.fd, 9000, 9)).toHaveLength(3);
    expect(reader.read(ours.fd, 9000, 9)).toBe(-EAGAIN);
  });
});

describe("the reader of a device", () => {
  const segments = (fields: Fields, length: number, size: number): Uint8Array[] =>
    makeSegments(fields, noise(length), size);

  for (const reuseBuffers of [false, true]) {
    const open = (fd: number): FrameReader => {
      const reader = new FrameReader({ fd, frameMax: 1500, reuseBuffers, split: "tun" });
      reader.onFailed = (errno) => {
        throw new Error(`errno ${errno}`);
      };
      return reader;
    };

    test(`${reuseBuffers ? "reuseBuffers: " : ""}super-packets far larger than its slab come whole, and nothing stays behind`, () => {
      const [ours, theirs] = socketPair(1_500_000);
      using _ = ours;
      using __ = theirs;
      const reader = open(ours.fd);
      const expected: Uint8Array[] = [];
      for (let i = 0; i < 12; i++) {
        // 60 KiB in packets of all sizes, and one as long as a frame can be: more than the 256 KiB of a slab.
        const fields = { ...plainFields, flags: FLAG.ack | FLAG.psh, sequence: i * 100_000 };
        const size = i % 3 === 2 ? 61_000 : 37 + i * 331;
        fill(theirs, fields, noise(60_000), size);
        expected.push(...segments(fields, 60_000, size));
      }
      const got: Uint8Array[] = [];
      let idle = 0;
      for (let turn = 0; turn < 10_000 && idle < 2; turn++) {
        if (turn % 3 === 0) {
          const frame = reader.readFrame();
          if (frame !== null) got.push(frame.slice());
          idle = frame === null ? idle + 1 : 0;
        } else {
          const frames = reader.readBatch(1 + ((turn * 7) % 512));
          got.push(...(frames ?? []).map((frame) => frame.slice()));
          idle = frames === null ? idle + 1 : 0;
        }
        // Nobody waits for what is held, if the kernel's queue is empty.
        if (idle > 0) expect(reader.buffered).toBe(false);
      }
      expect(got).toEqual(expected);
      expect(reader.counters()).toMatchObject({ framesReceived: expected.length, malformed: 0, truncated: 0 });
    });
  }

  test("frames that are kept stay as they were, however many follow", () => {
    const [ours, theirs] = socketPair(1_500_000);
    using _ = ours;
    using __ = theirs;
    const reader = new FrameReader({ fd: ours.fd, frameMax: 1500, reuseBuffers: false, split: "tun" });
    const kept: Uint8Array[] = [];
    const expected: Uint8Array[] = [];
    for (let i = 0; i < 40; i++) {
      const fields = { ...plainFields, sequence: i };
      fill(theirs, fields, noise(50_000, i + 1), 1448);
      expected.push(...makeSegments(fields, noise(50_000, i + 1), 1448));
      for (let frames = reader.readBatch(20); frames !== null; frames = reader.readBatch(20)) kept.push(...frames);
    }
    expect(kept.map((frame): Uint8Array => Uint8Array.from(frame))).toEqual(expected);
  });

  test("a header that is cut is a malformed frame", () => {
    const [ours, theirs] = socketPair();
    using _ = ours;
    using __ = theirs;
    const reader = new FrameReader({ fd: ours.fd, frameMax: 1500, reuseBuffers: false, split: "tun" });
    for (let length = 0; length <= HEADER; length++) theirs.send(new Uint8Array(length));
    theirs.send(new Uint8Array(HEADER), noise(20));
    expect(reader.readBatch(512)?.map((frame) => Uint8Array.from(frame))).toEqual([noise(20)]);
    expect(reader.counters()).toMatchObject({ malformed: HEADER + 1, framesReceived: 1 });
  });
});
