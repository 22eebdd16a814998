/** What relay.ts has looking at its traffic, with --watch. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { serveMonitor } from "../../apps/monitor/server.ts";
import { capture } from "../../src/capture/index.ts";
import type { Device } from "../../src/index.ts";

export const watches: Readonly<Record<string, (device: Device) => void | Promise<void>>> = {
  /** Into a ring of files, as one that runs for long. */
  capture(device: Device): void {
    const directory = mkdtempSync(join(tmpdir(), "bun-tuntap-bench-capture-"));
    process.on("exit", () => rmSync(directory, { recursive: true }));
    capture(device, join(directory, "flood.pcapng"), { files: { maxBytes: 16 * 1024 * 1024, count: 2 } });
  },
  /** The page of apps/monitor, open in a browser, whose part this process takes as well. */
  async monitor(device: Device): Promise<void> {
    Bun.spawnSync(["ip", "link", "set", "lo", "up"]);
    const { url } = serveMonitor(device, { hostname: "127.0.0.1", port: 0 });
    const page = new WebSocket(`${url.replace(/^http/, "ws")}updates`);
    const { promise, resolve } = Promise.withResolvers<void>();
    page.onmessage = () => resolve();
    await promise;
  },
};
