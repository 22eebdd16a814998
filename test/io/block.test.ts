/** Blocks, which a relay passes on: the same frames as views would be, and the memory of views that somebody has is left alone. */
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { systemError } from "../../src/errors.ts";
import { lengths, offsets } from "../../src/io/batch.ts";
import type { BatchWriter } from "../../src/io/batch-writer.ts";
import { channelOf } from "../../src/io/channel.ts";
import { FrameBlock, placesFor } from "../../src/io/frame-block.ts";
import { FrameReader } from "../../src/io/frame-reader.ts";
import { MergingWriter } from "../../src/io/merge-writer.ts";
import { plainWriter } from "../../src/io/plain-writer.ts";
import { type RefusalPolicy, Sender } from "../../src/io/sender.ts";
import { openUdp } from "../../src/udp/index.ts";
import type { DatagramReader } from "../../src/udp/reader.ts";
import { loopbackUp, numbered, until } from "../udp/support.ts";
import { traffic } from "./offload/support/arbitraries.ts";
import { FLAG, makeHeader, makePacket, makeSegments, noise, plainFields } from "./offload/support/packets.ts";
import { socketPair } from "./offload/support/sockets.ts";

/** The bytes of the frames of a block, taken from its memory: no view of it is made. */
function bytesOf(block: FrameBlock): Uint8Array[] {
  if (!block.isWhole) return block.frames().map((frame) => frame.slice());
  const frames: Uint8Array[] = [];
  while (frames.length < block.count) {
    const { base } = block;
    const count = block.gather(frames.length);
    for (let i = 0; i < count; i++) {
      const at = offsets[i] as number;
      frames.push(base.slice(at, at + (lengths[i] as number)));
    }
  }
  return frames;
}

/** Views that somebody keeps, and the bytes that they had. */
class Kept {
  readonly #frames: [view: Uint8Array, bytes: Uint8Array][] = [];

  add(frames: readonly Uint8Array[]): Uint8Array[] {
    const copies = frames.map((frame) => frame.slice());
    for (const [i, frame] of frames.entries()) this.#frames.push([frame, copies[i] as Uint8Array]);
    return copies;
  }

  expectUnchanged(): void {
    for (const [view, bytes] of this.#frames) expect(view).toEqual(bytes);
  }
}

/** Returns what the driver hands over at once, and the frames in it: with virtio headers every other one is a super-packet. */
function messageOf(size: number, i: number, split: boolean): { parts: Uint8Array[]; frames: Uint8Array[] } {
  const bytes = noise(size, i + 1);
  if (!split) return { parts: [bytes], frames: [bytes] };
  if (i % 2 === 0 || size < 2 || size > 60_000) return { parts: [new Uint8Array(10), bytes], frames: [bytes] };
  const each = Math.max(1, Math.floor(size / 40));
  const fields = { ...plainFields, flags: FLAG.ack };
  return {
    parts: [makeHeader(fields, each), makePacket(fields, bytes, true)],
    frames: makeSegments(fields, bytes, each),
  };
}

type Way = "views" | "block" | "looked at";
const ways = fc.array(fc.constantFrom<Way>("views", "block", "looked at"), { minLength: 40, maxLength: 40 });

describe.each([false, true])("a reader that reuses its buffers: %p", (reuseBuffers) => {
  test.each([undefined, "tun"] as const)("blocks give what views give, in any order; split: %p", (split) => {
    let blocks = 0;
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 1, max: 65_500 }), { minLength: 1, maxLength: 40 }),
        fc.integer({ min: 1, max: 20 }),
        ways,
        (sizes, limit, plan) => {
          const [ours, theirs] = socketPair(4_000_000);
          using _ = ours;
          using __ = theirs;
          const reader = new FrameReader({ fd: ours.fd, frameMax: 1500, reuseBuffers, split });
          const messages = sizes.map((size, i) => messageOf(size, i, split !== undefined));
          const sent = messages.flatMap(({ frames }) => frames);
          const kept = new Kept();
          const got: Uint8Array[] = [];
          let given = 0;
          for (let turn = 0; got.length < sent.length && turn < 9000; turn++) {
            while (given < messages.length && theirs.send(...(messages[given]?.parts ?? []))) given++;
            const way = plan[turn % plan.length] as Way;
            const frames = way === "views" ? reader.readBatch(limit) : undefined;
            const block = way === "views" ? undefined : reader.readBlock(limit);
            if (block?.isWhole) blocks++;
            if (block && way === "looked at") kept.add(block.frames());
            got.push(
              ...(block
                ? bytesOf(block)
                : reuseBuffers
                  ? (frames ?? []).map((f) => f.slice())
                  : kept.add(frames ?? [])),
            );
          }
          expect(got).toEqual(sent);
          const bytes = sent.reduce((sum, { length }) => sum + length, 0);
          expect(reader.counters()).toMatchObject({ framesReceived: sent.length, bytesReceived: bytes });
          if (!reuseBuffers) kept.expectUnchanged();
        },
      ),
      { numRuns: 60 },
    );
    expect(blocks).toBeGreaterThan(20);
  });

  test("blocks of datagrams give what runs give, by sender", async () => {
    loopbackUp();
    using socket = openUdp({ address: "127.0.0.1", receiveBuffer: 8 << 20, reuseBuffers });
    using one = openUdp({ peer: { address: "127.0.0.1", port: socket.port }, sendBuffer: 8 << 20 });
    using two = openUdp({ peer: { address: "127.0.0.1", port: socket.port }, sendBuffer: 8 << 20 });
    const reader = channelOf(socket)?.reader as unknown as DatagramReader;
    const kept = new Kept();
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(fc.boolean(), fc.integer({ min: 1, max: 70 }), fc.nat(1400)), {
          minLength: 1,
          maxLength: 12,
        }),
        fc.integer({ min: 1, max: 200 }),
        ways,
        async (runs, limit, plan) => {
          const sent = runs.map(([first, count, size]) => ({
            from: first ? one : two,
            datagrams: numbered(count, size),
          }));
          for (const { from, datagrams } of sent) expect(from.sendMany(datagrams)).toBe(datagrams.length);
          const got: { port: number; bytes: Uint8Array }[] = [];
          let turn = 0;
          const take = (): void => {
            const way = plan[turn++ % plan.length] as Way;
            const run = way === "views" ? reader.readRun(limit) : undefined;
            const block = way === "views" ? undefined : reader.readBlock(limit);
            if (block && way === "looked at") kept.add(block.frames());
            const frames = block ? bytesOf(block) : kept.add(run?.datagrams ?? []);
            got.push(...frames.map((bytes) => ({ port: (block ?? run)?.from.port ?? 0, bytes })));
          };
          const all = sent.reduce((sum, { datagrams }) => sum + datagrams.length, 0);
          await until(() => {
            take();
            return got.length >= all;
          }, "all datagrams");
          // Another processor may hand over what the other one sends.
          for (const { port } of [one, two]) {
            const ofSender = sent.filter(({ from }) => from.port === port).flatMap(({ datagrams }) => datagrams);
            expect(got.filter((each) => each.port === port).map(({ bytes }) => bytes)).toEqual(ofSender);
          }
        },
      ),
      { numRuns: 60 },
    );
    if (!reuseBuffers) kept.expectUnchanged();
  });
});

test("what nobody has a view of takes no new memory: a relay of kept buffers reads into the same again and again", () => {
  const [ours, theirs] = socketPair(4_000_000);
  using _ = ours;
  using __ = theirs;
  const reader = new FrameReader({ fd: ours.fd, frameMax: 1500, reuseBuffers: false });
  const memories = new Set<ArrayBufferLike>();
  for (let i = 0; i < 2000; i++) {
    theirs.send(noise(1400));
    const block = reader.readBlock(9);
    memories.add((block as FrameBlock).base.buffer);
  }
  expect(memories.size).toBe(1);
});

describe("sendBlock", () => {
  const policy: RefusalPolicy<"other"> = {
    causes: ["other"],
    endedBy: () => undefined,
    causeOf: () => "other",
    isForAll: () => false,
    errorOf: (errno, frame, frameIndex) => systemError(errno, `write of ${frame.length}`, { frameIndex }),
  };

  /** Sends by either way into a socket that has room for little, and tells all that can be seen of it. */
  function outcome(writer: BatchWriter, frames: readonly Uint8Array[], asBlock: boolean, gap: number) {
    const [ours, theirs] = socketPair(20_000);
    using _ = ours;
    using __ = theirs;
    let wants = 0;
    const sender = new Sender(ours.fd, writer, policy, { onWant: () => wants++ });
    const [observed, errors]: [Uint8Array[], string[]] = [[], []];
    sender.onFrames = (some) => observed.push(...some.map((frame) => frame.slice()));
    sender.onRefused = (error) => errors.push(error.message);
    const results: unknown[] = [];
    for (let at = 0, turn = 0; at < frames.length && turn < 100; turn++) {
      const given = frames.slice(at);
      const done = asBlock ? sender.sendBlock(blockOf(given, gap)) : sender.sendMany(given);
      results.push(done, sender.blocked, theirs.receiveAll());
      for (let wake = 0; sender.blocked && wake < 50; wake++) {
        sender.onWritable();
        results.push(theirs.receiveAll());
      }
      at += done;
    }
    return { results, wants, observed, errors, counters: sender.counters() };
  }

  function blockOf(frames: readonly Uint8Array[], gap: number): FrameBlock {
    const memory = new Uint8Array(frames.reduce((sum, { length }) => sum + length + gap, 8));
    const places = placesFor(frames.length);
    let end = 8;
    for (const [i, frame] of frames.entries()) {
      memory.set(frame, end);
      places.offsets[i] = end;
      places.lengths[i] = frame.length;
      end += frame.length + gap;
    }
    const view = (i: number): Uint8Array =>
      new Uint8Array(memory.buffer, places.offsets[i] as number, places.lengths[i] as number);
    return new FrameBlock(frames.length, { memory, places, view });
  }

  test.each(["merged", "plain"])("does what sendMany() does, wherever the kernel stops or refuses: %s", (how) => {
    let [stops, refusals] = [0, 0];
    fc.assert(
      fc.property(
        traffic,
        fc.array(fc.nat(60), { maxLength: 4 }),
        fc.nat(9),
        ({ frames: made, ethernet }, long, gap) => {
          const frames = made.filter(({ length }) => length > 0);
          // Longer than the socket takes at all.
          for (const at of long) frames.splice(at, 0, noise(50_000));
          const writer = (): BatchWriter => (how === "merged" ? new MergingWriter(ethernet, true) : plainWriter);
          const given = frames.map((frame) => frame.slice());
          const one = outcome(writer(), given, true, gap);
          const other = outcome(writer(), given, false, gap);
          expect(one).toEqual(other);
          stops += one.wants;
          refusals += one.errors.length;
        },
      ),
      { numRuns: 100 },
    );
    expect([stops > 20, refusals > 20]).toEqual([true, true]);
  });

  test("more frames than one call of a writer takes", () => {
    const frames = Array.from({ length: 1300 }, (_, i) => noise(1 + (i % 7), i));
    expect(outcome(plainWriter, frames, true, 0)).toEqual(outcome(plainWriter, frames, false, 0));
  });
});
