/** Reading: what was built, what others have written, both byte orders, and what is broken. */
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import {
  buildCapture,
  type CapturedFrame,
  CaptureError,
  LinkType,
  parseCapture,
  readCapture,
} from "../../src/capture/index.ts";
import { describeUnless } from "../support/privilege.ts";
import { Random, seed } from "../support/random.ts";
import { run } from "../support/system.ts";
import { folder, tshark } from "./support.ts";

const eth = { name: "tap0", linkType: LinkType.ETHERNET };
const frames = fc.array(
  fc.record(
    {
      frame: fc.uint8Array({ maxLength: 300 }),
      timestampNs: fc.bigInt({ min: 0n, max: 2n ** 63n - 1n }),
      direction: fc.constantFrom("inbound" as const, "outbound" as const),
      dropped: fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }),
    },
    { requiredKeys: ["frame", "timestampNs"] },
  ),
  { maxLength: 20 },
);

/** As text: what a frame is a view of does not matter. */
const shown = (all: Iterable<CapturedFrame>): unknown[] =>
  [...all].map((one) => ({ ...one, frame: Buffer.from(one.frame).toString("hex") }));

describe("buildCapture()", () => {
  test("says what is wrong, by name", () => {
    const build = buildCapture as (from: unknown, frames: unknown) => Uint8Array;
    const frame = { frame: new Uint8Array(9), timestampNs: 1n };
    const wrong: [from: unknown, frames: unknown, says: string][] = [
      [null, [], '"from" is null, wanted an object'],
      [{ linkType: 1 }, [], '"name" is undefined, wanted a string of at most 65535 bytes'],
      [{ name: "x", linkType: -1 }, [], '"linkType" is -1, wanted an integer from 0 to 65535'],
      [{ ...eth, snapLength: 1.5 }, [], '"snapLength" is 1.5, wanted an integer'],
      [eth, null, '"frames" is null, wanted a list of frames'],
      [eth, [frame, null], '"frames[1].frame" is undefined, wanted a Uint8Array'],
      [eth, [{ ...frame, timestampNs: 1 }], '"frames[0].timestampNs" is 1, wanted a bigint'],
      [eth, [{ ...frame, direction: "in" }], '"frames[0].direction" is "in", wanted "inbound" or "outbound"'],
      [eth, [{ ...frame, dropped: -1 }], '"frames[0].dropped" is -1, wanted an integer from 0'],
    ];
    for (const [from, frames, says] of wrong) expect(() => build(from, frames)).toThrow(says);
    expect(() => build({ name: "x".repeat(65_536), linkType: 1 }, [])).toThrow('"name" is "xxx');
  });
});

describe("parseCapture()", () => {
  test("gives back what buildCapture() was given, whatever the snap length leaves of it", () => {
    fc.assert(
      fc.property(
        frames,
        fc.string({ maxLength: 15 }),
        fc.constantFrom(0, 1, 100, 65_535),
        (given, name, snapLength) => {
          const from = { name, linkType: LinkType.RAW, snapLength };
          const expected = given.map(({ frame, ...rest }) => ({
            interface: from,
            ...rest,
            frame: frame.subarray(0, snapLength || frame.length),
            originalLength: frame.length,
          }));
          expect(shown(parseCapture(buildCapture(from, given)))).toEqual(shown(expected));
        },
      ),
    );
  });

  test("never reads outside of the bytes, and copies none", () => {
    const bytes = buildCapture(eth, [{ frame: new Uint8Array(60).fill(1), timestampNs: 5n }]);
    const larger = new Uint8Array(bytes.length + 200).fill(0xa5);
    larger.set(bytes, 100);
    const [one] = parseCapture(larger.subarray(100, 100 + bytes.length));
    expect(one?.frame.buffer).toBe(larger.buffer);
    expect(one?.frame).toEqual(new Uint8Array(60).fill(1));
  });

  test(`of any bytes makes frames or a CaptureError that says where, in bounded time (BUN_TUNTAP_SEED=${seed})`, () => {
    const whole = buildCapture(
      eth,
      Array.from({ length: 3 }, (_, i) => ({
        frame: new Uint8Array(40 + i),
        timestampNs: 1n,
        direction: "inbound" as const,
      })),
    );
    const words = [0, 1, 3, 5, 6, 12, 0xff, 0x7fffffff, 0xffffffff, 0x0a0d0d0a, 0x4d3c2b1a];
    const random = new Random(seed);
    let errors = 0;
    for (let i = 0; i < 200_000; i++) {
      const bytes = whole.slice(0, random.below(4) === 0 ? random.below(whole.length + 1) : whole.length);
      for (let n = 0; n <= random.below(3); n++) {
        if (random.below(2) === 0 && bytes.length >= 4) {
          new DataView(bytes.buffer).setUint32(
            random.below(Math.floor(bytes.length / 4)) * 4,
            random.pick(words),
            random.below(2) === 0,
          );
        } else if (bytes.length > 0) bytes[random.below(bytes.length)] = random.below(256);
      }
      try {
        for (const { frame } of parseCapture(bytes)) if (frame.length > bytes.length) throw new Error("too long");
      } catch (error) {
        if (!(error instanceof CaptureError)) throw error;
        if (!(error.offset >= 0 && error.offset <= bytes.length)) throw new Error(`offset ${error.offset}`);
        errors++;
      }
    }
    expect(errors).toBeGreaterThan(50_000);
  });

  test.each([
    { bytes: "", message: "at byte 0: there is nothing in it" },
    { bytes: "47455420", message: "at byte 0: no pcapng section begins here" },
    {
      bytes: "d4c3b2a1020004000000000000000000",
      message: "older pcap format: convert it with `editcap -F pcapng in.pcap out.pcapng`",
    },
    {
      bytes: "0a0d0d0a1c0000004d3c2b1a01000000ffffffffffffffff1c000000".slice(0, -2),
      message: "at byte 27: the file ends within a block",
    },
    {
      bytes: "0a0d0d0a1c0000004d3c2b1a01000000ffffffffffffffff1d000000",
      message: "a length of 29 behind a block of 28 bytes",
    },
    { bytes: "0a0d0d0a1c0000004d3c2b1b01000000ffffffffffffffff1c000000", message: "at byte 8: no byte-order magic" },
    { bytes: "0a0d0d0a1c0000004d3c2b1a02000000ffffffffffffffff1c000000", message: "not version 1 of pcapng" },
    {
      bytes: "0a0d0d0a1c0000004d3c2b1a01000000ffffffffffffffff1c000000060000000700000000000000",
      message: "at byte 32: a block of 7 bytes",
    },
  ])("$message", ({ bytes, message }) => {
    expect(() => [...parseCapture(Buffer.from(bytes, "hex"))]).toThrow(message);
  });

  test("of big-endian sections, other resolutions, simple packets, and blocks that it does not know", () => {
    const big = (...words: (number | string)[]): string =>
      words.map((word) => (typeof word === "string" ? word : (word >>> 0).toString(16).padStart(8, "0"))).join("");
    const section = big(0x0a0d0d0a, 28, 0x1a2b3c4d, "00010000", -1, -1, 28);
    // Ethernet, 100 bytes, if_tsresol 2^-10, if_tsoffset 5 s.
    const description = big(1, 44, "00010000", 100, "000900018a000000", "000e0008", 0, 5, 0, 44);
    const unknown = big(0xbad, 16, 0xdeadbeef, 16);
    const simple = big(3, 20, 2, "abcd0000", 20);
    const enhanced = big(6, 36, 0, 1, 0x80, 1, 3, "ee000000", 36);
    const little = Buffer.from(buildCapture(eth, [{ frame: Uint8Array.of(9), timestampNs: 77n }])).toString("hex");
    const all = [...parseCapture(Buffer.from(section + description + unknown + simple + enhanced + little, "hex"))];
    expect(shown(all)).toEqual([
      { interface: { name: "", linkType: 1, snapLength: 100 }, frame: "abcd", originalLength: 2 },
      {
        interface: { name: "", linkType: 1, snapLength: 100 },
        frame: "ee",
        originalLength: 3,
        // (2^32 + 128) / 2^10 s and 5 s more.
        timestampNs: 4_194_304_125_000_000n + 5_000_000_000n,
      },
      { interface: { ...eth, snapLength: 262_144 }, frame: "09", originalLength: 1, timestampNs: 77n },
    ]);
  });
});

describe("readCapture()", () => {
  test("of a file, a URL, or a stream in pieces of any size gives the same", async () => {
    using files = folder();
    const bytes = buildCapture(
      eth,
      Array.from({ length: 50 }, (_, i) => ({ frame: new Uint8Array(i * 7).fill(i), timestampNs: BigInt(i) })),
    );
    await Bun.write(files.file("a.pcapng"), bytes);
    const expected = shown(parseCapture(bytes));
    const pieces = (size: number): ReadableStream<Uint8Array> =>
      new ReadableStream({
        start(controller) {
          for (let i = 0; i < bytes.length; i += size) controller.enqueue(bytes.slice(i, i + size));
          controller.close();
        },
      });
    for (const source of [
      files.file("a.pcapng"),
      Bun.pathToFileURL(files.file("a.pcapng")),
      ...[1, 3, 100, 5000].map(pieces),
    ]) {
      expect(shown(await Array.fromAsync(readCapture(source)))).toEqual(expected);
    }
  });

  // The time limit is part of it: it took more than a minute when what had come was copied with each piece.
  test("of a stream whose longest block comes in short pieces takes no time that grows with its square", async () => {
    const block = new Uint8Array(16 * 1024 * 1024);
    const view = new DataView(block.buffer);
    for (const at of [4, block.length - 4]) view.setUint32(at, block.length, true);
    view.setUint32(0, 0x0bad, true);
    const file = [buildCapture(eth, []), block, buildCapture(eth, [{ frame: Uint8Array.of(1, 2), timestampNs: 3n }])];
    const stream = new ReadableStream<Uint8Array>({
      start(controller) {
        for (const part of file)
          for (let at = 0; at < part.length; at += 256) controller.enqueue(part.subarray(at, at + 256));
        controller.close();
      },
    });
    const read: CapturedFrame[] = [];
    for await (const frame of readCapture(stream)) read.push(frame);
    expect(shown(read)).toMatchObject([{ frame: "0102", timestampNs: 3n }]);
  }, 60_000);

  test("says what is no source", async () => {
    for (const source of [5, null, {}]) {
      const frames = readCapture(source as never);
      expect(await frames.next().catch((error) => error)).toEqual(
        new TypeError(`"source" is ${Bun.inspect(source)}, wanted a path, a URL or a ReadableStream`),
      );
    }
  });

  test("says that a file is missing, or broken after its first frames", async () => {
    using files = folder();
    await expect(Array.fromAsync(readCapture(files.file("none")))).rejects.toThrow("ENOENT");
    const bytes = buildCapture(eth, [{ frame: new Uint8Array(9), timestampNs: 1n }]);
    await Bun.write(files.file("cut"), Buffer.concat([bytes, bytes.subarray(0, 50)]));
    const got: CapturedFrame[] = [];
    const read = async (): Promise<void> => {
      for await (const frame of readCapture(files.file("cut"))) got.push(frame);
    };
    await expect(read()).rejects.toBeInstanceOf(CaptureError);
    expect(got).toHaveLength(1);
  });
});

const missing = ["tshark", "editcap"].filter((tool) => Bun.which(tool) === null);
describeUnless(
  missing.length ? `needs ${missing}: install with your package manager` : undefined,
  "other programs",
  () => {
    test("read what buildCapture() builds", async () => {
      using files = folder();
      await Bun.write(
        files.file("a.pcapng"),
        buildCapture({ name: "lan0", linkType: 1, snapLength: 80 }, [
          {
            frame: new Uint8Array(100).fill(1),
            timestampNs: 1_700_000_000_123_456_789n,
            direction: "outbound",
            dropped: 3,
          },
        ]),
      );
      const fields = [
        "frame.interface_name",
        "frame.time_epoch",
        "frame.len",
        "frame.cap_len",
        "frame.packet_flags_direction",
      ];
      expect(tshark(files.file("a.pcapng"), fields)).toEqual([
        ["lan0", "1700000000.123456789", "100", "80", "0x00000002"],
      ]);
    });

    test("write what readCapture() reads: pcapng of editcap, from a file of nanoseconds and one of microseconds", async () => {
      using files = folder();
      const given = Array.from({ length: 20 }, (_, i) => ({
        frame: new Uint8Array(60 + i).fill(i),
        timestampNs: 1_700_000_000_000_000_000n + BigInt(i) * 1000n,
      }));
      await Bun.write(files.file("a.pcapng"), buildCapture(eth, given));
      for (const format of ["nsecpcap", "pcap"]) {
        run("editcap", "-F", format, files.file("a.pcapng"), files.file("b.pcap"));
        run("editcap", "-F", "pcapng", files.file("b.pcap"), files.file("c.pcapng"));
        const read = await Array.fromAsync(readCapture(files.file("c.pcapng")));
        expect(read.map(({ frame, timestampNs }) => ({ frame: new Uint8Array(frame), timestampNs }))).toEqual(
          given as never,
        );
        await expect(Array.fromAsync(readCapture(files.file("b.pcap")))).rejects.toThrow("older pcap format");
      }
    });
  },
);
