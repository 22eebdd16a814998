/**
 * Whatever a handler does to its own device, in whatever handler: that device
 * goes on or ends as it should, loses nothing that was read, and another device
 * of the same thread goes on working.
 */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { capture } from "../../src/capture/index.ts";
import { type Device, type OpenOptions, openTap, openTun, type Tun, TunTapError } from "../../src/index.ts";
import { describeWithTools } from "../support/privilege.ts";
import { openFds, quietIPv6, until } from "../support/system.ts";
import { Jam } from "./jam.ts";
import { type Consuming, type Way, ways } from "./ways.ts";

const places = ["data", "observer", "capture filter", "change", "drain", "error", "close"] as const;
type Place = (typeof places)[number];

const ours = /\/tun$|socket:/;

let udp: Bun.udp.Socket<"buffer">;
let bystander: Tun;
let bystanderFrames = 0;
let jam: Jam;

/** A device under test, and all that happened to it. */
class Rig implements Disposable {
  readonly device: Tun;
  readonly stop = new AbortController();
  readonly errors: TunTapError[] = [];
  readonly observed: string[] = [];
  readonly delivered: string[] = [];
  readonly observer: Disposable;
  readonly opened: Device[] = [];
  readonly consuming: Consuming;
  readonly #place: Place;
  readonly #act: (rig: Rig) => void;
  closes = 0;
  acted = false;

  constructor(way: Way, place: Place, act: (rig: Rig) => void) {
    this.#place = place;
    this.#act = act;
    const got = (frames: readonly Uint8Array[]): void => {
      this.delivered.push(...frames.map((frame) => frame.toHex()));
      this.#in("data");
    };
    const options: OpenOptions<Tun> = {
      ...way.options(got),
      signal: this.stop.signal,
      change: () => this.#in("change"),
      drain: () => this.#in("drain"),
      error: (_, error) => {
        this.errors.push(error);
        this.#in("error");
      },
      close: () => {
        this.closes++;
        this.#in("close");
      },
    };
    // The jam needs a bridge, and that a TAP.
    this.device =
      place === "drain"
        ? (openTap({ ...options, up: true } as OpenOptions<never>) as unknown as Tun)
        : openTun({ ...options, addresses: ["192.0.2.1/24"] });
    const { device } = this;
    this.observer = device.observe({
      frames: (frames, direction) => {
        if (direction !== "received") return;
        this.observed.push(...frames.map((frame) => frame.toHex()));
        this.#in("observer");
      },
    });
    if (place === "capture filter") {
      const nowhere = new WritableStream<Uint8Array>();
      capture(device, nowhere, {
        filter: () => {
          this.#in("capture filter");
          return true;
        },
      });
    }
    this.consuming = way.start(device, got);
  }

  [Symbol.dispose](): void {
    for (const each of [this.device, ...this.opened]) each.close();
  }

  #in(place: Place): void {
    if (place !== this.#place || this.acted) return;
    this.acted = true;
    this.#act(this);
  }

  /** Has the handler in question called. */
  trigger(): void {
    if (this.#place === "change") this.device.setMtu(1400);
    else if (this.#place === "error") this.device.sendMany([new Uint8Array(1)]);
    else if (this.#place === "close") this.device.close();
    else if (this.#place === "drain") {
      jam.fill(this.device);
      jam.release();
    } else sendTo("192.0.2.2", 4);
  }
}

function sendTo(address: string, count: number): void {
  for (let i = 0; i < count; i++) udp.send(`${i}`, 9, address);
}

function sending(device: Device): void {
  try {
    device.send(new Uint8Array(20).fill(0x45));
    device.sendMany([new Uint8Array(20).fill(0x45)]);
  } catch (error) {
    // In the close handler, or on a TAP that is full.
    if (!(error instanceof TunTapError)) throw error;
  }
}

interface Action {
  act(rig: Rig): void;
  /** Tells whether the action can be done there. */
  fits?(way: Way, consuming: Consuming, place: Place): boolean;
  /** The code that the device ends with; undefined if it goes on. */
  ends?: string;
}

const thrown = new RangeError("thrown on purpose");

const actions: Readonly<Record<string, Action>> = {
  "close the device": { act: ({ device }) => device.close(), ends: "closed" },
  "abort its own signal": { act: ({ stop }) => stop.abort(), ends: "ERR_TUNTAP_ABORTED" },
  "abort a receive": { act: ({ consuming }) => consuming.abort?.(), fits: (_, { abort }) => abort !== undefined },
  "end the iteration": { act: ({ consuming }) => consuming.end?.(), fits: (_, { end }) => end !== undefined },
  "dispose of the observer": { act: ({ observer }) => observer[Symbol.dispose]() },
  "open another": { act: ({ opened }) => void opened.push(openTun({ up: true, data() {} })) },
  send: { act: ({ device }) => sending(device) },
  throw: {
    act: () => {
      throw thrown;
    },
    // An error handler that throws is an uncaught exception, and has a test of its own.
    fits: (_way, _consuming, place) => place !== "error",
  },
};

/** Runs one cell of the table. */
async function runCell(way: Way, place: Place, { act, fits, ends }: Action): Promise<void> {
  const before = openFds(ours).length;
  using rig = new Rig(way, place, act);
  const { device, consuming } = rig;
  let failure: unknown;
  let isDone = false;
  const end = (error?: unknown): void => {
    failure = error;
    isDone = true;
  };
  void consuming.done.then(() => end(), end);
  if (fits?.(way, consuming, place) === false) return;
  rig.trigger();
  await until(() => rig.acted, `the handler was called`);
  await bystanderGoesOn();
  if (ends === undefined && place !== "close") {
    expect(device.closed).toBe(false);
    if (place !== "drain") await goesOn(rig, way.isHandler, () => isDone);
  } else {
    expect(device.closed).toBe(true);
    const reason = place === "close" || ends === "closed" ? undefined : ends;
    expect(device.closeReason?.code).toBe(reason as string);
  }
  rig[Symbol.dispose]();
  await until(() => isDone, "the consumer ended");
  expect(rig.closes).toBe(1);
  const isOurs = act === actions["throw"]?.act;
  // A consumer that throws has its own promise to tell it by.
  const told = rig.errors.map(({ cause }) => cause).filter((cause) => cause !== undefined);
  expect([...told, ...(failure === undefined ? [] : [failure])]).toEqual(isOurs ? [thrown] : []);
  expectAllDelivered(rig, place, act);
  await until(() => openFds(ours).length <= before, "no fd is left");
  await bystanderGoesOn();
}

/** Frames that an observer saw were read, and are delivered whatever happened. */
function expectAllDelivered({ observed, delivered }: Rig, place: Place, act: Action["act"]): void {
  const isCancelled = act === actions["end the iteration"]?.act || act === actions["throw"]?.act;
  const isUnobserved = act === actions["dispose of the observer"]?.act;
  if (place === "drain" || isCancelled || isUnobserved) return;
  expect(delivered.toSorted()).toEqual(observed.toSorted());
  if (place === "observer" || place === "data" || place === "capture filter") expect(delivered).not.toBeEmpty();
}

async function bystanderGoesOn(): Promise<void> {
  const before = bystanderFrames;
  sendTo("198.51.100.2", 1);
  await until(() => bystanderFrames > before, "the other device gets its frame");
  expect(bystander.closed).toBe(false);
}

/** Another frame comes, to the consumer, or to the one who asks next if there is none any more. */
async function goesOn({ device, delivered }: Rig, isHandler: boolean, isDone: () => boolean): Promise<void> {
  // What ended the consumer may take a turn to arrive.
  await Bun.sleep(1);
  const before = delivered.length;
  let came = false;
  if (isDone() && !isHandler) {
    void device.receive().then(() => {
      came = true;
    });
  }
  sendTo("192.0.2.2", 3);
  await until(() => came || delivered.length > before, "the next frame is delivered");
}

describeWithTools("re-entrancy", ["tc", "bridge"], () => {
  beforeAll(async () => {
    quietIPv6();
    udp = await Bun.udpSocket({});
    bystander = openTun({
      addresses: ["198.51.100.1/24"],
      data(_, frames) {
        bystanderFrames += frames.length;
      },
    });
    jam = new Jam();
  });

  afterAll(() => {
    udp.close();
    bystander.close();
    jam[Symbol.dispose]();
  });

  for (const way of ways) {
    for (const place of places) {
      test(`${way.name}: in the ${place}${place === "capture filter" ? "" : " handler"}`, async () => {
        for (const [name, action] of Object.entries(actions)) {
          await runCell(way, place, action).catch((cause) => {
            throw new Error(`${name}: ${cause instanceof Error ? cause.message : cause}`, { cause });
          });
        }
      }, 60_000);
    }
  }
});
