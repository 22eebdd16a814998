/** Each way to receive, and to send. */
import { type OpenOptions, openTap, openTun, type Tun } from "../../../src/index.ts";
import { echoRequest, isAnswer, segments } from "../packets.ts";
import { Answers, assertAlive, expectThat, pingUntil, type Scenario, until } from "../scenario.ts";

const common: OpenOptions<Tun> = { addresses: ["192.0.2.1/24"], ipv6: false };

/** A way to receive: calls `found` with each frame until it has returned true or the device has ended. */
type Way = (device: Tun, found: (frame: Uint8Array) => boolean) => Promise<void>;

const ways: Readonly<Record<string, Way>> = {
  "receive()": async (device, found) => {
    for (let frame = await device.receive(); frame !== null; frame = await device.receive()) if (found(frame)) return;
  },
  "for await": async (device, found) => {
    for await (const frame of device) if (found(frame)) return;
  },
  "batches()": async (device, found) => {
    for await (const frames of device.batches()) if (frames.some(found)) return;
  },
  "the readable stream": async (device, found) => {
    for await (const frame of device.readable) if (found(frame)) return;
  },
  "receive() with a signal": async (device, found) => {
    const stop = new AbortController();
    const first = device.receive({ signal: stop.signal });
    const second = device.receive();
    stop.abort("enough");
    const [one, other] = await Promise.allSettled([first, second]);
    if (one.status === "rejected" && one.reason !== "enough") throw one.reason;
    if (other.status === "rejected") throw other.reason;
    const frames = [one, other].flatMap((end) => (end.status === "fulfilled" && end.value !== null ? [end.value] : []));
    if (!frames.some(found)) await ways["receive()"]?.(device, found);
  },
};

function pulled(way: string, options: OpenOptions<Tun> = {}, note = ""): Scenario {
  return {
    name: `receive by ${way}${note}`,
    async run({ calmly }) {
      using device = calmly(() => openTun({ ...common, ...options }));
      let isOver = false;
      const receiving = ways[way]?.(device, (frame) => isAnswer(frame))?.finally(() => {
        isOver = true;
      });
      // Both at once: a failure of the one must not hide what the other does.
      const [received, pinged] = await Promise.allSettled([receiving, pinging(device, () => isOver)]);
      for (const end of [received, pinged]) if (end.status === "rejected") throw end.reason;
      assertAlive(device);
    },
  };
}

/** Pings, and closes the device if that fails: whoever receives would wait for ever. */
async function pinging(device: Tun, answered: () => boolean): Promise<void> {
  try {
    await pingUntil(device, answered);
  } catch (error) {
    device.close();
    throw error;
  }
}

function pushed(options: OpenOptions<Tun>, note: string): Scenario {
  return {
    name: `receive by a data handler${note}`,
    async run({ calmly }) {
      const offset = typeof options.offload === "object" ? 10 : options.packetInfo ? 4 : 0;
      const answers = new Answers(offset);
      using device = calmly(() => openTun({ ...common, ...options, data: answers.data }));
      const head = offset === 4 ? [0, 0, 8, 0] : new Array<number>(offset).fill(0);
      await pingUntil(device, () => answers.count > 0, new Uint8Array([...head, ...echoRequest]));
    },
  };
}

const polled: Scenario = {
  name: "receive by tryReceive()",
  async run({ calmly }) {
    using device = calmly(() => openTun(common));
    await pingUntil(device, () => {
      const frame = device.tryReceive();
      return frame !== null && isAnswer(frame);
    });
  },
};

const toggled: Scenario = {
  name: "ref() and unref() with traffic",
  async run({ calmly }) {
    const answers = new Answers();
    using device = calmly(() => openTun({ ...common, data: answers.data }));
    for (const on of [false, true, false, true]) {
      if (on) device.ref();
      else device.unref();
      const before = answers.count;
      await pingUntil(device, () => answers.count > before);
    }
  },
};

const sent: Scenario = {
  name: "send one, many, and by the writable stream",
  async run({ calmly }) {
    let told = 0;
    using device = calmly(() => openTun({ ...common, error: () => void told++ }));
    // Written, for what is refused would be told of the handler.
    const before = calmly(() => device.stats().rxPackets);
    let taken = device.send(echoRequest) ? 1 : 0;
    taken += device.sendMany([echoRequest, echoRequest, echoRequest]);
    const writer = device.writable.getWriter();
    await writer.write(echoRequest);
    taken++;
    await writer.close();
    assertAlive(device);
    calmly(() => {
      const arrived = device.stats().rxPackets - before;
      const { refused } = device.counters();
      expectThat(arrived + refused >= taken, `the kernel has what was taken: ${arrived} and ${refused} of ${taken}`);
    });
  },
};

const merged: Scenario = {
  name: "send with offload, merged",
  async run({ calmly }) {
    using device = calmly(() => openTun({ ...common, offload: true }));
    for (let rest = segments(6); rest.length > 0; ) {
      const taken = device.sendMany(rest);
      rest = rest.slice(taken);
      if (rest.length > 0) await Bun.sleep(1);
      assertAlive(device);
    }
  },
};

const drained: Scenario = {
  name: "send to a TAP, and wait for drain",
  async run({ calmly }) {
    let drains = 0;
    using device = calmly(() => openTap({ up: true, ipv6: false, drain: () => void drains++ }));
    const frame = new Uint8Array(60).fill(0xff, 0, 6);
    for (let i = 0; i < 4; i++) {
      const before = drains;
      if (!device.send(frame)) await until(device, () => drains > before, "drain");
    }
  },
};

export const traffic: readonly Scenario[] = [
  ...Object.keys(ways).map((way) => pulled(way)),
  pulled("batches()", { reuseBuffers: true }, ", with reused buffers"),
  pulled("for await", { offload: true }, ", with offload"),
  pushed({}, ""),
  pushed({ packetInfo: true }, ", with packet information"),
  pushed({ offload: true, reuseBuffers: true }, ", with offload and reused buffers"),
  pushed({ offload: { raw: true } }, ", with raw offload"),
  polled,
  toggled,
  sent,
  merged,
  drained,
];
