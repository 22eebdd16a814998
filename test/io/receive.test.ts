import { expect, test } from "bun:test";
import { openTap, openTun, type Tap, TunTapError } from "../../src/index.ts";
import { checkFrame, flood, makeFrame } from "../support/frames.ts";
import { describePrivileged } from "../support/privilege.ts";
import { quietIPv6, run } from "../support/system.ts";

/** A TAP on which nothing arrives but what the test sends. */
function quietTap(options: Parameters<typeof openTap>[0] = {}): Tap {
  quietIPv6();
  return openTap({ up: true, ...options });
}

const failure = async (promise: Promise<unknown>): Promise<unknown> => promise.then(() => undefined).catch((e) => e);

describePrivileged("receiving", () => {
  test("nobody listening reads nothing: the kernel's queue keeps what fits, and counts the rest", async () => {
    using tap = quietTap({ txQueueLength: 100 });
    await flood(tap.index, 250, 60, 60);
    expect(tap.stats().txDropped).toBe(150);
    const kept = Array.from({ length: 100 }, () => checkFrame(tap.tryReceive() ?? new Uint8Array()));
    // The packet socket's first frames are those that fitted.
    expect(kept).toEqual(Array.from({ length: 100 }, (_, i) => i));
    expect(tap.tryReceive()).toBeNull();
  });

  test("receive() called many times at once is served in order", async () => {
    using tap = quietTap();
    const waiting = Array.from({ length: 20 }, () => tap.receive());
    await flood(tap.index, 20, 60, 60);
    const frames = await Promise.all(waiting);
    expect(frames.map((frame) => checkFrame(frame ?? new Uint8Array()))).toEqual(
      Array.from({ length: 20 }, (_, i) => i),
    );
  });

  test("receive() with a signal rejects with its reason and loses no frame", async () => {
    using tap = quietTap();
    const stop = new AbortController();
    const aborted = tap.receive({ signal: stop.signal });
    const waiting = tap.receive();
    stop.abort(new RangeError("enough"));
    expect(await failure(aborted)).toEqual(new RangeError("enough"));
    expect(await failure(tap.receive({ signal: stop.signal }))).toEqual(new RangeError("enough"));
    await flood(tap.index, 1, 60, 60);
    expect(checkFrame((await waiting) ?? new Uint8Array())).toBe(0);
  });

  test("receive() with wrong options rejects by name, and is no consumer after it", async () => {
    using tap = quietTap();
    const receive = tap.receive.bind(tap) as (options: unknown) => Promise<unknown>;
    expect(((await failure(receive({ signal: 5 }))) as Error).message).toBe(
      'Option "signal" must be an AbortSignal, got 5',
    );
    expect(((await failure(receive({ singal: 5 }))) as Error).message).toContain('did you mean "signal"');
    for (const options of [null, 7]) expect(await failure(receive(options))).toBeInstanceOf(TypeError);
    const next = tap.batches().next();
    await flood(tap.index, 1, 60, 60);
    expect(checkFrame((await next).value?.[0] as Uint8Array)).toBe(0);
  });

  test("a second consumer gets an error that names both, and the first goes on", async () => {
    using tap = quietTap();
    const loop = tap[Symbol.asyncIterator]();
    const first = loop.next();
    for (const second of [tap.receive(), tap.batches().next(), tap.readable.getReader().read()]) {
      const error = (await failure(second)) as TunTapError;
      expect(error).toBeInstanceOf(TunTapError);
      expect(error.code).toBe("ERR_TUNTAP_BUSY");
      expect(error.message).toContain("a for await loop does");
    }
    expect(() => tap.tryReceive()).toThrow("receive() cannot receive while a for await loop does");
    await flood(tap.index, 1, 60, 60);
    expect(checkFrame((await first).value as Uint8Array)).toBe(0);
  });

  test("a device with a data handler has its consumer already", async () => {
    using tap = quietTap({ data() {} });
    expect(((await failure(tap.receive())) as TunTapError).message).toContain("while the data handler does");
  });

  test("leaving a for await loop lets the next consumer go on with the next frame", async () => {
    using tap = quietTap();
    await flood(tap.index, 6, 60, 60);
    const seen: number[] = [];
    for await (const frame of tap) {
      seen.push(checkFrame(frame));
      if (seen.length === 2) break;
    }
    seen.push(checkFrame((await tap.receive()) ?? new Uint8Array()));
    for await (const frames of tap.batches()) {
      seen.push(...frames.map(checkFrame));
      break;
    }
    expect(seen).toEqual([0, 1, 2, 3, 4, 5]);
  });

  test("return() of an iterator ends a next() that is waiting, and takes no frame with it", async () => {
    using tap = quietTap();
    const loop = tap[Symbol.asyncIterator]();
    const pending = loop.next();
    expect(await loop.return?.()).toEqual({ done: true, value: undefined });
    expect(await pending).toEqual({ done: true, value: undefined });
    await flood(tap.index, 1, 60, 60);
    expect(checkFrame((await tap.receive()) ?? new Uint8Array())).toBe(0);
  });

  test("readable reads one frame for each read, and a cancelled one makes room for another", async () => {
    using tap = quietTap();
    await flood(tap.index, 4, 60, 60);
    const reader = tap.readable.getReader();
    expect(checkFrame((await reader.read()).value ?? new Uint8Array())).toBe(0);
    await reader.cancel();
    expect(checkFrame(tap.tryReceive() ?? new Uint8Array())).toBe(1);
    const again = tap.readable.getReader();
    expect(checkFrame((await again.read()).value ?? new Uint8Array())).toBe(2);
    expect((await failure(tap.receive())) as TunTapError).toHaveProperty("code", "ERR_TUNTAP_BUSY");
  });

  test("an MTU raised from outside truncates nothing, at the end of a slab neither", async () => {
    using tap = quietTap();
    await flood(tap.index, 3, 1514, 1514);
    for (let i = 0; i < 3; i++) expect(checkFrame((await tap.receive()) ?? new Uint8Array())).toBe(i);
    run("ip", "link", "set", "dev", tap.name, "mtu", "65521");
    // Far more bytes than one slab holds, so that some frames meet its end.
    await flood(tap.index, 40, 60_000, 65_535);
    for (let i = 0; i < 40; i++) expect(checkFrame((await tap.receive()) ?? new Uint8Array())).toBe(i);
  });

  test("frames stay as they are while later ones come; with reuseBuffers they do not", async () => {
    for (const reuseBuffers of [false, true]) {
      using tap = quietTap({ reuseBuffers });
      await flood(tap.index, 3, 200, 200);
      const first = tap.tryReceive() as Uint8Array;
      tap.tryReceive();
      expect(checkFrame(first)).toBe(reuseBuffers ? 1 : 0);
    }
  });

  test("with reuseBuffers no two pending calls get the same bytes: receive() and readable copy, an iteration refuses the second", async () => {
    using tap = quietTap({ reuseBuffers: true });
    const numbersOf = (frames: (Uint8Array | null | undefined)[]): number[] =>
      frames.map((frame) => checkFrame(frame ?? new Uint8Array()));
    // Frames that are there already, and frames that come.
    for (const isWaiting of [true, false]) {
      if (isWaiting) await flood(tap.index, 3, 60, 60);
      const pending = [tap.receive(), tap.receive(), tap.receive()];
      if (!isWaiting) await flood(tap.index, 3, 60, 60);
      expect(numbersOf(await Promise.all(pending))).toEqual([0, 1, 2]);
      const reader = tap.readable.getReader();
      if (isWaiting) await flood(tap.index, 3, 60, 60);
      const chunks = [reader.read(), reader.read(), reader.read()];
      if (!isWaiting) await flood(tap.index, 3, 60, 60);
      expect(numbersOf((await Promise.all(chunks)).map(({ value }) => value))).toEqual([0, 1, 2]);
      await reader.cancel();
      for (const loop of [tap[Symbol.asyncIterator](), tap.batches()]) {
        if (isWaiting) await flood(tap.index, 1, 60, 60);
        const [first, second] = [loop.next(), loop.next()];
        expect((await failure(second)) as TunTapError).toHaveProperty("code", "ERR_TUNTAP_BUSY");
        if (!isWaiting) await flood(tap.index, 1, 60, 60);
        const { value } = (await first) as IteratorResult<Uint8Array | Uint8Array[]>;
        expect(numbersOf([value].flat())).toEqual([0]);
        await loop.return?.();
      }
    }
  });

  test("a frame whose buffer was transferred away does not hurt the device", async () => {
    using tap = quietTap();
    await flood(tap.index, 2, 60, 60);
    const first = (await tap.receive()) as Uint8Array;
    structuredClone(first.buffer, { transfer: [first.buffer as ArrayBuffer] });
    expect(checkFrame((await tap.receive()) ?? new Uint8Array())).toBe(1);
  });

  test("packetInfo keeps the header on every frame: EtherType and no flags", async () => {
    using tap = quietTap({ packetInfo: true });
    await flood(tap.index, 1, 60, 60);
    const frame = (await tap.receive()) as Uint8Array;
    expect([...frame.subarray(0, 4)]).toEqual([0, 0, 0x88, 0xb5]);
    expect(checkFrame(frame.subarray(4))).toBe(0);
  });

  test("timers fire although there is always another frame", async () => {
    const enough = 50_000;
    let frames = 0;
    let ticks = 0;
    const socket = await Bun.udpSocket({});
    const done = Promise.withResolvers<void>();
    using tun = openTun({
      addresses: ["192.0.2.1/24"],
      ipv6: false,
      data(_, batch) {
        frames += batch.length;
        if (frames >= enough) return done.resolve();
        for (let i = 0; i < batch.length; i++) socket.send("another", 9, "192.0.2.2");
      },
    });
    for (let i = 0; i < 100; i++) socket.send("first", 9, "192.0.2.2");
    const timer = setInterval(() => {
      if (frames < enough) ticks++;
    }, 1);
    await done.promise;
    clearInterval(timer);
    socket.close();
    expect(tun.closed).toBe(false);
    // Without a budget for each wake-up there is none: the handler is called until no frame is left.
    expect(ticks).toBeGreaterThan(0);
  }, 60_000);

  test("a loop that awaits nothing but frames leaves the event loop its turns", async () => {
    using tap = quietTap({ txQueueLength: 5000 });
    await flood(tap.index, 4000, 60, 60);
    let turns = 0;
    let immediate = setImmediate(function count() {
      turns++;
      immediate = setImmediate(count);
    });
    for (let i = 0; i < 4000; i++) await tap.receive();
    clearImmediate(immediate);
    expect(turns).toBeGreaterThanOrEqual(Math.floor(4000 / 512));
  });

  test("Bun.file(fd).stream() merges frames, which is why nothing here uses it", async () => {
    // If this ever fails, Bun has changed: look again at what the reactor could do without.
    using tap = quietTap();
    await flood(tap.index, 50, 60, 60);
    const reader = Bun.file(tap.fd).stream().getReader();
    const { value } = await reader.read();
    // Its duplicate of the fd would keep the interface.
    await reader.cancel();
    expect(value?.length).toBeGreaterThan(60);
  });

  test("what makeFrame makes, checkFrame takes, and nothing else", () => {
    const frame = new Uint8Array(100);
    makeFrame(frame, 7);
    expect(checkFrame(frame)).toBe(7);
    expect(checkFrame(frame.subarray(0, 99))).toBe(-2);
    frame[50] = (frame[50] ?? 0) ^ 1;
    expect(checkFrame(frame)).toBe(-2);
  });
});
