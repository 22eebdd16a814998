/** What the page is told, in simulated time: of a device that is only counters, and frames handed to its observer. */
import { describe, expect, test } from "bun:test";
import { type Reading, Readings, read } from "../../apps/monitor/readings.ts";
import type { Viewer } from "../../apps/monitor/viewer.ts";
import type { Update } from "../../apps/monitor/watch.ts";
import { Watch, type Watched } from "../../apps/monitor/watch.ts";
import type { FrameObserver } from "../../src/index.ts";
import { buildIPv4, buildUdp, IpProtocol } from "../../src/packet/index.ts";

function packetTo(destinationPort: number, sender = 1): Uint8Array {
  const ends = { source: `192.0.2.${sender}`, destination: "198.51.100.1" };
  const payload = buildUdp({ ...ends, sourcePort: 5000, destinationPort, payload: new Uint8Array(72) });
  // 20 bytes of IPv4, 8 of UDP, 72 of data: 100.
  return buildIPv4({ ...ends, protocol: IpProtocol.UDP, payload });
}

const common = packetTo(5001);

/** A device of which packets arrive when the test says so, and its watch. */
class Simulation {
  now = 0;
  counted = { framesReceived: 0, bytesReceived: 0, framesSent: 0, bytesSent: 0, refused: 0 };
  #observer: FrameObserver | undefined;
  readonly device: Watched;
  readonly readings: Readings;

  constructor() {
    this.device = {
      name: "tun0",
      kind: "tun",
      mtu: 1500,
      isUp: true,
      closed: false,
      addresses: () => [],
      counters: () => this.counted,
      stats: () => ({ txDropped: 0 }),
      observe: (observer: FrameObserver) => {
        this.#observer = observer;
        return { [Symbol.dispose]: () => {} };
      },
    } as unknown as Watched;
    this.readings = new Readings(read(this.device, 0));
  }

  open(): { watch: Watch; viewer: Viewer } {
    const watch = new Watch(this.device, this.readings, () => this.now);
    return { watch, viewer: watch.open() };
  }

  receive(...frames: readonly Uint8Array[]): void {
    this.counted.framesReceived += frames.length;
    for (const { length } of frames) this.counted.bytesReceived += length;
    this.#observer?.frames(frames, "received");
  }

  tick(watch: Watch, viewer: Viewer): Update {
    this.now += 500;
    return watch.tick().get(viewer) as Update;
  }
}

function many(length: number, special: (i: number) => Uint8Array | undefined = () => undefined): Uint8Array[] {
  return Array.from({ length }, (_, i) => special(i) ?? common);
}

describe("packets", () => {
  test("that are few are all shown, and the share says all", () => {
    const simulation = new Simulation();
    const { watch, viewer } = simulation.open();
    simulation.receive(...many(40));
    const { packets, share, estimated } = simulation.tick(watch, viewer);
    expect(share).toEqual({ passed: 40, examined: 40, matched: 40, shown: 40 });
    expect({ lines: packets.length, bytes: packets[0]?.bytes, estimated }).toEqual({
      lines: 40,
      bytes: 100,
      estimated: false,
    });
  });

  test("are filtered before a part of them is chosen: the one among 20,000 is shown, wherever it comes", () => {
    for (const place of [0, 1, 777, 12_999, 19_999]) {
      const simulation = new Simulation();
      const { watch, viewer } = simulation.open();
      // Before that a tick of as many, from which on a part is looked at, and a part of that is shown.
      viewer.filter("5777 192.0.2.1");
      simulation.receive(...many(20_000));
      simulation.tick(watch, viewer);
      simulation.receive(...many(20_000, (i) => (i === place ? packetTo(5777) : undefined)));
      const { packets, share } = simulation.tick(watch, viewer);
      expect(packets.map(({ line }) => line.includes("5777"))).toEqual([true]);
      expect(share).toEqual({ passed: 40_000, examined: 40_000, matched: 1, shown: 1 });
    }
  });

  test("in a flood: the share counts what passed, was looked at, matches and is shown, over the window", () => {
    const simulation = new Simulation();
    const { watch, viewer } = simulation.open();
    viewer.filter("5777");
    let [lines, last] = [0, {} as Update];
    for (let tick = 0; tick < 10; tick++) {
      // Every second one matches; in batches, as they come.
      for (let batch = 0; batch < 100; batch++)
        simulation.receive(...many(1000, (i) => (i % 2 ? packetTo(5777) : undefined)));
      last = simulation.tick(watch, viewer);
      lines += last.packets.length;
    }
    const { passed, examined, matched, shown } = last.share;
    expect([passed, shown]).toEqual([1_000_000, lines]);
    // No more than the budget is put into words, and nobody is told that it were all.
    expect(examined).toBeLessThanOrEqual(250_000);
    expect(examined).toBeGreaterThan(200_000);
    expect(matched).toBeLessThanOrEqual(examined);
    expect(shown).toBeLessThanOrEqual(400);
    expect(last.estimated).toBe(true);
    // Without packets for as long as the window is, the flood is forgotten.
    for (let tick = 0; tick < 10; tick++) last = simulation.tick(watch, viewer);
    expect(last.share).toEqual({ passed: 0, examined: 0, matched: 0, shown: 0 });
  });

  test("of two browsers, each has its own filter and its own share", () => {
    const simulation = new Simulation();
    const { watch, viewer } = simulation.open();
    const other = watch.open();
    other.filter("5777");
    simulation.receive(...many(30, (i) => (i < 3 ? packetTo(5777) : undefined)));
    simulation.now += 500;
    const updates = watch.tick();
    expect(updates.get(viewer)?.share.shown).toBe(30);
    expect(updates.get(other)?.share).toEqual({ passed: 30, examined: 30, matched: 3, shown: 3 });
    expect([watch.close(other), watch.close(viewer)]).toEqual([true, false]);
  });

  test("that wait to be told when a filter comes are told if they match", () => {
    const simulation = new Simulation();
    const { watch, viewer } = simulation.open();
    simulation.receive(...many(30, (i) => (i === 3 ? packetTo(5777) : undefined)));
    for (const typed of ["5", "57", "577", "5777"]) viewer.filter(typed);
    expect(simulation.tick(watch, viewer).packets.map(({ line }) => line.includes("5777"))).toEqual([true]);
  });

  test("that passed before a new filter are not counted as looked at by it", () => {
    const simulation = new Simulation();
    const { watch, viewer } = simulation.open();
    simulation.receive(...many(30));
    viewer.filter("nothing like it");
    simulation.receive(...many(5));
    expect(simulation.tick(watch, viewer).share).toEqual({ passed: 5, examined: 5, matched: 0, shown: 0 });
  });
});

describe("rates", () => {
  test("all are of one window: the senders add up to the rate above, which is of as many seconds as it says", () => {
    const simulation = new Simulation();
    const { watch, viewer } = simulation.open();
    const windows: number[] = [];
    for (let tick = 0; tick < 24; tick++) {
      // Bursts, so that a window of another length would have another rate.
      const burst = many(tick % 7 === 0 ? 50 : 1, (i) => packetTo(5001, 1 + (i % 3)));
      simulation.receive(...burst);
      const { window, rates, talkers, protocols } = simulation.tick(watch, viewer);
      windows.push(window);
      const bits = (rows: { bytes: number }[]): number => rows.reduce((sum, row) => sum + row.bytes * 8, 0) / window;
      expect(bits(talkers)).toBeCloseTo(rates.inBits, 6);
      expect(bits(protocols)).toBeCloseTo(rates.inBits, 6);
      expect(protocols[0]?.packets).toBeCloseTo(rates.inPackets * window, 6);
    }
    expect([windows[0], windows[1], windows[9], windows[23]]).toEqual([0.5, 1, 5, 5]);
  });
});

describe("the history", () => {
  const readingAt = (time: number): Reading => {
    // 1000 bytes a second for an hour, then 3000.
    const inBytes = time + 2 * Math.max(0, time - 3_600_000);
    return { time, inBytes, outBytes: 0, inPackets: time, outPackets: 0, dropped: 0 };
  };

  test("goes back to the program's start, however long that is, in bounded memory and without a gap", () => {
    const readings = new Readings(readingAt(0));
    let most = 0;
    for (let time = 500; time <= 86_400_000; time += 500) {
      readings.add(readingAt(time));
      if (time % 3_600_000 === 0) most = Math.max(most, readings.start.length);
    }
    const { start, minute } = readings;
    expect(most).toBeLessThanOrEqual(240);
    expect([start.length >= 100, start[0]?.[0], start.at(-1)?.[1]]).toEqual([true, 86_400, 0]);
    expect(start.slice(1).map(([began]) => began)).toEqual(start.slice(0, -1).map(([, ended]) => ended));
    expect([start[0]?.[2], start.at(-1)?.[2]]).toEqual([8000, 24_000]);
    // The mean over all is what the counters say.
    const bits = start.reduce((sum, [began, ended, inBits]) => sum + (began - ended) * inBits, 0);
    expect(bits / (readingAt(86_400_000).inBytes * 8) / 1).toBeCloseTo(1, 3);
    expect([minute.length, minute[0]?.[0]]).toEqual([60, 60]);
  });

  test("has what passed while nobody looked", () => {
    const simulation = new Simulation();
    simulation.receive(...many(10));
    simulation.now = 2000;
    simulation.readings.add(read(simulation.device, simulation.now));
    const { watch, viewer } = simulation.open();
    const { history, totals, rates, window } = simulation.tick(watch, viewer);
    expect(totals).toEqual({ bytes: 1000, packets: 10, dropped: 0, seconds: 3 });
    expect(history.start[0]).toEqual([2.5, 0.5, 4000, 0]);
    // The window begins when somebody looks, for the rate as for the senders.
    expect([window, rates.inBits]).toEqual([0.5, 0]);
  });
});
