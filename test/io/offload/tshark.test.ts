/** tshark looks at what iperf3 sends through a relay: the frames that the relay saw, and those that reached the other host. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { describeWithTools } from "../../support/privilege.ts";
import { until } from "../../support/system.ts";
import { makeSegments, noise, plainFields } from "./support/packets.ts";
import { Capture, statuses } from "./support/pcap.ts";
import { openWire, type Wire } from "./support/relay.ts";

const TIMEOUT_MS = 120_000;
const LIMIT = 30_000;
/** In the frame that ends a capture. */
const LAST = "feedfacecafebeef0123456789abcdef";

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(`${tmpdir()}/bun-tuntap-offload-`);
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** TCP one way and the other, and UDP, to one address. */
async function iperf(wire: Wire, address: string): Promise<void> {
  using server = wire.right.netns.start("iperf3", "--server", "--bind", address, "--forceflush");
  for (let line = ""; !line.includes("Server listening"); ) line = await server.line();
  for (const how of [
    ["--bytes", "6M"],
    ["--bytes", "6M", "--reverse"],
    ["--udp", "--bitrate", "200M", "--bytes", "1M"],
  ]) {
    using client = wire.left.netns.start("iperf3", "--client", address, ...how);
    await client.rest();
  }
}

describeWithTools("a relayed iperf3 run", ["iperf3", "tshark", "tcpdump", "ping", "nsenter", "unshare", "ip"], () => {
  test.each([
    { name: "TUN", ethernet: false },
    { name: "TAP", ethernet: true },
  ])(
    "has no bad checksum and no malformed packet where the relay sees it: $name",
    async ({ name, ethernet }) => {
      const capture = new Capture(`${folder}/relay-${name}.pcap`, ethernet, LIMIT);
      using wire = await openWire({
        ethernet,
        offload: true,
        forward: (frames, to) => {
          capture.add(frames);
          to.sendMany(frames);
        },
      });
      for (const address of ["192.0.2.2", "2001:db8::2"]) await iperf(wire, address);
      capture.end();
      const seen = await statuses(capture.path);
      expect(seen).toMatchObject({ packets: capture.frames, malformed: [], bad: [] });
      // As many as two times 12 MB are, or it has not looked.
      expect(seen.good["tcp"]).toBeGreaterThan(10_000);
      expect(seen.good["ip"]).toBeGreaterThan(5000);
      expect(seen.good["udp"]).toBeGreaterThan(1000);
      expect(wire.left.device.counters().malformed).toBe(0);
    },
    TIMEOUT_MS,
  );

  test("would be found to have one", async () => {
    const capture = new Capture(`${folder}/broken.pcap`, false, LIMIT);
    const [good, bad, cut] = makeSegments(plainFields, noise(300), 100) as [Uint8Array, Uint8Array, Uint8Array];
    bad[70] = (bad[70] as number) ^ 1;
    capture.add([good, bad, cut.subarray(0, 30)]);
    expect(await statuses(capture.path)).toMatchObject({ packets: 3, malformed: ["3"], bad: ["tcp of packet 2: 0"] });
  });

  test.each([
    { name: "TUN", ethernet: false },
    { name: "TAP", ethernet: true },
  ])(
    "has none where tcpdump sees it arrive, split: $name",
    async ({ name, ethernet }) => {
      // The right one is plain, so what was split stays so.
      using wire = await openWire({ ethernet, offload: true, rightOffload: false });
      const path = `${folder}/tcpdump-${name}.pcap`;
      const how = ["-i", "wire0", "-Q", "in", "-w", path, "-U", "-s", "2000", "-B", "65536", "-c", String(LIMIT)];
      using tcpdump = wire.right.netns.start("tcpdump", ...how);
      // The header of the file is written once it listens.
      await until(() => (statSync(path, { throwIfNoEntry: false })?.size ?? 0) >= 24, "that tcpdump listens");
      for (const address of ["192.0.2.2", "2001:db8::2"]) await iperf(wire, address);
      // Once tcpdump has written the last frame, it has written all.
      using ping = wire.left.netns.start("ping", "-q", "-c", "1", "-p", LAST, "192.0.2.2");
      await ping.rest();
      await until(
        () => readFileSync(path).includes(LAST, -65_536, "hex"),
        "tcpdump has written the last frame",
        60_000,
      );
      await tcpdump.end();
      const seen = await statuses(path);
      expect(seen).toMatchObject({ malformed: [], bad: [] });
      expect(seen.good["tcp"]).toBeGreaterThan(5000);
      expect(seen.good["udp"]).toBeGreaterThan(1000);
    },
    TIMEOUT_MS,
  );
});
