/** What happens to a device between its opening and its end. */
import { rmSync } from "node:fs";
import { capture, parseCapture } from "../../../src/capture/index.ts";
import { adopt, deleteDevice, handOver, type LinkChange, listDevices, openTun, takeOver } from "../../../src/index.ts";
import { IFF_NO_PI, IFF_TUN } from "../../../src/sys/constants.ts";
import { openClone } from "../../../src/sys/netns.ts";
import { closeFd, setIff } from "../../../src/sys/tun.ts";
import { echoRequest } from "../packets.ts";
import {
  Answers,
  assertAlive,
  Broken,
  expectThat,
  PATIENCE_MS,
  pause,
  pingUntil,
  type Scenario,
  until,
} from "../scenario.ts";

const common = { addresses: ["192.0.2.1/24"], ipv6: false };

const changes: Scenario = {
  name: "changes, by handler and by iteration",
  async run() {
    const told: LinkChange[] = [];
    using device = openTun({ ...common, change: (_device, change) => void told.push(change) });
    const iterated: LinkChange[] = [];
    const iterating = (async () => {
      for await (const change of device.changes()) iterated.push(change);
    })();
    // Awaited in the end; until then it is no news.
    iterating.catch(() => {});
    const has = (list: LinkChange[], type: string): boolean => list.some((change) => change.type === type);
    try {
      device.setMtu(1300);
      device.addAddress("192.0.2.9/24");
      device.rename("faultnew");
      const all = ["mtu", "address-added", "name"];
      for (const type of all) await until(device, () => has(told, type) && has(iterated, type), `a change of ${type}`);
    } finally {
      device.close();
      await iterating;
    }
  },
};

const usable: Scenario = {
  name: "wait until an address is usable",
  async run({ calmly }) {
    using device = calmly(() => openTun({ up: true }));
    const signal = AbortSignal.timeout(PATIENCE_MS);
    const address = await device.addAddress("2001:db8::2/64", { untilUsable: true, signal });
    expectThat(!address.tentative, "it is usable");
  },
};

const moved: Scenario = {
  name: "move to another network namespace and back, with changes",
  async run({ calmly, other }) {
    const told: LinkChange[] = [];
    const answers = new Answers();
    const change = (_device: unknown, each: LinkChange): void => void told.push(each);
    using device = calmly(() => openTun({ ...common, change, data: answers.data }));
    device.moveToNetns(other);
    device.up();
    device.moveToNetns(process.pid);
    device.up();
    device.addAddress("192.0.2.1/24");
    await until(device, () => told.filter(({ type }) => type === "moved").length >= 2, "two moves");
    await pingUntil(device, () => answers.count > 0);
  },
};

/** The reason of whichever fails first ends the other. */
async function bothOrNeither<A, B>(stop: AbortController, first: Promise<A>, second: Promise<B>): Promise<[A, B]> {
  let cause: unknown;
  const watched = <T>(promise: Promise<T>): Promise<T> =>
    promise.catch((error) => {
      cause ??= error;
      stop.abort(cause);
      throw error;
    });
  const [one, other] = await Promise.allSettled([watched(first), watched(second)]);
  if (one.status === "fulfilled" && other.status === "fulfilled") return [one.value, other.value];
  if (other.status === "fulfilled") (other.value as Partial<Disposable> | undefined)?.[Symbol.dispose]?.();
  throw cause;
}

const handedOver: Scenario = {
  name: "hand over within one process",
  async run({ folder, calmly }) {
    using device = calmly(() => openTun(common));
    const stop = new AbortController();
    const patience = setTimeout(
      () => stop.abort(new Broken("neither end of the handing over came to an end")),
      PATIENCE_MS,
    );
    try {
      const path = `${folder}/socket`;
      const answers = new Answers();
      const given = handOver(device, { path, signal: stop.signal, allow: ({ uid }) => uid === 0 });
      const taken = takeOver(path, { signal: stop.signal, data: answers.data });
      using owned = (await bothOrNeither(stop, given, taken))[1];
      expectThat(device.closed, "it is closed here");
      await pingUntil(owned, () => answers.count > 0);
    } finally {
      clearTimeout(patience);
    }
  },
};

const captured: Scenario = {
  name: "capture to a file",
  async run({ folder, calmly }) {
    const path = `${folder}/capture.pcapng`;
    const answers = new Answers();
    try {
      using device = calmly(() => openTun({ ...common, data: answers.data }));
      const capturing = capture(device, path);
      try {
        await pingUntil(device, () => answers.count > 0);
      } finally {
        await capturing.close();
      }
      const frames = [...parseCapture(await Bun.file(path).bytes())];
      expectThat(frames.length === capturing.stats().packets && frames.length >= 2, "the file has all frames");
    } finally {
      rmSync(path, { force: true });
    }
  },
};

const adopted: Scenario = {
  name: "adopt, with options, and leave the fd open",
  async run({ calmly }) {
    const fd = calmly(() => {
      const opened = openClone("/dev/net/tun");
      setIff(opened, "faultad", IFF_TUN | IFF_NO_PI);
      return opened;
    });
    try {
      const answers = new Answers();
      using device = adopt(fd, { ...common, closeFd: false, data: answers.data });
      await pingUntil(device, () => answers.count > 0);
    } finally {
      calmly(() => closeFd(fd));
    }
  },
};

const listed: Scenario = {
  name: "list, here and elsewhere, and delete from outside",
  async run({ calmly, other }) {
    let ends = 0;
    using device = calmly(() => openTun({ ...common, close: () => void ends++ }));
    const { name } = device;
    const receiving = device.receive();
    const settled = receiving.then(
      () => undefined,
      (error: unknown) => error,
    );
    const found = listDevices();
    assertAlive(device);
    expectThat(
      found.some((info) => info.name === name),
      "it is listed",
    );
    listDevices({ netns: other });
    deleteDevice(name);
    const deadline = performance.now() + PATIENCE_MS;
    while (ends === 0 && performance.now() < deadline) await pause();
    expectThat(ends === 1, "the device has heard of its end");
    const error = await settled;
    if (error !== undefined) throw error;
  },
};

const aborted: Scenario = {
  name: "end by a signal, while others wait",
  async run() {
    const stop = new AbortController();
    let reasons = 0;
    using device = openTun({ ...common, signal: stop.signal, change() {}, close: () => void reasons++ });
    const frame = device.receive();
    const writing = device.send(echoRequest);
    stop.abort("enough");
    await frame;
    expectThat(writing !== undefined && device.closed && reasons === 1, "it has closed once");
  },
};

const observed: Scenario = {
  name: "observe what passes, and end in the observer",
  async run({ calmly }) {
    let seen = 0;
    using device = calmly(() => openTun(common));
    device.observe({
      frames: (_frames, direction) => {
        if (direction === "received" && ++seen === 2) device.close();
      },
    });
    const receiving = (async () => {
      for await (const _frame of device);
    })();
    await pingUntil(device, () => seen >= 1);
    const deadline = performance.now() + PATIENCE_MS;
    for (let i = 0; !device.closed && performance.now() < deadline; i++) {
      if (i % 20 === 0) device.send(echoRequest);
      await pause();
    }
    if (device.closeReason !== undefined) assertAlive(device);
    expectThat(device.closed, "the observer has closed it");
    await receiving;
  },
};

export const life: readonly Scenario[] = [
  changes,
  usable,
  moved,
  handedOver,
  captured,
  adopted,
  listed,
  aborted,
  observed,
];
