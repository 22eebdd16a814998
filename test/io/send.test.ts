import { expect, test } from "bun:test";
import { closeSync, openSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { openTap, openTun, type Tap, type Tun, TunTapError } from "../../src/index.ts";
import { KnownViews, lengths } from "../../src/io/batch.ts";
import { FrameList } from "../../src/io/frame-set.ts";
import { collect, flood, makeFrame } from "../support/frames.ts";
import { describePrivileged, describeWithTools } from "../support/privilege.ts";
import { newFds, openFds, openNumbered, quietIPv6, run, until } from "../support/system.ts";

const refusal = (call: () => unknown): TunTapError => {
  try {
    call();
  } catch (error) {
    if (error instanceof TunTapError) return error;
    throw error;
  }
  throw new Error("It was not refused");
};

describePrivileged("send", () => {
  test("takes every kind of buffer source, and copies it at once", async () => {
    quietIPv6();
    using tap = openTap({ up: true });
    const collected = await collect(tap.index, 5);
    const frame = new Uint8Array(64);
    const padded = new Uint8Array(80);
    for (let number = 0; number < 5; number++) {
      makeFrame(frame, number);
      padded.set(frame, 8);
      const forms = [frame, frame.buffer, new DataView(padded.buffer, 8, 64), new Uint16Array(padded.buffer, 8, 32)];
      const shared = new Uint8Array(new SharedArrayBuffer(64));
      shared.set(frame);
      expect(tap.send(forms[number] ?? shared)).toBeTrue();
      frame.fill(0xff);
      padded.fill(0xff);
    }
    expect(await collected.done).toEqual({ inOrder: 5, wrong: 0, dropped: 0 });
  });

  test("refuses what is no buffer with a TypeError", () => {
    using tun = openTun();
    for (const value of ["text", 7, null, undefined, {}, [1, 2]]) {
      expect(() => tun.send(value as unknown as Uint8Array)).toThrow(TypeError);
    }
  });

  test("wrong arguments are said by name, and a view that lies about its length never reaches C", () => {
    using tun = openTun({ up: true });
    const { buffer } = new Uint8Array([0x45, 0]);
    for (const frames of [5, {}, buffer, new DataView(buffer), new Uint8Array(2), "text", null, undefined]) {
      expect(() => tun.sendMany(frames as unknown as Uint8Array[])).toThrow(
        /^"frames" must be an array of frames, got /,
      );
    }
    const good = (): Uint8Array => new Uint8Array([0x45, 0]);
    const inside = (): Uint8Array => new Uint8Array(new ArrayBuffer(32), 8, 2).fill(0x45);
    const lies = (frame: Uint8Array, name: string, value: unknown): Uint8Array =>
      Object.defineProperty(frame, name, { value });
    class Subclass extends Uint8Array {
      override get byteLength(): number {
        return 4_000_000_000;
      }
    }
    const noView = [new Proxy(good(), {}), Object.create(Uint8Array.prototype) as Uint8Array];
    for (const frame of noView) {
      expect(() => tun.send(frame)).toThrow(/^A frame must be /);
      expect(() => tun.sendMany([good(), frame])).toThrow(/^A frame must be /);
    }
    const sentBefore = tun.counters().framesSent;
    const whole = inside();
    const views = [
      lies(inside(), "byteLength", 4_000_000_000),
      lies(inside(), "byteOffset", 1_000_000),
      lies(good(), "buffer", new ArrayBuffer(1_000_000)),
      new Subclass([0x45, 0]),
      lies(new Uint8Array(whole.buffer, 10, 2).fill(0x45), "byteLength", 1_000_000),
      lies(new Uint8Array(whole.buffer, 12, 2).fill(0x45), "byteOffset", 1_000_000),
      lies(new Uint8Array(whole.buffer, 14, 2).fill(0x45), "byteOffset", -1_000_000),
    ];
    const before = tun.stats();
    for (const view of views) expect(tun.send(view)).toBeTrue();
    expect(tun.sendMany([whole, ...views])).toBe(8);
    const after = tun.stats();
    expect([after.rxPackets - before.rxPackets, after.rxBytes - before.rxBytes]).toEqual([15, 30]);
    expect(tun.counters().framesSent - sentBefore).toBe(15);
  });

  test("a view that was given before is not taken for what it was then", () => {
    using tun = openTun({ up: true });
    const sends = (frames: Uint8Array[]): number[] => {
      const [before, refusedBefore] = [tun.stats(), tun.counters().refused];
      expect(tun.sendMany(frames)).toBe(frames.length);
      const after = tun.stats();
      const refused = tun.counters().refused - refusedBefore;
      return [after.rxPackets - before.rxPackets, after.rxBytes - before.rxBytes, refused];
    };
    const at = (buffer: ArrayBuffer, ...places: number[]): Uint8Array[] =>
      places.map((place) => new Uint8Array(buffer, place, 20).fill(0x45));
    const given = (frames: Uint8Array[]): void => {
      for (let i = 0; i < 4; i++) expect(sends(frames)).toEqual([frames.length, 20 * frames.length, 0]);
    };
    // A transferred buffer leaves empty views.
    const buffer = new ArrayBuffer(4096);
    const frames = at(buffer, 8, 28, 48);
    given(frames);
    buffer.transfer();
    expect(sends(frames)).toEqual([0, 0, 3]);
    // The end of this view is that of its buffer.
    const growing = new ArrayBuffer(84, { maxByteLength: 1 << 20 });
    const [first, second] = at(growing, 8, 28) as [Uint8Array, Uint8Array];
    const tracking = new Uint8Array(growing, 64).fill(0x45);
    given([first, second, tracking]);
    growing.resize(70);
    expect(sends([first, second, tracking])).toEqual([3, 46, 0]);
    growing.resize(0);
    expect(sends([first, second, tracking])).toEqual([0, 0, 3]);
    // A view that lies about its place is the first of its buffer only the last time.
    const [one, liar, last] = at(new ArrayBuffer(4096), 8, 28, 48) as [Uint8Array, Uint8Array, Uint8Array];
    Object.defineProperty(liar, "byteOffset", { value: 8 });
    given([one, liar, last]);
    expect(sends([new Uint8Array([0x45, 0]), liar, last])).toEqual([3, 42, 0]);
    // A list that empties its views while it is read.
    const emptied = new ArrayBuffer(4096);
    const list = at(emptied, 8, 28, 48);
    given(list);
    let reads = 0;
    const trap = new Proxy(list, {
      get(target, key) {
        if (key === "2" && ++reads === 2) emptied.transfer();
        return Reflect.get(target, key) as unknown;
      },
    });
    expect(sends(trap)).toEqual([0, 0, 3]);
  });

  test.each([
    { how: "without offload", offload: false },
    { how: "with offload", offload: true },
  ])("getters and lists that change frames while they are gathered reach no foreign memory, $how", ({ offload }) => {
    using tun = openTun({ up: true, offload });
    const sends = (frames: readonly Uint8Array[]): number[] => {
      const [before, refusedBefore] = [tun.stats(), tun.counters().refused];
      expect(tun.sendMany(frames)).toBe(frames.length);
      const after = tun.stats();
      return [
        after.rxPackets - before.rxPackets,
        after.rxBytes - before.rxBytes,
        tun.counters().refused - refusedBefore,
      ];
    };
    const at = (buffer: ArrayBuffer, place: number, bytes = 20): Uint8Array =>
      new Uint8Array(buffer, place, bytes).fill(0x45);
    const acts = (view: Uint8Array, act: () => void): Uint8Array =>
      Object.defineProperty(view, "byteLength", {
        get() {
          act();
          return 20;
        },
      });
    const moved = new ArrayBuffer(1 << 20);
    const moves = acts(at(moved, 100), () => void (moved.detached || moved.transfer(0)));
    expect(sends([at(moved, 8), moves, at(moved, 200)])).toEqual([0, 0, 3]);
    const shrunk = new ArrayBuffer(1 << 20, { maxByteLength: 1 << 20 });
    const shrinks = acts(at(shrunk, 100), () => shrunk.resize(28));
    expect(sends([at(shrunk, 8), shrinks, at(shrunk, 200)])).toEqual([1, 20, 2]);
    const short = new ArrayBuffer(64);
    Object.defineProperty(short, "byteLength", { value: 1 << 20 });
    const beyond = Object.defineProperty(at(short, 30), "byteOffset", { value: 100_000 });
    expect(sends([at(short, 8), beyond])).toEqual([2, 40, 0]);
    const same = new Uint8Array(new ArrayBuffer(20)).fill(0x45);
    // Empties its views at the second read, when it is gathered: the first one is that of the check.
    let reads = 0;
    const emptying = new Proxy([same, same], {
      get(target, key) {
        if (key === "1" && ++reads === 2) same.buffer.transfer(0);
        return Reflect.get(target, key) as unknown;
      },
    });
    expect(sends(emptying)).toEqual([0, 0, 2]);
  });

  test("frames are counted from the first one as it was read, whatever a list says the next time", () => {
    const [long, short] = [100, 20].map((bytes) => new Uint8Array(new ArrayBuffer(128), 8, bytes));
    for (let reads = 0; reads < 5; reads++) {
      let left = reads;
      const fickle = new Proxy([long as Uint8Array], {
        get: (target, key) => (key === "0" && left-- <= 0 ? short : (Reflect.get(target, key) as unknown)),
      });
      const list = new FrameList(fickle, new KnownViews());
      expect(list.gather(0)).toBe(1);
      expect(list.base.byteLength).toBe(lengths[0] as number);
    }
  });

  test("a getter of a frame that closes the device lets no frame reach what has its fd then", () => {
    const path = `${tmpdir()}/bun-tuntap-send-${process.pid}`;
    const before = openFds();
    for (const offload of [false, true]) {
      const tun = openTun({ up: true, offload });
      let other = -1;
      const frames = [1, 2, 3].map((n) => new Uint8Array(new ArrayBuffer(64), 8, 20 + n).fill(0x45));
      Object.defineProperty(frames[1], "byteLength", {
        get() {
          if (tun.closed) return 22;
          const { fd } = tun;
          tun.close();
          other = openNumbered(fd, () => openSync(path, "w"));
          return 22;
        },
      });
      expect(refusal(() => tun.sendMany(frames)).code).toBe("ERR_TUNTAP_CLOSED");
      expect(statSync(path).size).toBe(0);
      closeSync(other);
    }
    rmSync(path);
    expect(newFds(before, /tun|send-/)).toEqual([]);
  });

  test("a frame of 4 GiB and more is a RangeError", () => {
    using tun = openTun({ up: true });
    // Never touched, so it takes no memory.
    const huge = new Uint8Array(new ArrayBuffer(2 ** 32));
    expect(() => tun.send(huge)).toThrow(new RangeError("A frame must be shorter than 2 GiB, got 4294967296 bytes"));
    expect(() => tun.sendMany([huge])).toThrow(RangeError);
    expect(tun.counters()).toMatchObject({ framesSent: 0, refused: 0 });
  });

  test("says EIO and what to do while the interface is down", () => {
    using tun = openTun();
    const error = refusal(() => tun.send(new Uint8Array([0x45, 0])));
    expect(error).toMatchObject({ code: "EIO", errno: -5, syscall: "write", hint: "bring it up first, with up()" });
    tun.up();
    expect(tun.send(new Uint8Array([0x45, 0]))).toBeTrue();
  });

  test("says EINVAL and why when a frame is malformed", () => {
    using tun = openTun({ up: true });
    using tap = openTap({ up: true });
    using pi = openTun({ up: true, packetInfo: true });
    expect(refusal(() => tun.send(new Uint8Array([0x12, 0]))).message).toContain("starts with 0x12");
    expect(refusal(() => tun.send(new Uint8Array())).message).toContain("this frame has 0 bytes");
    expect(refusal(() => tap.send(new Uint8Array(13))).message).toContain("this frame has 13 bytes");
    expect(refusal(() => pi.send(new Uint8Array(3))).message).toContain("packet-information header of 4 bytes");
    expect(refusal(() => tap.send(new Uint8Array(13)))).toMatchObject({ code: "EINVAL", errno: -22, syscall: "write" });
  });

  test("sendMany deals with every frame: what is refused is counted by cause, and told once a batch", () => {
    const told: [Tun, TunTapError][] = [];
    using tun = openTun({ up: true, error: (device, error) => void told.push([device, error]) });
    const good = new Uint8Array([0x45, 0]);
    const bad = new Uint8Array([0xff]);
    expect(tun.sendMany([bad, good, good, bad, bad, good, bad])).toBe(7);
    expect(tun.stats().rxPackets).toBe(3);
    expect(tun.counters()).toMatchObject({ framesSent: 3, bytesSent: 6, refused: 4 });
    expect(tun.counters().refusedBy).toEqual({ malformed: 4, down: 0, other: 0 });
    expect(told).toHaveLength(1);
    expect(told[0]).toEqual([tun, expect.objectContaining({ code: "EINVAL", frameIndex: 0 })]);
    tun.down();
    expect(tun.sendMany([good, bad, good])).toBe(3);
    expect(tun.counters()).toMatchObject({ framesSent: 3, refused: 7, refusedBy: { malformed: 4, down: 3, other: 0 } });
    expect(told[1]?.[1]).toMatchObject({ code: "EIO", frameIndex: 0, hint: "bring it up first, with up()" });
    tun.up();
    expect(tun.sendMany([good, bad, good])).toBe(3);
    expect(told[2]?.[1]).toMatchObject({ code: "EINVAL", frameIndex: 1 });
    expect(tun.sendMany([])).toBe(0);
    expect(told).toHaveLength(3);
  });

  test("sendMany throws for a closed device, for an interface that is gone, and for what is no frame", () => {
    const tun = openTun({ up: true });
    const good = new Uint8Array([0x45, 0]);
    expect(() => tun.sendMany([good, "text" as unknown as Uint8Array])).toThrow(TypeError);
    expect(tun.counters()).toMatchObject({ framesSent: 0, refused: 0 });
    run("ip", "link", "del", tun.name);
    expect(() => tun.sendMany([good])).toThrow("ERR_TUNTAP_CLOSED");
    expect(tun.closeReason?.code).toBe("EBADFD");
    for (const frames of [[good], []]) expect(() => tun.sendMany(frames)).toThrow("ERR_TUNTAP_CLOSED");
  });

  test("a relay whose other side goes down and comes back drops, counts, and goes on", async () => {
    quietIPv6();
    using far = openTap({ up: true });
    let relayed = 0;
    // No error handler: what is refused must not become an exception.
    using near = openTap({
      up: true,
      data: (_, frames) => {
        relayed += far.sendMany(frames);
      },
    });
    const total = async (count: number): Promise<void> => {
      await flood(near.index, 10, 60, 60);
      await until(() => relayed === count, "every frame was relayed or dropped");
    };
    await total(10);
    far.down();
    await total(20);
    expect(far.counters()).toMatchObject({ framesSent: 10, refusedBy: { malformed: 0, down: 10, other: 0 } });
    far.up();
    await total(30);
    expect(far.counters()).toMatchObject({ framesSent: 20, refused: 10 });
  });

  test("writable counts what the kernel refuses, as sendMany does, and goes on", async () => {
    const told: TunTapError[] = [];
    using tun = openTun({ up: true, error: (_, error) => void told.push(error) });
    const writer = tun.writable.getWriter();
    await writer.write(new Uint8Array([0xff]));
    await writer.write(new Uint8Array([0x45, 0]));
    expect(tun.counters()).toMatchObject({ framesSent: 1, refusedBy: { malformed: 1, down: 0, other: 0 } });
    expect(told.map(({ code }) => code)).toEqual(["EINVAL"]);
    // What is no frame is a mistake, and fails the stream; there is a new one then.
    await expect(writer.write("text" as unknown as Uint8Array)).rejects.toThrow(TypeError);
    await tun.writable.getWriter().write(new Uint8Array([0x45, 0]));
    expect(tun.counters().framesSent).toBe(2);
  });
});

describeWithTools("a kernel that takes no more", ["tc", "bridge"], () => {
  /**
   * sender (small send buffer) --> bridge --> slow TAP (token bucket): what
   * the bucket holds back is still charged to the sender.
   */
  function jam(drain: () => void): { sender: Tap; frame: Uint8Array; fill(): number; release(): void } & Disposable {
    quietIPv6();
    const sender = openTap({ up: true, sendBuffer: 20_000, drain });
    const slow = openTap({ up: true });
    run("ip", "link", "add", "jam0", "type", "bridge");
    run("ip", "link", "set", "jam0", "up");
    for (const { name } of [sender, slow]) run("ip", "link", "set", name, "master", "jam0");
    run(
      "tc",
      "qdisc",
      "replace",
      "dev",
      slow.name,
      "root",
      "tbf",
      "rate",
      // 40 seconds for a frame.
      "200bit",
      "burst",
      "2000",
      "limit",
      "10000000",
    );
    // Teaches the bridge where the destination is: what it floods it copies, and a copy is not charged.
    const teach = new Uint8Array(60);
    teach.set([255, 255, 255, 255, 255, 255, 2, 0, 0, 0, 0, 9, 0x88, 0xb5]);
    slow.send(teach);
    const frame = new Uint8Array(1014);
    frame.set([2, 0, 0, 0, 0, 9, 2, 0, 0, 0, 0, 1, 0x88, 0xb5]);
    return {
      sender,
      frame,
      fill: () => {
        for (let taken = 0; taken < 1000; taken++) if (!sender.send(frame)) return taken;
        throw new Error("The kernel took 1000 frames");
      },
      release: () => void run("tc", "qdisc", "del", "dev", slow.name, "root"),
      [Symbol.dispose]: () => {
        sender.close();
        slow.close();
        run("ip", "link", "del", "jam0");
      },
    };
  }

  test("send says false, and drain follows once when there is room again", async () => {
    let drained = 0;
    using jammed = jam(() => drained++);
    const { sender, frame, fill, release } = jammed;
    expect(fill()).toBeGreaterThan(0);
    expect(sender.sendMany([frame, frame])).toBe(0);
    // A turn of the event loop: it must not come by itself.
    await Bun.sleep(20);
    expect(drained).toBe(0);
    release();
    await until(() => drained > 0, "drain");
    expect(sender.send(frame)).toBeTrue();
    await Bun.sleep(20);
    expect(drained).toBe(1);
  });

  test("writable waits, and goes on when there is room again", async () => {
    using jammed = jam(() => {});
    const { sender, frame, fill, release } = jammed;
    fill();
    let written = false;
    const writing = sender.writable
      .getWriter()
      .write(frame)
      .then(() => {
        written = true;
      });
    await Bun.sleep(20);
    expect(written).toBeFalse();
    release();
    await writing;
    expect(written).toBeTrue();
  });

  test("closing the device ends a write that waits, with ERR_TUNTAP_CLOSED", async () => {
    using jammed = jam(() => {});
    const { sender, frame, fill } = jammed;
    fill();
    const writing = sender.writable.getWriter().write(frame);
    await Bun.sleep(0);
    sender.close();
    expect(await writing.catch((error) => error)).toMatchObject({ code: "ERR_TUNTAP_CLOSED" });
  });
});
