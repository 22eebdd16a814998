/** sendMany() with merging, into a socket that has room for little: what is told to be taken is what was written, and nothing else. */
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { systemError, type TunTapError } from "../../../src/errors.ts";
import { MergingWriter } from "../../../src/io/merge-writer.ts";
import { type RefusalPolicy, Sender } from "../../../src/io/sender.ts";
import { traffic } from "./support/arbitraries.ts";
import { expectSameFlows } from "./support/order.ts";
import { FLAG, makePacket, makeSegments, noise, plainFields } from "./support/packets.ts";
import { receive } from "./support/shim.ts";
import { socketPair } from "./support/sockets.ts";

/** Refuses what the socket refuses, under one cause. */
const policy: RefusalPolicy<"other"> = {
  causes: ["other"],
  endedBy: () => undefined,
  causeOf: () => "other",
  isForAll: () => false,
  errorOf: (errno, _, frameIndex) => systemError(errno, "write", frameIndex === undefined ? {} : { frameIndex }),
};

/** A sender, and what it has written; there is room for some 40 KB of that. */
function rig(
  ethernet = false,
): { sender: Sender<"other">; writer: MergingWriter; wants: () => number; written: () => Uint8Array[] } & Disposable {
  const [ours, theirs] = socketPair(20_000);
  let wants = 0;
  const writer = new MergingWriter(ethernet, true);
  const sender = new Sender(ours.fd, writer, policy, { onWant: () => wants++ });
  return {
    sender,
    writer,
    wants: () => wants,
    written: () => theirs.receiveAll(),
    [Symbol.dispose]() {
      ours[Symbol.dispose]();
      theirs[Symbol.dispose]();
    },
  };
}

const bare = (port: number): Uint8Array => makePacket({ ...plainFields, sourcePort: port }, new Uint8Array());
/** A run of packets that becomes one write. */
const run = (port: number, count = 5): Uint8Array[] =>
  makeSegments({ ...plainFields, sourcePort: port, flags: FLAG.ack }, noise(count * 100, port), 100);

describe("sendMany", () => {
  test("takes a prefix, whatever the mix and wherever the kernel stops, and goes on behind it", () => {
    let [stops, kept] = [0, 0];
    fc.assert(
      fc.property(traffic, ({ frames: made, ethernet }) => {
        using device = rig(ethernet);
        const { sender, writer } = device;
        const frames = made.map((frame) => frame.slice());
        const received: Uint8Array[] = [];
        let taken = 0;
        // Each turn has room for some, so it ends.
        for (let turn = 0; (taken < frames.length || writer.kept > 0) && turn < 200; turn++) {
          const before = device.wants();
          const given = frames.slice(taken);
          const count = sender.sendMany(given);
          // Their memory is the caller's again.
          const sent = given.slice(0, count).map((frame) => frame.slice());
          for (const frame of given.slice(0, count)) frame.fill(0xee);
          frames.splice(taken, count, ...sent);
          expect(sender.blocked).toBe(count < given.length || writer.kept > 0);
          expect(device.wants() - before).toBe(sender.blocked ? 1 : 0);
          if (sender.blocked) stops++;
          kept += writer.kept;
          taken += count;
          received.push(...receive(device.written(), ethernet));
          // Those that count as taken have come, or are the writer's to send.
          expect(received.length + writer.kept).toBe(taken);
          if (writer.kept === 0) expectSameFlows(received, frames.slice(0, taken), ethernet);
          for (let wake = 0; sender.blocked && wake < 50; wake++) {
            sender.onWritable();
            received.push(...receive(device.written(), ethernet));
          }
        }
        expectSameFlows(received, frames, ethernet);
        const bytes = frames.reduce((sum, { length }) => sum + length, 0);
        expect(sender.counters()).toEqual({
          framesSent: frames.length,
          bytesSent: bytes,
          refused: 0,
          refusedBy: { other: 0 },
        });
      }),
      { numRuns: 200 },
    );
    // Or this shows little.
    expect(stops).toBeGreaterThan(40);
    expect(kept).toBeGreaterThan(20);
  });

  test("a frame alone that is refused behind a run that was: the count is never less than none", () => {
    using device = rig();
    const { sender } = device;
    for (let i = 0; sender.send(bare(i)); i++) expect(i).toBeLessThan(2000);
    expect(sender.sendMany(run(1))).toBe(0);
    expect(sender.sendMany([bare(1)])).toBe(0);
    expect(sender.sendMany([bare(1), ...run(2)])).toBe(0);
    expect(sender.sendMany([])).toBe(0);
    device.written();
    expect(sender.sendMany([bare(1), ...run(2)])).toBe(6);
    expect(receive(device.written(), false)).toEqual([bare(1), ...run(2)]);
  });

  test("one frame less than all: the last run is what is not taken", () => {
    using device = rig();
    const runs = Array.from({ length: 200 }, (_, i) => run(i + 1)).flat();
    const taken = device.sender.sendMany(runs);
    expect(taken).toBeGreaterThan(0);
    expect([taken % 5, taken < runs.length]).toEqual([0, true]);
    expect(receive(device.written(), false)).toEqual(runs.slice(0, taken));
  });

  const flows = [run(1, 300), run(2, 300), run(3, 300)];
  /** Three flows in turns, of which there is room for two. */
  const threeFlows = (): Uint8Array[] =>
    Array.from({ length: 300 }, (_, at) => flows.map((frames) => frames[at] as Uint8Array)).flat();

  test("frames that are kept go before any other, send()'s too, and nothing is sent while they wait", () => {
    using device = rig();
    const { sender, writer } = device;
    const frames = threeFlows();
    const taken = sender.sendMany(frames);
    expect([taken < frames.length || sender.blocked, writer.kept > 0]).toEqual([true, true]);
    const kept = writer.kept;
    expect([sender.send(bare(4)), sender.sendMany([bare(4)]), writer.kept]).toEqual([false, 0, kept]);
    const received = receive(device.written(), false);
    expect(received).toHaveLength(taken - kept);
    expect([sender.send(bare(4)), writer.kept]).toEqual([true, 0]);
    received.push(...receive(device.written(), false));
    expect(received.at(-1)).toEqual(bare(4));
    expectSameFlows(received.slice(0, -1), frames.slice(0, taken), false);
  });

  test("the wake-up sends what is kept, and asks for another one if there is no room yet", async () => {
    using device = rig();
    const { sender, writer } = device;
    sender.sendMany(threeFlows());
    const waiting = sender.whenWritable();
    const before = device.wants();
    sender.onWritable();
    expect([sender.blocked, device.wants() - before, writer.kept > 0]).toEqual([true, 1, true]);
    device.written();
    sender.onWritable();
    expect([sender.blocked, writer.kept]).toEqual([false, 0]);
    await waiting;
  });

  test("an end that frames find which were kept rejects whoever waits", async () => {
    const [ours, theirs] = socketPair(20_000);
    using _ = ours;
    const gone = systemError(-77, "write");
    const endedBy = (): TunTapError => {
      sender.end(() => gone);
      return gone;
    };
    const sender: Sender<"other"> = new Sender(
      ours.fd,
      new MergingWriter(false, true),
      { ...policy, endedBy },
      { onWant: () => {} },
    );
    sender.sendMany(threeFlows());
    const waiting = sender.whenWritable();
    theirs[Symbol.dispose]();
    sender.onWritable();
    expect(sender.blocked).toBe(false);
    expect(await waiting.catch((error: unknown) => error)).toBe(gone);
  });

  test("an end that frames find counts none of these as sent", () => {
    const [ours, theirs] = socketPair(20_000);
    using _ = ours;
    const gone = systemError(-77, "write");
    const sender = new Sender(
      ours.fd,
      new MergingWriter(false, true),
      { ...policy, endedBy: () => gone },
      { onWant: () => {} },
    );
    const shown: number[] = [];
    sender.onFrames = (frames) => void shown.push(frames.length);
    expect(sender.sendMany(run(1))).toBe(5);
    theirs[Symbol.dispose]();
    expect(() => sender.sendMany([...run(1), ...run(2)])).toThrow(gone);
    expect([sender.counters().framesSent, sender.counters().refused, ...shown]).toEqual([5, 0, 5]);
  });

  test("frames that are kept and refused later are counted as refused, not as sent", () => {
    const [ours, theirs] = socketPair(20_000);
    using _ = ours;
    const writer = new MergingWriter(false, true);
    const sender = new Sender(ours.fd, writer, policy, { onWant: () => {} });
    const frames = threeFlows();
    const taken = sender.sendMany(frames);
    const kept = writer.kept;
    expect(kept).toBeGreaterThan(0);
    theirs[Symbol.dispose]();
    sender.onWritable();
    const size = (frames[0] as Uint8Array).length;
    expect(sender.counters()).toEqual({
      framesSent: taken - kept,
      bytesSent: (taken - kept) * size,
      refused: kept,
      refusedBy: { other: kept },
    });
  });

  test("send() goes alone, and behind what sendMany() took", () => {
    using device = rig();
    device.sender.sendMany(run(1));
    device.sender.send(run(2)[0] as Uint8Array);
    const writes = device.written();
    expect(writes).toHaveLength(2);
    expect(receive(writes, false)).toEqual([...run(1), run(2)[0] as Uint8Array]);
  });

  test("views of any kind are merged where they lie", () => {
    using device = rig();
    const forms = run(7, 6).map((packet, at): ArrayBuffer | ArrayBufferView => {
      const padded = new Uint8Array(packet.length + 16);
      padded.set(packet, 8);
      if (at % 3 === 0) return packet.slice().buffer;
      if (at % 3 === 1) return new DataView(padded.buffer, 8, packet.length);
      return new Uint16Array(padded.buffer, 8, packet.length / 2);
    });
    expect(device.sender.sendMany(forms)).toBe(6);
    const writes = device.written();
    expect([writes.length, receive(writes, false)]).toEqual([1, run(7, 6)]);
  });

  test("what is no frame is a TypeError; those before it are not forgotten half-way, nor written later", () => {
    const hole: Uint8Array[] = [];
    hole.length = 1;
    for (const wrong of ["text", undefined, null, 7, {}, hole]) {
      using device = rig();
      const before = run(1, 3);
      const after = wrong === hole ? hole : [wrong as Uint8Array];
      expect(() => device.sender.sendMany(before.concat(after))).toThrow(TypeError);
      expect(device.sender.counters().framesSent).toBe(receive(device.written(), false).length);
      // Their bytes may be anybody's by now.
      for (const frame of before) frame.fill(0);
      device.sender.sendMany(run(2));
      expect(receive(device.written(), false)).toEqual(run(2));
    }
  });

  test("frames that are refused for good are dealt with: counted, told once a batch, and no exception", () => {
    const [ours, theirs] = socketPair();
    using _ = ours;
    const sender = new Sender(ours.fd, new MergingWriter(false, true), policy, { onWant: () => {} });
    const told: TunTapError[] = [];
    sender.onRefused = (error) => void told.push(error);
    expect(sender.sendMany(run(1))).toBe(5);
    expect(receive(theirs.receiveAll(), false)).toEqual(run(1));
    theirs[Symbol.dispose]();
    // Nobody is at the other end: ECONNREFUSED.
    const batches = [run(1), [bare(1)], [bare(1), ...run(1)], [...run(1), bare(1)]];
    for (const frames of batches) expect(sender.sendMany(frames)).toBe(frames.length);
    expect(told.map(({ syscall, frameIndex }) => ({ syscall, frameIndex }))).toEqual(
      batches.map(() => ({ syscall: "write", frameIndex: 0 })),
    );
    expect(sender.counters()).toMatchObject({ framesSent: 5, refused: 18, refusedBy: { other: 18 } });
  });
});
