/** sendMany() with merging, where the kernel takes no more in the middle: the count is right, and `drain` follows. */
import { expect, test } from "bun:test";
import { openTap } from "../../../src/index.ts";
import { describeWithTools } from "../../support/privilege.ts";
import { quietIPv6, run, until } from "../../support/system.ts";
import { expectSameFlows } from "./support/order.ts";
import { type Fields, FLAG, makeSegments, noise, plainFields } from "./support/packets.ts";

/** Frames from `sender` to a station behind the other TAP; three in ten are alone, the others make runs of seven. */
function numbered(count: number): Uint8Array[] {
  let fields: Fields = { ...plainFields, tags: [], flags: FLAG.ack };
  const frames: Uint8Array[] = [];
  while (frames.length < count) {
    const [a, b] = [noise(7 * 1000, frames.length + 1), noise(3, frames.length + 2)];
    frames.push(...makeSegments(fields, a, 1000));
    fields = { ...fields, sequence: fields.sequence + a.length };
    // FIN: never merged.
    for (const byte of b) {
      frames.push(...makeSegments({ ...fields, flags: FLAG.ack | FLAG.fin }, Uint8Array.of(byte), 1));
      fields = { ...fields, sequence: fields.sequence + 1 };
    }
  }
  return frames;
}

/** Three flows in turns, packet by packet; each in runs of seven, which PSH ends. */
function inTurns(count: number): Uint8Array[] {
  const flows = [1, 2, 3].map((port) => {
    const all: Uint8Array[] = [];
    for (let i = 0; all.length * 3 < count; i++) {
      const sequence = plainFields.sequence + i * 7000;
      const fields = { ...plainFields, tags: [], flags: FLAG.ack | FLAG.psh, sourcePort: port, sequence };
      all.push(...makeSegments(fields, noise(7000, port + i), 1000));
    }
    return all;
  });
  return Array.from({ length: count }, (_, at) => flows[at % 3]?.[Math.floor(at / 3)] as Uint8Array);
}

describeWithTools("a kernel that takes no more super-packets", ["tc", "ip"], () => {
  test.each([
    ["one flow", numbered],
    ["three flows in turns", inTurns],
  ] as const)("takes a part of sendMany(), says how much, and the rest later: %s", async (_, made) => {
    quietIPv6();
    // Where there is br_netfilter, it would take the charge off IP packets (net/bridge/br_netfilter_hooks.c).
    run("sh", "-c", "for f in /proc/sys/net/bridge/bridge-nf-call-ip*; do [ ! -e $f ] || echo 0 >$f; done");
    let drained = 0;
    const received: Uint8Array[] = [];
    // sender (little room) --> bridge --> receiver (slow): what the queue holds back is still charged to the sender.
    using sender = openTap({ up: true, offload: true, sendBuffer: 40_000, drain: () => drained++ });
    using receiver = openTap({
      ...{ up: true, offload: true, txQueueLength: 2000 },
      data: (_, frames) => void received.push(...frames.map((frame) => frame.slice())),
    });
    run("ip", "link", "add", "jam1", "type", "bridge", "forward_delay", "0", "mcast_snooping", "0");
    try {
      run("ip", "link", "set", "jam1", "up");
      for (const { name } of [sender, receiver]) run("ip", "link", "set", name, "master", "jam1");
      const pace = (how: string, rate: string, burst: string): string =>
        run(
          "tc",
          "qdisc",
          how,
          "dev",
          receiver.name,
          "root",
          "tbf",
          ...["rate", rate, "burst", burst, "limit", "10000000"],
        );
      pace("replace", "80kbit", "2000");
      // Teaches the bridge where the destination is: what it floods it copies, and a copy is not charged.
      const frames = made(400);
      const teach = new Uint8Array(60);
      teach.set([255, 255, 255, 255, 255, 255, ...(frames[0] as Uint8Array).subarray(0, 6), 0x88, 0xb5]);
      receiver.send(teach);
      let taken = sender.sendMany(frames);
      expect(taken).toBeGreaterThan(7);
      expect(taken).toBeLessThan(frames.length);
      expect(sender.counters()).toMatchObject({ framesSent: taken, refused: 0 });
      // Still full.
      expect(sender.sendMany(frames.slice(taken))).toBe(0);
      expect(sender.sendMany(frames.slice(taken + 7))).toBe(0);
      // Not deleted: what is queued would be dropped.
      pace("change", "10gbit", "1000000");
      for (let turn = 0; taken < frames.length && turn < 1000; turn++) {
        const before = drained;
        taken += sender.sendMany(frames.slice(taken));
        if (taken < frames.length) await until(() => drained > before, "drain");
      }
      expect(taken).toBe(frames.length);
      await until(() => received.length >= frames.length, "all frames");
      // One flow comes in order as a whole.
      if (made === numbered) expect(received).toEqual(frames);
      expectSameFlows(received, frames, true);
      expect(sender.counters().framesSent).toBe(frames.length);
    } finally {
      run("ip", "link", "delete", "jam1");
    }
  });
});
