/** What the page's program is made of, without an interface. */
import { heapStats } from "bun:jsc";
import { expect, test } from "bun:test";
import { Ring } from "../../apps/monitor/ring.ts";

/** What is in use once all that nobody refers to is gone. */
function heapBytes(): number {
  Bun.gc(true);
  const { heapSize, extraMemorySize } = heapStats();
  return heapSize + extraMemorySize;
}

test.each([60, 1500, 65_000])("the latest frames, of %d bytes, take no more memory than is set aside", (length) => {
  const before = heapBytes();
  const ring = new Ring();
  const frame = new Uint8Array(length);
  for (let i = 0; i < 6000; i++) ring.push(frame, "in", i);
  // The collector leaves some behind for a while.
  expect(heapBytes() - before).toBeLessThan(12 * 1024 * 1024);
  const times = [...ring].map(({ time }) => time);
  expect(times).toHaveLength(Math.min(4000, Math.floor((4 * 1024 * 1024) / length)));
  expect(times).toEqual(Array.from(times, (_, i) => 6000 - times.length + i));
});
