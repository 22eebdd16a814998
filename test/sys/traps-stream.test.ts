/**
 * What streams of an eventfd do in Bun 1.4.5, and src/reactor.ts relies on:
 * they wake the event loop, and hold it or not. Each case about holding is a
 * process of its own, which ends by itself or has to be ended.
 */
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { Readable } from "node:stream";
import { native } from "../../src/sys/native.ts";
import { top } from "../support/programs.ts";

const one = new BigUint64Array([1n]);
let fd: number;

beforeEach(() => {
  fd = native().ev_open();
});

afterEach(() => void native().fd_close(fd));

function signal(times = 1): void {
  for (let i = 0; i < times; i++) {
    expect(native().tun_write(fd, new Uint8Array(one.buffer), 8)).toBe(8);
  }
}

function count(bytes: Uint8Array | undefined): bigint {
  return new DataView((bytes as Uint8Array).buffer, bytes?.byteOffset).getBigUint64(0, true);
}

describe("the stream of an eventfd", () => {
  test("delivers 8 bytes for each wake-up, and waits in between", async () => {
    const reader = Bun.file(fd).stream().getReader();
    for (let i = 0; i < 5; i++) {
      const read = reader.read();
      signal();
      const { value, done } = await read;
      expect(done).toBe(false);
      expect(value?.byteLength).toBe(8);
      expect(count(value)).toBe(1n);
    }
    await reader.cancel();
  });

  test("delivers several signals as one wake-up, as an eventfd adds them", async () => {
    signal(3);
    const reader = Bun.file(fd).stream().getReader();
    const { value } = await reader.read();
    expect([value?.byteLength, count(value)]).toEqual([8, 3n]);
    await reader.cancel();
  });

  test("delivers a signal given before somebody read", async () => {
    signal();
    const reader = Bun.file(fd).stream().getReader();
    expect((await reader.read()).value?.byteLength).toBe(8);
    await reader.cancel();
  });

  test("leaves the eventfd open when it is cancelled, for the next stream", async () => {
    for (let i = 0; i < 3; i++) {
      const reader = Bun.file(fd).stream().getReader();
      const read = reader.read();
      signal();
      expect((await read).value?.byteLength).toBe(8);
      await reader.cancel();
    }
    expect(native().fd_control(fd, 3, 0)).toBeGreaterThan(0);
  });

  test("ends a pending read when it is cancelled", async () => {
    const reader = Bun.file(fd).stream().getReader();
    const read = reader.read();
    await reader.cancel();
    expect((await read).done).toBe(true);
  });

  test("delivers 8 bytes for each wake-up through Readable.fromWeb() too", async () => {
    const readable = Readable.fromWeb(Bun.file(fd).stream() as unknown as Parameters<typeof Readable.fromWeb>[0]);
    const chunks: number[] = [];
    for (let i = 0; i < 3; i++) {
      const { promise, resolve } = Promise.withResolvers<Uint8Array>();
      readable.once("data", resolve);
      signal();
      chunks.push((await promise).byteLength);
    }
    expect(chunks).toEqual([8, 8, 8]);
    readable.on("error", () => {});
    readable.destroy();
  });
});

/**
 * Tells whether a process that runs `source` (with `fd`, `stream`, `wake`) is held. It tells by itself: a timer that does
 * not hold it fires only if something else does. Where it ought to end, a busy machine has its time.
 */
async function isHeld(source: string, expected: boolean): Promise<boolean> {
  const script = `
    const { native } = await import(${JSON.stringify(`${top}/src/sys/native.ts`)});
    const { Readable } = await import("node:stream");
    const fd = native().ev_open();
    const stream = Bun.file(fd).stream();
    const wake = () => native().tun_write(fd, new Uint8Array(new BigUint64Array([1n]).buffer), 8);
    ${source};
    process.on("exit", (code) => { if (code === 0) console.log("ended"); });
    setTimeout(() => { console.log("held"); process.exit(1); }, ${expected ? 300 : 30_000}).unref();`;
  const child = Bun.spawn([process.execPath, "-e", script], { stdout: "pipe", stderr: "pipe" });
  const [stdout, stderr] = await Promise.all([new Response(child.stdout).text(), new Response(child.stderr).text()]);
  expect(stderr).toBe("");
  expect(stdout).toBeOneOf(["held\n", "ended\n"]);
  return stdout === "held\n";
}

describe("the event loop", () => {
  test.concurrent.each([
    ["is not held by a stream without a reader", "", false],
    ["is held by a pending read", "stream.getReader().read()", true],
    ["is released by cancel()", "const r = stream.getReader(); r.read(); await r.cancel()", false],
    [
      "is held by the next stream after one was cancelled",
      "const r = stream.getReader(); r.read(); await r.cancel(); Bun.file(fd).stream().getReader().read()",
      true,
    ],
    [
      "is not held by Readable.fromWeb() after ref() and unref(), though it is flowing",
      "const readable = Readable.fromWeb(stream); readable.ref(); readable.unref(); readable.on('data', () => {})",
      false,
    ],
    [
      "is held by Readable.fromWeb() after ref()",
      "const readable = Readable.fromWeb(stream); readable.ref(); readable.on('data', () => {})",
      true,
    ],
    [
      "is held by Readable.fromWeb() after unref() alone: the count starts at 0",
      "const readable = Readable.fromWeb(stream); readable.unref(); readable.on('data', () => {})",
      true,
    ],
    [
      "is still not held by an unref'd one after a wake-up",
      "const readable = Readable.fromWeb(stream); readable.ref(); readable.unref(); const woken = new Promise((done) => readable.on('data', done)); wake(); const timer = setInterval(() => {}, 1); await woken; clearInterval(timer)",
      false,
    ],
    [
      "is released by destroy()",
      "const readable = Readable.fromWeb(stream); readable.ref(); readable.on('data', () => {}); readable.on('error', () => {}); readable.destroy()",
      false,
    ],
  ])("%s", async (_name, source, held) => {
    expect(await isHeld(source, held)).toBe(held);
  });
});
