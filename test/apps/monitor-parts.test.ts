/** What the page's program is made of, without an interface. */
import { heapStats } from "bun:jsc";
import { describe, expect, test } from "bun:test";
import { Downloads } from "../../apps/monitor/downloads.ts";
import { Ring } from "../../apps/monitor/ring.ts";
import { run, until } from "../support/system.ts";

/** Returns the bytes in use once all that nobody refers to is gone. */
function heapBytes(): number {
  Bun.gc(true);
  const { heapSize, extraMemorySize } = heapStats();
  return heapSize + extraMemorySize;
}

test.each([60, 1500, 65_000])("the latest frames, of %d bytes, take no more memory than is set aside", (length) => {
  const before = heapBytes();
  const ring = new Ring();
  const frame = new Uint8Array(length);
  for (let i = 0; i < 6000; i++) ring.push(frame, "received", i);
  // The collector leaves some behind for a while.
  expect(heapBytes() - before).toBeLessThan(12 * 1024 * 1024);
  const times = [...ring].map(({ time }) => time);
  expect(times).toHaveLength(Math.min(4000, Math.floor((4 * 1024 * 1024) / length)));
  expect(times).toEqual(Array.from(times, (_, i) => 6000 - times.length + i));
});

describe("downloads", () => {
  const bytes = Uint8Array.from({ length: 300_001 }, (_, i) => i % 251);
  const limits = { atOnce: 3, deadlineMs: 60_000 };
  const answer = (downloads: Downloads): Response => downloads.answer(() => bytes, { "X-Test": "1" });

  test("arrive whole, with their headers, one after the other without an end", async () => {
    const downloads = new Downloads(limits);
    for (let i = 0; i < 10; i++) {
      const response = answer(downloads);
      expect([response.status, response.headers.get("x-test")]).toEqual([200, "1"]);
      expect(Bun.hash(await response.bytes())).toBe(Bun.hash(bytes));
    }
  });

  test("are refused while as many as may be are not taken, until one ends", async () => {
    const downloads = new Downloads(limits);
    const stalled = Array.from({ length: 3 }, () => answer(downloads));
    let made = 0;
    const make = (): Uint8Array => {
      made++;
      return bytes;
    };
    expect([downloads.answer(make, {}).status, downloads.answer(make, {}).status, made]).toEqual([503, 503, 0]);
    await stalled[0]?.body?.cancel();
    expect([downloads.answer(make, {}).status, downloads.answer(make, {}).status, made]).toEqual([200, 503, 1]);
  });

  test("end at the deadline, so that a client that takes a little at a time does not keep its place", async () => {
    const downloads = new Downloads({ atOnce: 1, deadlineMs: 20 });
    const reader = answer(downloads).body?.getReader();
    expect((await reader?.read())?.value?.length).toBe(65_536);
    expect(answer(downloads).status).toBe(503);
    await until(() => answer(downloads).status === 200, "there is room again");
    await expect(reader?.read() as Promise<unknown>).rejects.toThrow("too long");
  });

  test("to clients that read nothing hold no more than a few, and one that goes makes room", async () => {
    run("ip", "link", "set", "lo", "up");
    const large = new Uint8Array(32 << 20);
    const downloads = new Downloads(limits);
    const fetch = (): Response => downloads.answer(() => large, {});
    await using server = Bun.serve({ hostname: "127.0.0.1", port: 0, fetch });
    /** Reads the status line, and nothing more. */
    const client = async (): Promise<{ status: string; socket: Bun.Socket }> => {
      const status = Promise.withResolvers<string>();
      const socket = await Bun.connect({
        hostname: "127.0.0.1",
        port: server.port as number,
        socket: {
          open: (socket) => void socket.write("GET / HTTP/1.1\r\nHost: x\r\n\r\n"),
          data: (socket, bytes) => {
            socket.pause();
            status.resolve(bytes.toString("latin1").split(" ")[1] as string);
          },
        },
      });
      return { status: await status.promise, socket };
    };
    const clients = await Promise.all(Array.from({ length: 20 }, client));
    const served = clients.filter(({ status }) => status === "200");
    expect([served.length, clients.filter(({ status }) => status === "503").length]).toEqual([3, 17]);
    served[0]?.socket.terminate();
    for (let status = ""; status !== "200"; ) {
      const another = await client();
      clients.push(another);
      status = another.status;
    }
    for (const { socket } of clients) socket.terminate();
  });
});
