/** Kernels that lack something: found out by trying, and done without. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { describeWithTools } from "../support/privilege.ts";
import { runScript } from "../support/programs.ts";
import { run } from "../support/system.ts";
import { loopbackUp } from "./support.ts";

describeWithTools("openUdp() on a kernel", ["ip", "gcc"], () => {
  let folder: string;

  beforeAll(() => {
    loopbackUp();
    folder = mkdtempSync("/tmp/bun-tuntap-old-kernel-");
    run("gcc", "-shared", "-fPIC", "-w", "-o", `${folder}/old.so`, `${import.meta.dir}/old-kernel.c`, "-ldl");
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  /** Returns what a script prints that sends 200 datagrams to itself and back. */
  function tried(lack: string): unknown {
    const script = `
      import { openUdp } from "${import.meta.dir}/../../src/udp/index.ts";
      let got = 0;
      const server = openUdp({ receiveBuffer: 1 << 22, data(socket, list, from) { socket.sendMany(list, from); } });
      const client = openUdp({ receiveBuffer: 1 << 22, peer: { address: "127.0.0.1", port: server.port }, data(_, list) {
        got += list.length;
        if (got === 200) {
          const { sendCalls, receiveCalls } = client.counters();
          console.log(JSON.stringify({ address: server.address, ...client.segmentation, sendCalls, few: receiveCalls < 60, from: client.address }));
          process.exit(0);
        }
      } });
      // Runs of 59: Linux before 5.16 refuses 64.
      client.sendMany(Array.from({ length: 200 }, (_, i) => new Uint8Array(1100).fill(i)));
      setTimeout(() => { console.log("only", got); process.exit(1); }, 30_000);`;
    const { stdout, stderr } = runScript(script, [], { LD_PRELOAD: `${folder}/old.so`, [lack]: "1" });
    expect(stderr).toBe("");
    return JSON.parse(stdout);
  }

  test("of today: has it all", () => {
    expect(tried("NOTHING")).toEqual({
      address: "::",
      send: true,
      receive: true,
      sendCalls: 1,
      few: true,
      from: "127.0.0.1",
    });
  });

  test("without UDP_SEGMENT and UDP_GRO: by sendmmsg and recvmmsg", () => {
    expect(tried("NO_SEGMENTATION")).toEqual({
      address: "::",
      send: false,
      receive: false,
      sendCalls: 4,
      few: true,
      from: "127.0.0.1",
    });
  });

  test("without IPv6: on 0.0.0.0", () => {
    expect(tried("NO_IPV6")).toMatchObject({ address: "0.0.0.0", send: true });
  });

  test("without IPv6, an IPv6 address says what to do", () => {
    const { stdout } = runScript(
      `import { openUdp } from "${import.meta.dir}/../../src/udp/index.ts";
      try { openUdp({ address: "::1" }); } catch ({ code, hint }) { console.log(code, hint); }`,
      [],
      { LD_PRELOAD: `${folder}/old.so`, NO_IPV6: "1" },
    );
    expect(stdout).toContain("EAFNOSUPPORT this kernel has no IPv6");
  });
});
