/** stats() is the kernel's, as `ip -s` shows it; counters() is what the device itself has seen. */
import { beforeAll, expect, test } from "bun:test";
import type { LinkStats } from "../../src/index.ts";
import { echoRequest, refusal } from "../device/support.ts";
import { describeWithTools } from "../support/privilege.ts";
import { quietIPv6, until } from "../support/system.ts";
import { ipJson, kinds } from "./support.ts";

interface ShownStats {
  readonly stats64: Record<"rx" | "tx", Record<string, number>>;
}

function shownStats(name: string): Partial<LinkStats> {
  const { rx, tx } = (ipJson<ShownStats>(`-s link show dev ${name}`)[0] as ShownStats).stats64;
  const count = (of: Record<string, number>, what: string): number => of[what] as number;
  return {
    rxPackets: count(rx, "packets"),
    rxBytes: count(rx, "bytes"),
    rxErrors: count(rx, "errors"),
    rxDropped: count(rx, "dropped"),
    txPackets: count(tx, "packets"),
    txBytes: count(tx, "bytes"),
    txErrors: count(tx, "errors"),
    txDropped: count(tx, "dropped"),
  };
}

/** Frames of 20 to 39 bytes of an unknown kind, which nobody answers. */
function frames(kind: "tun" | "tap", count: number): Uint8Array[] {
  return Array.from({ length: count }, (_, i) => {
    const frame = new Uint8Array((kind === "tun" ? 20 : 34) + (i % 20));
    if (kind === "tun") frame[0] = 0x45;
    else frame.set([2, 0, 0x5e, 0, 0x53, 1, 2, 0, 0x5e, 0, 0x53, 2, 0x88, 0xb5]);
    return frame;
  });
}

describeWithTools("counters", ["ip"], () => {
  beforeAll(quietIPv6);

  test.each(kinds)(
    "a $kind: stats() is what ip shows, and grows by what was sent and received",
    async ({ open, kind }) => {
      using device = open({ name: "count0", addresses: ["192.0.2.1/24"] });
      const socket = await Bun.udpSocket({ hostname: "192.0.2.1" });
      if (kind === "tap") Bun.spawnSync("ip neigh add 192.0.2.2 lladdr 02:00:5e:00:53:02 dev count0".split(" "));
      const before = device.stats();
      expect(before).toMatchObject(shownStats("count0"));
      const given = frames(kind, 50);
      expect(device.sendMany(given)).toBe(50);
      for (let i = 0; i < 7; i++) socket.send("x".repeat(i), 9, "192.0.2.2");
      socket.close();
      const received: Uint8Array[] = [];
      await until(() => {
        for (let frame = device.tryReceive(); frame !== null; frame = device.tryReceive()) received.push(frame);
        return received.length === 7;
      }, "seven datagrams");
      const after = device.stats();
      expect(after).toMatchObject(shownStats("count0"));
      const bytes = (of: readonly Uint8Array[]): number => of.reduce((sum, { length }) => sum + length, 0);
      expect(after.rxPackets - before.rxPackets).toBe(50);
      expect(after.txPackets - before.txPackets).toBe(7);
      expect(after.txBytes - before.txBytes).toBe(bytes(received));
      expect(device.counters()).toEqual({
        framesReceived: 7,
        bytesReceived: bytes(received),
        truncated: 0,
        malformed: 0,
        framesSent: 50,
        bytesSent: bytes(given),
        refused: 0,
        refusedBy: { malformed: 0, down: 0, other: 0 },
      });
    },
  );

  test.each(kinds)("a $kind: what the kernel refuses is counted, and is no frame that was sent", ({ open }) => {
    using device = open({ name: "count1", up: true });
    for (let i = 0; i < 3; i++) expect(refusal(() => device.send(new Uint8Array(0))).code).toBe("EINVAL");
    device.down();
    expect(refusal(() => device.send(echoRequest)).code).toBe("EIO");
    expect(device.counters()).toMatchObject({
      framesSent: 0,
      bytesSent: 0,
      refused: 4,
      refusedBy: { malformed: 3, down: 1, other: 0 },
    });
  });

  test("a kernel's drop is in stats(): the queue has room for one", async () => {
    using device = kinds[0]?.open({ name: "count2", addresses: ["192.0.2.1/24"], txQueueLength: 1 }) as ReturnType<
      (typeof kinds)[number]["open"]
    >;
    const socket = await Bun.udpSocket({ hostname: "192.0.2.1" });
    for (let i = 0; i < 10; i++) socket.send("x", 9, "192.0.2.2");
    socket.close();
    expect(device.stats().txDropped).toBeGreaterThan(0);
    expect(device.stats()).toMatchObject(shownStats("count2"));
  });
});
