/** The kernel as the other implementation: what it splits itself for a plain device, we split for an offloading one. */
import { expect, test } from "bun:test";
import fc from "fast-check";
import { kernelHas, testOnKernel } from "../../support/kernel.ts";
import { describePrivileged } from "../../support/privilege.ts";
import { mergeable, splittable, superPacket, traffic } from "./support/arbitraries.ts";
import { drain, quiet, transmit } from "./support/kernel.ts";
import { expectSameFlows } from "./support/order.ts";
import { type Fields, makeSegments, noise, offsets, plainFields } from "./support/packets.ts";
import { HEADER, receive } from "./support/shim.ts";

const onto = (fields: Fields, ethernet: boolean): Fields => {
  const { tags = [], ...rest } = fields;
  return ethernet ? { ...rest, tags } : rest;
};

/** Tells whether this kernel can take such a super-packet from a packet socket. */
const isKnown = ({ protocol }: Fields): boolean => protocol !== "udp" || kernelHas("udpOffload");

// What the driver refuses is not given to it.
const isIP = (frame: Uint8Array): boolean => [4, 6].includes((frame[0] ?? 0) >> 4);
/** Nor tags, which a packet socket is not shown: the kernel takes them off. */
const isUntagged = (frame: Uint8Array): boolean => frame.length >= 14 && ![0x81, 0x88].includes(frame[12] as number);

describePrivileged("the kernel and offload", () => {
  for (const ethernet of [false, true]) {
    const kind = ethernet ? "TAP" : "TUN";

    test(`${kind}: every super-packet is split to the bytes to which the kernel splits it`, () => {
      // The most that there is: a packet socket refuses a frame that is longer, if it is no super-packet.
      const mtu = ethernet ? 65_521 : 65_535;
      using offloading = quiet(ethernet, { offload: true, mtu });
      using plain = quiet(ethernet, { mtu });
      let packets = 0;
      fc.assert(
        fc.property(superPacket(splittable, 100), fc.boolean(), ({ fields: any, payload, size }, isWhole) => {
          const fields = onto(any, ethernet);
          fc.pre(isWhole || isKnown(fields));
          // Of tags too, although the socket would allow one that is 0x8100.
          fc.pre(offsets(fields).payload - (ethernet ? 14 : 0) + payload.length <= mtu);
          for (const { kernel } of [offloading, plain]) transmit(kernel, fields, payload, isWhole ? undefined : size);
          const ours = drain(offloading.device);
          expect(ours).toEqual(drain(plain.device));
          packets += ours.length;
        }),
        { numRuns: 300 },
      );
      // How many there are is a matter of chance.
      expect(packets).toBeGreaterThan(kernelHas("udpOffload") ? 1000 : 250);
      expect(offloading.device.counters().malformed).toBe(0);
      // Or the kernel would have split for both.
      expect(offloading.device.stats().txPackets).toBeLessThan(packets / 2);
    });

    test(`${kind}: the kernel gets what sendMany() is given, in super-packets where that can be`, () => {
      using offloading = quiet(ethernet, { offload: true });
      const { device, kernel } = offloading;
      let [frames, writes] = [0, 0];
      fc.assert(
        fc.property(traffic, ({ frames: made, ethernet: isEthernet }) => {
          fc.pre(isEthernet === ethernet);
          const given = made.filter(ethernet ? isUntagged : isIP);
          expect(device.sendMany(given)).toBe(given.length);
          const taken = kernel.receiveAll();
          const packets = receive(taken, ethernet);
          expectSameFlows(packets, given, ethernet);
          frames += given.length;
          writes += taken.length;
        }),
        { numRuns: 300 },
      );
      expect(writes).toBeLessThan((frames * 2) / 3);
    });
  }

  const merged = "a super-packet that was merged is one frame to the kernel, and its header says what it is";

  const expectOneFrame = (protocol: "tcp" | "udp"): void => {
    using offloading = quiet(false, { offload: true });
    const { device, kernel } = offloading;
    for (const version of [4, 6] as const) {
      const fields = { ...plainFields, version, protocol };
      const before = device.stats().rxPackets;
      expect(device.sendMany(makeSegments(fields, noise(14_000), 1400))).toBe(10);
      expect(device.stats().rxPackets - before).toBe(1);
      const [header] = kernel.receiveAll().map((frame) => frame.subarray(0, HEADER));
      const type = protocol === "udp" ? 5 : version === 4 ? 1 : 4;
      expect([header?.[0], header?.[1], Buffer.from(header ?? []).readUInt16LE(4)]).toEqual([1, type, 1400]);
    }
  };

  test(`${merged}: TCP`, () => expectOneFrame("tcp"));
  testOnKernel("udpOffload", `${merged}: UDP`, () => expectOneFrame("udp"));

  testOnKernel("udpOffload", "udp: false leaves datagrams alone, both ways", () => {
    using offloading = quiet(false, { offload: { udp: false } });
    const { device, kernel } = offloading;
    expect(device.offload).toEqual({ raw: false, udp: false, disabled: [] });
    const udp: Fields = { ...plainFields, protocol: "udp" };
    for (const fields of [udp, { ...udp, version: 6 as const }]) {
      expect(device.sendMany(makeSegments(fields, noise(500), 100))).toBe(5);
      expect(kernel.receiveAll()).toHaveLength(5);
      const before = device.stats().txPackets;
      transmit(kernel, fields, noise(500), 100);
      expect(drain(device)).toEqual(makeSegments(fields, noise(500), 100));
      expect(device.stats().txPackets - before).toBe(5);
    }
    expect(device.sendMany(makeSegments(plainFields, noise(500), 100))).toBe(5);
    expect(kernel.receiveAll()).toHaveLength(1);
  });

  test("raw: super-packets and headers as they are, both ways", () => {
    for (const ethernet of [false, true]) {
      using raw = quiet(ethernet, { offload: { raw: true } });
      const { device, kernel } = raw;
      fc.assert(
        fc.property(superPacket(mergeable, 60), ({ fields: any, payload, size }) => {
          const fields = { ...onto(any, ethernet), ...(ethernet ? { tags: [] } : {}) };
          fc.pre(payload.length > size && payload.length < 65_000 && isKnown(fields));
          // Kernels from 6.1.19x and 6.12 on raise a smaller one to 8 (TCP_MIN_GSO_SIZE of include/net/tcp.h).
          fc.pre(fields.protocol === "udp" || size >= 8);
          transmit(kernel, fields, payload, size);
          const frames = drain(device);
          expect(frames).toHaveLength(1);
          const [frame] = frames as [Uint8Array];
          expect(receive([frame], ethernet)).toEqual(makeSegments(fields, payload, size));
          // And back: the kernel shows what it was given.
          expect(device.send(frame)).toBe(true);
          expect(receive(kernel.receiveAll(), ethernet)).toEqual(makeSegments(fields, payload, size));
        }),
        { numRuns: 100 },
      );
    }
  });
});
