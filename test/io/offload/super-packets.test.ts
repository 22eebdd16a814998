/** Every way to receive, with super-packets waiting: of more packets than one read gives, and of more bytes than a slab has. */
import { beforeAll, expect, test } from "bun:test";
import type { Device } from "../../../src/index.ts";
import { kernelHas } from "../../support/kernel.ts";
import { describePrivileged } from "../../support/privilege.ts";
import { drain, quiet, transmit } from "./support/kernel.ts";
import { type Fields, FLAG, makeSegments, noise, plainFields } from "./support/packets.ts";
import type { PacketSocket } from "./support/sockets.ts";

/** Frames that fill what one read may give several times over, of all kinds; and the packets in them. */
function flood(kernel: PacketSocket, ethernet: boolean): Uint8Array[] {
  const expected: Uint8Array[] = [];
  const base: Fields = { ...plainFields, flags: FLAG.ack | FLAG.psh, ...(ethernet ? { tags: [] } : {}) };
  const sizes = [1448, 388, 36, undefined, 60_000, 1200, undefined, 100, 8, 1448];
  for (const [at, size] of sizes.entries()) {
    const version = at % 2 === 0 ? 4 : 6;
    const fields: Fields = { ...base, version, sequence: at * 100_000, id: at * 2000 };
    const payload = noise(size === undefined ? 1000 : size < 100 ? 20_000 : 60_001, at + 1);
    transmit(kernel, fields, payload, size);
    expected.push(...makeSegments(fields, payload, size ?? payload.length));
    if (!kernelHas("udpOffload")) continue;
    const udp: Fields = { ...fields, protocol: "udp" };
    transmit(kernel, udp, payload.subarray(0, 5000), 99);
    expected.push(...makeSegments(udp, payload.subarray(0, 5000), 99));
  }
  return expected;
}

type Receive = (device: Device, got: Uint8Array[], count: number) => Promise<void>;

const ways: Record<string, Receive> = {
  "for await": async (device, got, count) => {
    for await (const frame of device) if (got.push(frame.slice()) === count) break;
  },
  batches: async (device, got, count) => {
    for await (const frames of device.batches()) {
      expect(frames.length).toBeGreaterThan(0);
      expect(frames.length).toBeLessThanOrEqual(2048);
      got.push(...frames.map((frame) => frame.slice()));
      if (got.length >= count) break;
    }
  },
  receive: async (device, got, count) => {
    while (got.length < count) got.push(((await device.receive()) as Uint8Array).slice());
  },
  tryReceive: async (device, got, count) => {
    for (let turn = 0; got.length < count && turn < 1000; turn++) {
      got.push(...drain(device));
      await Bun.sleep(0);
    }
  },
  readable: async (device, got, count) => {
    for await (const frame of device.readable) if (got.push(frame.slice()) === count) break;
  },
};

describePrivileged("receiving super-packets", () => {
  beforeAll(() => quiet(false)[Symbol.dispose]());

  for (const reuseBuffers of [false, true]) {
    for (const ethernet of [false, true]) {
      const where = `${ethernet ? "TAP" : "TUN"}${reuseBuffers ? ", reuseBuffers" : ""}`;

      test.each(Object.keys(ways))(
        `%s gets every packet once, in order, with none left behind: ${where}`,
        async (way) => {
          using offloading = quiet(ethernet, { offload: true, reuseBuffers });
          const { device, kernel } = offloading;
          const got: Uint8Array[] = [];
          // The first wait begins before there is anything, the second finds all of it there.
          const first = ways[way]?.(device, got, 1);
          const expected = flood(kernel, ethernet);
          await first;
          const more = flood(kernel, ethernet);
          await ways[way]?.(device, got, expected.length + more.length);
          expect(got.length).toBe(expected.length + more.length);
          expect(got).toEqual([...expected, ...more]);
          expect([device.tryReceive(), device.counters().malformed]).toEqual([null, 0]);
        },
      );

      test(`the data handler does: ${where}`, async () => {
        const got: Uint8Array[] = [];
        const all = Promise.withResolvers<void>();
        let count = Number.POSITIVE_INFINITY;
        const data = (_: unknown, frames: Uint8Array[]): void => {
          got.push(...frames.map((frame) => frame.slice()));
          if (got.length >= count) all.resolve();
        };
        using offloading = quiet(ethernet, { offload: true, reuseBuffers, data });
        const expected = [...flood(offloading.kernel, ethernet), ...flood(offloading.kernel, ethernet)];
        count = expected.length;
        await all.promise;
        expect(got.length).toBe(count);
        expect(got).toEqual(expected);
      });
    }
  }

  test("one consumer after the other goes on in the middle of a super-packet", async () => {
    using offloading = quiet(false, { offload: true });
    const { device, kernel } = offloading;
    const expected = flood(kernel, false);
    const got: Uint8Array[] = [];
    for (let turn = 0; got.length < expected.length && turn < 5000; turn++) {
      const before = got.length;
      if (turn % 4 === 0) got.push((await device.receive()) as Uint8Array);
      if (turn % 4 === 1) got.push(device.tryReceive() as Uint8Array);
      if (turn % 4 === 2) {
        for await (const frame of device) if (got.push(frame) >= Math.min(before + 3, expected.length)) break;
      }
      if (turn % 4 === 3) {
        const reader = device.readable.getReader();
        got.push((await reader.read()).value as Uint8Array);
        await reader.cancel();
      }
      if (turn % 40 === 39 && got.length < expected.length) {
        for await (const frames of device.batches()) {
          got.push(...frames);
          break;
        }
      }
    }
    expect(got.map((frame): Uint8Array => Uint8Array.from(frame))).toEqual(expected);
  });

  test("a device that is closed in the middle of a super-packet ends, and says nothing more", async () => {
    using offloading = quiet(false, { offload: true });
    const { device, kernel } = offloading;
    flood(kernel, false);
    let frames = 0;
    for await (const _ of device) if (++frames === 50) device.close();
    expect(frames).toBe(50);
    expect(await device.receive()).toBeNull();
  });
});
