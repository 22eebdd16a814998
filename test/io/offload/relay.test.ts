/** Files and datagrams through a relay, in every mode: they arrive as they were. */
import { expect, test } from "bun:test";
import type { OffloadOptions } from "../../../src/index.ts";
import { fileBytes } from "../../support/effort.ts";
import { testOnKernel } from "../../support/kernel.ts";
import { describeWithTools } from "../../support/privilege.ts";
import { lossy, openWire } from "./support/relay.ts";
import { overTcp, overUdp } from "./support/transfer.ts";

const TIMEOUT_MS = 600_000;
const TOOLS = ["python3", "nsenter", "unshare", "ip"];

const modes: Record<string, boolean | OffloadOptions> = { plain: false, offload: true, raw: { raw: true } };
const kinds = [false, true];
const everywhere = Object.keys(modes).flatMap((mode) =>
  kinds.map((ethernet) => ({
    name: `${ethernet ? "TAP" : "TUN"}, ${mode}`,
    ethernet,
    offload: modes[mode] ?? false,
    mode,
  })),
);
const addresses = ["192.0.2.2", "2001:db8::2"];

describeWithTools("a file over TCP", TOOLS, () => {
  test.each(everywhere)(
    "arrives with the same SHA-256, over IPv4 and IPv6: $name",
    async ({ ethernet, offload, mode }) => {
      using wire = await openWire({ ethernet, offload });
      for (const address of addresses) {
        const { sent, arrived } = await overTcp(wire, address, fileBytes);
        expect(arrived).toEqual(sent);
        expect(arrived).toMatchObject({ bytes: fileBytes });
      }
      const { framesReceived, malformed } = wire.left.device.counters();
      const { txPackets } = wire.left.device.stats();
      expect(malformed).toBe(0);
      // More packets than the kernel has handed over frames, or it was no super-packets that were split.
      if (mode === "offload") expect(framesReceived).toBeGreaterThan(4 * Number(txPackets));
    },
    TIMEOUT_MS,
  );

  test.each(everywhere)(
    "and where one frame in a hundred is lost, and one comes late: $name",
    async ({ ethernet, offload, mode }) => {
      const { forward, lost, late } = lossy();
      using wire = await openWire({ ethernet, offload, forward });
      for (const address of addresses) {
        // Of super-packets one is lost in a hundred all the same, with all that is in it.
        const { sent, arrived } = await overTcp(wire, address, fileBytes / (mode === "raw" ? 4 : 8));
        expect(arrived).toEqual(sent);
      }
      // Fewer bytes have too few frames for one in a hundred of them.
      if (fileBytes >= 64 * 1024 * 1024) expect(Math.min(lost(), late())).toBeGreaterThan(mode === "raw" ? 0 : 5);
      expect(wire.left.device.counters().malformed).toBe(0);
    },
    TIMEOUT_MS,
  );

  test.each(everywhere)(
    "and in segments of 388 bytes, as `advmss 400` makes them: $name",
    async ({ ethernet, offload, mode }) => {
      using wire = await openWire({ ethernet, offload });
      for (const [host, { netns }] of [
        [2, wire.left],
        [1, wire.right],
      ] as const) {
        netns.run("ip", "route", "add", `192.0.2.${host}/32`, "dev", "wire0", "advmss", "400");
        netns.run("ip", "-6", "route", "add", `2001:db8::${host}/128`, "dev", "wire0", "advmss", "400");
      }
      for (const address of addresses) {
        const { sent, arrived } = await overTcp(wire, address, fileBytes / 4);
        expect(arrived).toEqual(sent);
      }
      const { framesReceived, bytesReceived, malformed } = wire.left.device.counters();
      expect(malformed).toBe(0);
      if (mode !== "raw") expect(bytesReceived / framesReceived).toBeLessThan(470);
    },
    TIMEOUT_MS,
  );
});

describeWithTools("UDP", TOOLS, () => {
  for (const { name, ethernet, offload, mode } of everywhere) {
    for (const together of [1, 50]) {
      const arrives = async (): Promise<void> => {
        using wire = await openWire({ ethernet, offload });
        for (const address of addresses) {
          const before = wire.right.device.stats().rxPackets;
          const { sent, arrived } = await overUdp(wire, address, 1200, 1000, together);
          expect(arrived).toEqual(sent);
          const written = wire.right.device.stats().rxPackets - before;
          // What came together is put together again.
          if (wire.right.device.offload?.udp && mode === "offload" && together === 50)
            expect(written).toBeLessThan(200);
        }
        expect(wire.left.device.counters().malformed).toBe(0);
      };
      const title = `arrives datagram by datagram, ${together} in a call: ${name}`;
      if (mode === "plain" && together > 1) testOnKernel("udpSegment", title, arrives, TIMEOUT_MS);
      else test(title, arrives, TIMEOUT_MS);
    }
  }
});
