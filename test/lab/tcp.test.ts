/** The kernel's TCP over impaired links: the bytes arrive as they were, and others see what was done to the frames. */
import { expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { createLab, type Host, type LinkOptions } from "../../src/lab/index.ts";
import { describePrivileged, describeWithTools } from "../support/privilege.ts";
import { run } from "../support/system.ts";

const BYTES = 2_000_000;

/** Sends bytes that are no pattern from one host to the other; returns whether they arrived as they were. */
async function transfer(from: Host, to: Host, bytes = BYTES): Promise<boolean> {
  const data = crypto.getRandomValues(new Uint8Array(65_536));
  const whole = new Uint8Array(bytes).map((_, i) => (data[i & 0xffff] as number) ^ (i >> 16));
  const arrived = new Bun.CryptoHasher("sha256");
  const done = Promise.withResolvers<void>();
  let [got, sent] = [0, 0];
  using listener = to.enter(() =>
    Bun.listen({
      hostname: to.address,
      port: 0,
      socket: {
        data: (_socket, chunk) => {
          arrived.update(chunk);
          got += chunk.length;
          if (got >= bytes) done.resolve();
        },
      },
    }),
  );
  const send = (socket: Bun.Socket<undefined>): void => {
    sent += socket.write(whole.subarray(sent));
  };
  const socket = await from.enter(() =>
    Bun.connect({
      hostname: to.address,
      port: listener.port,
      socket: { data: () => {}, open: send, drain: send, error: (_socket, error) => done.reject(error) },
    }),
  );
  await done.promise;
  socket.end();
  return arrived.digest("hex") === new Bun.CryptoHasher("sha256").update(whole).digest("hex");
}

describePrivileged("TCP", () => {
  test.each<LinkOptions>([
    {},
    { delay: 1, jitter: 0.5 },
    { loss: 0.01, delay: 0.2 },
    { loss: { enter: 0.003, leave: 0.5 }, delay: 0.2 },
    { corrupt: 0.01, delay: 0.2 },
    { duplicate: 0.1, reorder: 0.05, delay: 0.2 },
    { rate: 50_000_000, queue: 20_000 },
    { loss: 0.005, corrupt: 0.005, duplicate: 0.05, reorder: 0.02, jitter: 0.2, delay: 0.5, rate: 200_000_000 },
  ])(
    "delivers what was sent, over a link with %p",
    async (options) => {
      await using lab = await createLab({ seed: 7 });
      const [a, b] = [lab.host("a"), lab.host("b")];
      const link = lab.link(a, b, options);
      expect(await transfer(a, b)).toBe(true);
      const { forward } = link.stats();
      // What is counted is what came out: nothing is lost between the counters.
      const dropped = forward.lost + forward.queueDropped + forward.tooLong + forward.cut + forward.intercepted;
      expect(forward.delivered + forward.refused + forward.waiting + dropped - forward.duplicated).toBe(forward.frames);
      if (options.corrupt !== undefined) expect(forward.corrupted).toBeGreaterThan(0);
      if (options.loss !== undefined) expect(forward.lost).toBeGreaterThan(0);
    },
    60_000,
  );
});

describeWithTools("tshark", ["tshark"], () => {
  test("sees the reordering and the duplicates of a link, and hardly any without", async () => {
    const folder = mkdtempSync(`${process.env["TMPDIR"] ?? "/tmp"}/bun-tuntap-lab-`);
    try {
      const seen: number[] = [];
      for (const forward of [{}, { reorder: 0.05, duplicate: 0.05 }]) {
        await using lab = await createLab({ seed: 7 });
        const [a, b] = [lab.host("a"), lab.host("b")];
        const capture = await lab.link(a, b, { delay: 0.2, forward }).capture(`${folder}/a.pcapng`, { host: "b" });
        await transfer(a, b, 500_000);
        await capture.close();
        const odd = "tcp.analysis.out_of_order or tcp.analysis.retransmission or tcp.analysis.lost_segment";
        const lines = run("tshark", "-r", `${folder}/a.pcapng`, "-Y", odd).split("\n");
        seen.push(lines.filter((line) => line !== "").length);
      }
      expect(seen[1]).toBeGreaterThan(10);
      // On a busy machine the kernel may send something again by itself.
      expect(seen[0]).toBeLessThan((seen[1] as number) / 2);
    } finally {
      rmSync(folder, { recursive: true });
    }
  }, 60_000);
});
