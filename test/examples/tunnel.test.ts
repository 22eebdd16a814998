/** examples/tunnel.ts between two namespaces: ping and iperf3 through it, and its ends. */
import { expect, test } from "bun:test";
import { type Namespace, output, ping, wired } from "../relay/support.ts";
import { describeWithTools } from "../support/privilege.ts";
import { top } from "../support/programs.ts";

interface Started extends AsyncDisposable {
  readonly end: () => Promise<{ code: number; text: string }>;
}

async function start(netns: Namespace, ...options: string[]): Promise<Started> {
  const command = ["nsenter", `--net=${netns.path}`, process.execPath, `${top}/examples/tunnel.ts`, ...options];
  const child = Bun.spawn(command, { stdout: "pipe", stderr: "inherit" });
  const reader = child.stdout.getReader();
  const decoder = new TextDecoder();
  let text = "";
  while (!text.includes("Ctrl-C ends it")) {
    const { value, done } = await reader.read();
    if (done) throw new Error(`The tunnel did not start: ${text}`);
    text += decoder.decode(value);
  }
  return {
    async end() {
      child.kill("SIGINT");
      for (let chunk = await reader.read(); !chunk.done; chunk = await reader.read())
        text += decoder.decode(chunk.value);
      return { code: await child.exited, text };
    },
    async [Symbol.asyncDispose]() {
      child.kill("SIGKILL");
      await child.exited;
    },
  };
}

/** Sends through the tunnel for a second; how many bytes iperf3's server received. */
async function transfer(left: Namespace, right: Namespace, ...options: string[]): Promise<number> {
  const server = Bun.spawn(["nsenter", `--net=${right.path}`, "iperf3", "--server", "--one-off", "--forceflush"], {
    stdout: "pipe",
  });
  await server.stdout.getReader().read();
  const text = await output(left, "iperf3", "--client", "10.9.0.2", "--time", "1", "--json", ...options);
  await server.exited;
  const { end, error } = JSON.parse(text) as { end: Record<string, { bytes: number }>; error?: string };
  if (error !== undefined) throw new Error(error);
  return (end["sum_received"] ?? end["sum"])?.bytes ?? 0;
}

describeWithTools("examples/tunnel.ts", ["ip", "ping", "iperf3", "nsenter"], () => {
  test("carries ping, TCP in one and in eight connections, and UDP", async () => {
    using wire = await wired();
    const options = (host: number): string[] => ["--peer", `198.51.100.${3 - host}`, "--address", `10.9.0.${host}/24`];
    await using left = await start(wire.left, ...options(1));
    await using right = await start(wire.right, ...options(2));
    await ping(wire.left, "10.9.0.2");
    for (const parallel of ["1", "8"])
      expect(await transfer(wire.left, wire.right, "--parallel", parallel)).toBeGreaterThan(10_000);
    expect(await transfer(wire.left, wire.right, "--udp", "--bitrate", "5M")).toBeGreaterThan(10_000);
    for (const tunnel of [left, right]) {
      const { code, text } = await tunnel.end();
      expect(code).toBe(0);
      expect(text).toMatch(
        /tunnel0 to \S+ port 4789, not encrypted.*\n[1-9]\d* packets sent, [1-9]\d* received, \d+ lost/,
      );
    }
  }, 60_000);

  test("says what is missing, and what the kernel refuses", async () => {
    using wire = await wired();
    const run = (...options: string[]): Promise<string> =>
      output(wire.left, process.execPath, `${top}/examples/tunnel.ts`, ...options);
    expect(await run()).toContain("Usage: tunnel --peer ADDRESS");
    expect(await run("--peer", "198.51.100.2", "--address", "10.9.0.1/24", "--port", "70000")).toContain(
      '"port" must be 0 to 65535, got 70000',
    );
    expect(await run("--peer", "203.0.113.1", "--address", "10.9.0.1/24")).toContain("there is no route to the peer");
  });

  test("prints its options, with exit code 0, when it is asked for them", () => {
    const { exitCode, stdout } = Bun.spawnSync([process.execPath, `${top}/examples/tunnel.ts`, "--help"]);
    expect([exitCode, stdout.toString()]).toEqual([0, expect.stringContaining("Usage: tunnel --peer ADDRESS")]);
  });
});
