/** An observer of a device sees what passes it, once and in order, by every way to receive and to send. */
import { expect, test } from "bun:test";
import { type Device, type OpenOptions, openTap, type TunTapError } from "../../src/index.ts";
import { checkFrame, flood, makeFrame } from "../support/frames.ts";
import { describePrivileged } from "../support/privilege.ts";
import { quietIPv6, until } from "../support/system.ts";

function quiet(options: OpenOptions = {}): Device {
  quietIPv6();
  return openTap({ up: true, ...options });
}

interface Seen {
  received: number[];
  sent: number[];
  closed: number;
}

/** The numbers of the frames that passed. */
function look(device: Device): Seen & { tap: Disposable } {
  const seen: Seen = { received: [], sent: [], closed: 0 };
  const tap = device.observe({
    frames: (frames, direction) => void seen[direction].push(...frames.map(checkFrame)),
    close: () => void seen.closed++,
  });
  return Object.assign(seen, { tap });
}

const numbers = (from: number, count: number): number[] => Array.from({ length: count }, (_, i) => from + i);

function frame(number: number): Uint8Array {
  const made = new Uint8Array(60);
  makeFrame(made, number);
  return made;
}

describePrivileged("observe()", () => {
  test("shows what every way to receive delivers, before it is delivered", async () => {
    using device = quiet({ txQueueLength: 1000 });
    const seen = look(device);
    await flood(device.index, 30, 60, 60);
    expect(seen.received).toEqual([]);
    expect(device.tryReceive()).not.toBeNull();
    expect(seen.received).toEqual([0]);
    await device.receive();
    expect(seen.received).toEqual([0, 1]);
    const loop = device[Symbol.asyncIterator]();
    for (let i = 0; i < 8; i++) await loop.next();
    await loop.return?.();
    expect(seen.received).toEqual(numbers(0, 10));
    const reader = device.readable.getReader();
    await reader.read();
    await reader.cancel();
    expect(seen.received).toEqual(numbers(0, 11));
    const waiting = device.batches();
    await waiting.next();
    expect(seen.received).toEqual(numbers(0, 30));
    const next = waiting.next();
    await flood(device.index, 1, 60, 60);
    await next;
    expect(seen.received).toEqual([...numbers(0, 30), 0]);
  });

  test("shows the data handler's frames, with reuseBuffers as without", async () => {
    for (const reuseBuffers of [false, true]) {
      let delivered = 0;
      using device = quiet({
        reuseBuffers,
        txQueueLength: 5000,
        data: (_, frames) => {
          delivered += frames.length;
        },
      });
      const seen = look(device);
      await flood(device.index, 2000, 60, 60);
      await until(() => delivered === 2000, "2000 frames");
      expect(seen.received).toEqual(numbers(0, 2000));
    }
  });

  test("shows what the kernel has taken, and not what it refused", async () => {
    using device = quiet();
    const seen = look(device);
    expect(device.send(frame(0))).toBe(true);
    expect(device.sendMany(numbers(1, 5).map(frame))).toBe(5);
    expect(device.sendMany([frame(6), new Uint8Array(3), frame(7)])).toBe(3);
    expect(() => device.send(new Uint8Array(3))).toThrow("EINVAL");
    const writer = device.writable.getWriter();
    await writer.write(frame(8) as Uint8Array<ArrayBuffer>);
    await writer.close();
    expect(seen.sent).toEqual(numbers(0, 9));
    expect(seen.received).toEqual([]);
  });

  test("several look at once, each until it is disposed of, also while it is shown something", () => {
    using device = quiet();
    const first = look(device);
    const second = look(device);
    const once: Disposable = device.observe({ frames: () => once[Symbol.dispose]() });
    device.send(frame(0));
    first.tap[Symbol.dispose]();
    first.tap[Symbol.dispose]();
    device.send(frame(1));
    expect([first.sent, second.sent]).toEqual([[0], [0, 1]]);
    device.close();
    expect([first.closed, second.closed]).toEqual([0, 1]);
    expect(() => device.observe({ frames() {} })).toThrow("ERR_TUNTAP_CLOSED");
  });

  test("one that closes the device, or removes another one, lets no later one see the frames", () => {
    const device = quiet();
    const order: string[] = [];
    device.observe({ frames: () => second.tap[Symbol.dispose]() });
    const second = look(device);
    device.send(frame(0));
    expect(second.sent).toEqual([]);
    device.observe({ frames: () => device.close() });
    device.observe({ frames: () => void order.push("frames"), close: () => void order.push("close") });
    device.send(frame(1));
    expect(order).toEqual(["close"]);
  });

  test("refuses what is none by name", () => {
    using device = quiet();
    for (const observer of [undefined, null, 5, {}, { frames: 5 }, { frames() {}, close: 5 }, { datagrams() {} }]) {
      expect(() => device.observe(observer as never)).toThrow(
        new TypeError(
          `"observer" must be an object with a function "frames", and perhaps "close", got ${Bun.inspect(observer)}`,
        ),
      );
    }
  });

  test("what it throws is the error handler's, and the frames are delivered all the same", async () => {
    const errors: TunTapError[] = [];
    let delivered = 0;
    using device = quiet({
      error: (_, error) => void errors.push(error),
      data: (_, frames) => {
        delivered += frames.length;
      },
    });
    const cause = new Error("looked too long");
    device.observe({
      frames() {
        throw cause;
      },
    });
    const seen = look(device);
    expect(device.send(frame(0))).toBe(true);
    await flood(device.index, 1, 60, 60);
    await until(() => delivered === 1, "the frame");
    expect(errors.map(({ code }) => code)).toEqual(["ERR_TUNTAP_HANDLER", "ERR_TUNTAP_HANDLER"]);
    expect(errors[0]?.cause).toBe(cause);
    expect([seen.sent, seen.received]).toEqual([[0], [0]]);
  });
});
