/** The receiver above a reader that holds packets: what was read from the kernel before the end is delivered before it. */
import { describe, expect, test } from "bun:test";
import { FrameReader, frameBatch, oneFrame } from "../../../src/io/frame-reader.ts";
import { Receiver } from "../../../src/io/receiver.ts";
import { makeHeader, makePacket, makeSegments, noise, plainFields } from "./support/packets.ts";
import { socketPair } from "./support/sockets.ts";

const consumer = { description: "the test" };

/** A receiver with three super-packets of 1,000 packets waiting, one batch of which is less than that. */
function rig(): { receiver: Receiver<FrameReader, Uint8Array[]>; reader: FrameReader; packets: string[] } & Disposable {
  const [ours, theirs] = socketPair(1_500_000);
  const reader = new FrameReader({ fd: ours.fd, frameMax: 1500, reuseBuffers: false, split: "tun" });
  const receiver = new Receiver(reader, frameBatch, {
    onWant: () => {},
    onThrown: (cause) => {
      throw cause;
    },
  });
  const packets: string[] = [];
  for (let i = 0; i < 3; i++) {
    const fields = { ...plainFields, sequence: i * 100_000 };
    const payload = noise(40_000, i + 1);
    theirs.send(makeHeader(fields, 40), makePacket(fields, payload, true));
    packets.push(...makeSegments(fields, payload, 40).map((packet) => packet.toHex()));
  }
  return {
    receiver,
    reader,
    packets,
    [Symbol.dispose]() {
      ours[Symbol.dispose]();
      theirs[Symbol.dispose]();
    },
  };
}

describe("the end of a receiver whose reader holds packets", () => {
  test("batches and single frames that were read come before the null, and nothing else is read", async () => {
    using device = rig();
    const { receiver, reader, packets } = device;
    const holder = {};
    const got: Uint8Array[] = [...((await receiver.next(consumer, frameBatch, holder)) ?? [])];
    expect([got.length, reader.buffered]).toEqual([reader.batchMax, true]);
    receiver.finish(true);
    receiver.end();
    const frame = await receiver.next(consumer, oneFrame, holder);
    got.push(frame as Uint8Array);
    got.push(receiver.takeNow(consumer, oneFrame) as Uint8Array);
    for (;;) {
      const batch = await receiver.next(consumer, frameBatch, holder);
      if (batch === null) break;
      got.push(...batch);
    }
    // The third super-packet had been begun.
    expect(got.map((each) => each.toHex())).toEqual(packets);
    expect(receiver.takeNow(consumer, oneFrame)).toBeNull();
  });

  test("a handler gets them while the end is under way", () => {
    using device = rig();
    const { receiver, reader, packets } = device;
    const got: string[] = [];
    let batches = 0;
    receiver.pushTo(consumer, (batch) => {
      batches++;
      got.push(...batch.map((each) => each.toHex()));
    });
    reader.onFailed = () => {};
    receiver.onReadable();
    expect([batches, reader.buffered]).toEqual([1, true]);
    receiver.finish(true);
    receiver.end();
    expect(got).toEqual(packets);
  });

  test("if the user closes, what nobody has seen is dropped", async () => {
    using device = rig();
    const { receiver } = device;
    await receiver.next(consumer, frameBatch, {});
    receiver.finish(false);
    receiver.end();
    expect(await receiver.next(consumer, frameBatch, {})).toBeNull();
    expect(receiver.takeNow(consumer, oneFrame)).toBeNull();
  });
});
