/** The targets of a capture: files that take turns, streams, standard output; and what happens when they do not keep up, or fail. */
import { expect, spyOn, test } from "bun:test";
import fs, { existsSync, readdirSync, statSync, writeFileSync } from "node:fs";
import { capture, parseCapture } from "../../src/capture/index.ts";
import { openTun, type Tun } from "../../src/index.ts";
import { buildIPv4 } from "../../src/packet/index.ts";
import { describeWithTools } from "../support/privilege.ts";
import { newFds, openFds, run, until } from "../support/system.ts";
import { capinfos, folder, tshark } from "./support.ts";

const open = (): Tun => openTun({ addresses: ["192.0.2.1/24"], ipv6: false });

function packets(count: number, length: number): Uint8Array[] {
  return Array.from({ length: count }, (_, identification) =>
    buildIPv4({
      protocol: 253,
      source: "192.0.2.2",
      destination: "198.51.100.1",
      identification,
      payload: new Uint8Array(length - 20),
    }),
  );
}

/** Sends them all, a few at a time, so that the capture's target has its turns. */
async function sendSlowly(tun: Tun, frames: Uint8Array[]): Promise<void> {
  for (let i = 0; i < frames.length; i += 50) {
    expect(tun.sendMany(frames.slice(i, i + 50))).toBe(Math.min(50, frames.length - i));
    await new Promise((resolve) => setImmediate(resolve));
  }
}

describeWithTools("the target of capture()", ["ip", "tshark", "capinfos"], () => {
  test("files: so many that take turns, none longer than it may be, no packet twice or cut", async () => {
    using files = folder();
    using tun = open();
    const running = capture(tun, files.file("dump.pcapng"), { files: { count: 3, maxBytes: 10_000 } });
    await sendSlowly(tun, packets(500, 200));
    await running.close();
    const names = readdirSync(files.path).sort();
    expect(names).toHaveLength(3);
    const last = Number(/^dump-(\d{5})\.pcapng$/.exec(names[2] as string)?.[1]);
    expect(names).toEqual([last - 2, last - 1, last].map((n) => `dump-${String(n).padStart(5, "0")}.pcapng`));
    for (const name of names) {
      expect(statSync(files.file(name)).size).toBeLessThanOrEqual(10_000);
      expect(capinfos(files.file(name))["Number of stat entries"]).toBe("1");
    }
    const ids = names.flatMap((name) => tshark(files.file(name), ["ip.id"])).map(([id]) => Number(id));
    expect(ids).toEqual(Array.from({ length: ids.length }, (_, i) => 500 - ids.length + i));
    expect(ids.length).toBeGreaterThan(70);
  });

  test("a WritableStream gets it all, closed at the end", async () => {
    using tun = open();
    const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>();
    const running = capture(tun, writable);
    const all = new Response(readable).arrayBuffer();
    await sendSlowly(tun, packets(1000, 1000));
    await running.close();
    using files = folder();
    await Bun.write(files.file("a.pcapng"), await all);
    expect(tshark(files.file("a.pcapng"), ["ip.id"]).map(([id]) => Number(id))).toEqual([...Array(1000).keys()]);
  });

  test("one that is too slow loses frames, which are counted, and takes no more memory than it may", async () => {
    using tun = open();
    const kept: Uint8Array[] = [];
    const gate = Promise.withResolvers<void>();
    const slow = new WritableStream<Uint8Array>({
      async write(chunk) {
        kept.push(chunk);
        await gate.promise;
      },
    });
    const running = capture(tun, slow, { bufferBytes: 1024 * 1024 });
    await sendSlowly(tun, packets(4000, 1400));
    const { packets: taken, dropped } = running.stats();
    expect(taken + dropped).toBe(4000);
    // A mebibyte of frames of 1400 bytes: some 740; a quarter of it waits behind the gate with little in it.
    expect(taken).toBeGreaterThan(500);
    expect(taken).toBeLessThan(760);
    gate.resolve();
    await until(() => kept.length === 4, "what waited has gone");
    await sendSlowly(tun, packets(10, 100));
    await running.close();
    using files = folder();
    await Bun.write(files.file("a.pcapng"), new Blob(kept as Uint8Array<ArrayBuffer>[]));
    const rows = tshark(files.file("a.pcapng"), ["ip.id", "frame.packet_flags_direction"]);
    expect(rows).toHaveLength(taken + 10);
    // Of the frames that were lost the next one tells, and the statistics at the end.
    const drops = [...parseCapture(await Bun.file(files.file("a.pcapng")).bytes())].map(({ dropped = 0 }) => dropped);
    expect(drops.reduce((sum, lost) => sum + lost)).toBe(dropped);
    expect(drops[taken]).toBe(dropped);
    expect(run("capinfos", "-d", files.file("a.pcapng"))).toBeString();
  });

  test("standard output, as `| wireshark -k -i -` reads it, packet by packet", async () => {
    const program = `
      import { openTun } from "${import.meta.dir}/../../src/index.ts";
      import { capture } from "${import.meta.dir}/../../src/capture/index.ts";
      import { buildIPv4 } from "${import.meta.dir}/../../src/packet/index.ts";
      using tun = openTun({ addresses: ["192.0.2.1/24"], ipv6: false });
      await using running = capture(tun, process.argv[1] === "bun" ? Bun.stdout : process.stdout);
      for (let i = 0; i < 3000; i++) {
        tun.send(buildIPv4({ protocol: 253, source: "192.0.2.2", destination: "198.51.100.1", identification: i, payload: new Uint8Array(i % 1400) }));
        if (i % 100 === 0) await new Promise((resolve) => setImmediate(resolve));
      }`;
    for (const which of ["bun", "process"]) {
      const reader = "tshark -n -r - -T fields -e ip.id 2>/dev/null";
      const ids = run("sh", "-c", `"$0" -e "$1" ${which} | ${reader}`, process.execPath, program).trim().split("\n");
      expect(ids.map(Number)).toEqual([...Array(3000).keys()]);
    }
  });

  test("a FIFO: nothing waits for its reader, who gets what passed before; without one close() says so", async () => {
    using tun = open();
    using files = folder();
    const [fifo, opening, go] = [files.file("fifo"), files.file("opening"), files.file("go")];
    run("mkfifo", fifo);
    const fds = openFds();
    // Comes in the end even if it is not told to, so that what waits for it is told by that, and not for ever.
    const wait = 'for i in $(seq 100); do [ -e "$2" ] && break; sleep 0.1; done; : > "$1"; exec cat "$0"';
    const reader = Bun.spawn(["sh", "-c", wait, fifo, opening, go], { stdout: "pipe" });
    const running = capture(tun, fifo);
    expect(existsSync(opening)).toBe(false);
    await sendSlowly(tun, packets(500, 200));
    expect(running.stats()).toMatchObject({ packets: 500, dropped: 0 });
    writeFileSync(go, "");
    await until(() => existsSync(opening), "the reader comes");
    await sendSlowly(tun, packets(500, 200));
    const read = reader.stdout.bytes();
    await running.close();
    expect([...parseCapture(await read)]).toHaveLength(1000);
    await expect(capture(tun, fifo).close()).rejects.toThrow("ENXIO");
    await reader.exited;
    expect(newFds(fds)).toEqual([]);
  }, 60_000);

  test("a file that cannot be closed, as where a quota is exceeded, is not closed a second time", async () => {
    using tun = open();
    using files = folder();
    const close = fs.closeSync;
    using closing = spyOn(fs, "closeSync").mockImplementation((fd) => {
      close(fd);
      throw Object.assign(new Error("EDQUOT: disk quota exceeded, close"), { code: "EDQUOT" });
    });
    await expect(capture(tun, files.file("over.pcapng")).close()).rejects.toThrow("EDQUOT");
    expect(closing).toHaveBeenCalledTimes(1);
  });

  test("one that fails ends the capture, not the device; close() and finished say why; nothing stays open", async () => {
    using tun = open();
    const fds = openFds();
    const full = capture(tun, "/dev/full");
    await expect(full.finished).rejects.toThrow("ENOSPC");
    await expect(full.close()).rejects.toThrow("ENOSPC");
    const broken = capture(tun, new WritableStream({ write: () => Promise.reject(new Error("the disk is on fire")) }));
    expect(tun.sendMany(packets(10, 100))).toBe(10);
    await expect(broken.close()).rejects.toThrow("the disk is on fire");
    expect(tun.sendMany(packets(10, 100))).toBe(10);
    expect(newFds(fds)).toEqual([]);
  });

  test("a reader of standard output that goes ends the capture, not the program", () => {
    const program = `
      import { openTun } from "${import.meta.dir}/../../src/index.ts";
      import { capture } from "${import.meta.dir}/../../src/capture/index.ts";
      import { buildIPv4 } from "${import.meta.dir}/../../src/packet/index.ts";
      using tun = openTun({ addresses: ["192.0.2.1/24"], ipv6: false });
      const running = capture(tun, process.stdout);
      running.finished.catch(({ code }) => console.error("ended:", code));
      const packet = buildIPv4({ protocol: 253, source: "192.0.2.2", destination: "198.51.100.1", payload: new Uint8Array(+process.argv[1]) });
      for (let i = 0; i < 200; i++) {
        tun.sendMany(Array.from({ length: 200 }, () => packet));
        await Bun.sleep(1);
      }
      console.error("the program goes on");`;
    for (const bytes of ["10", "1400"]) {
      const script = `exec 3>&1; { "$0" -e "$1" ${bytes}; echo "exit code $?" >&2; } 2>&3 | head -c 100 > /dev/null`;
      expect(run("sh", "-c", script, process.execPath, program)).toBe(
        "ended: EPIPE\nthe program goes on\nexit code 0\n",
      );
    }
  });

  test("one that cannot be opened, or is none, is said at once, and the device is not looked at", () => {
    using tun = open();
    using files = folder();
    const fds = openFds();
    expect(() => capture(tun, files.file("no/such/folder.pcapng"))).toThrow("ENOENT");
    expect(() => capture(tun, 7 as never)).toThrow(
      '"target" is 7, wanted a path, a WritableStream, process.stdout or Bun.stdout',
    );
    expect(() => capture(tun, Bun.stdout, { files: { count: 2, maxBytes: 10_000 } })).toThrow('"files" needs a path');
    expect(() => capture(tun, "x", { files: { count: 0, maxBytes: 10_000 } })).toThrow('"files.count" is 0');
    expect(() => capture(tun, "x", { files: { count: 1, maxBytes: 100 } })).toThrow('"files.maxBytes" is 100');
    expect(() => capture(tun, "x", { snapLength: 0 })).toThrow('"snapLength" is 0, wanted an integer from 1 to 262144');
    expect(() => capture(tun, "x", { direction: "in" as never })).toThrow('"direction" is "in", wanted "received" or');
    const wrong = capture as (source: unknown, target: string, options?: unknown) => unknown;
    expect(() => wrong(null, "x")).toThrow('"source" is null, wanted a device or a UDP socket');
    expect(() => wrong({}, "x")).toThrow('"source" is {}, wanted a device or a UDP socket');
    expect(() => wrong(tun, "x", null)).toThrow('"options" is null, wanted an object');
    expect(() => wrong(tun, "x", { snaplength: 60 })).toThrow('Unknown option "snaplength": known are snapLength,');
    expect(() => wrong(tun, "x", { filter: "tcp" })).toThrow('"filter" is "tcp", wanted a function');
    expect(() => wrong(tun, "x", { files: null })).toThrow('"files.count" is undefined');
    expect(newFds(fds)).toEqual([]);
    expect(tun.sendMany(packets(3, 100))).toBe(3);
  });
});
