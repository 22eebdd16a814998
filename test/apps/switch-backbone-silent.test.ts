/** A NATS server that takes nothing any more, with much on its way to it: as one that hangs, or is cut off, does. */
import { beforeAll, expect, test } from "bun:test";
import { createServer, type Socket } from "node:net";
import { type ConnectionEvent, connectBackbone } from "../../apps/switch/backbone/connection.ts";
import { describePrivileged } from "../support/privilege.ts";
import { run, until } from "../support/system.ts";
import { example } from "./switch-lan.ts";

const INFO = `INFO {"server_id":"x","version":"2.9.10","proto":1,"max_payload":1048576,"headers":true}\r\n`;

describePrivileged("a NATS server that is silent", () => {
  beforeAll(() => run("ip", "link", "set", "lo", "up"));

  test("is left for another one, whatever waits to be sent to it", async () => {
    const sockets = new Set<Socket>();
    let isSilent = false;
    const server = createServer((socket) => {
      sockets.add(socket);
      socket.on("error", () => {});
      socket.write(INFO);
      socket.on("data", (data) => {
        if (isSilent) socket.pause();
        else if (data.includes("PING\r\n")) socket.write("PONG\r\n");
      });
    });
    await new Promise<void>((resolve) => void server.listen(0, "127.0.0.1", resolve));
    const { port } = server.address() as { port: number };
    const servers = [`nats://127.0.0.1:${port}`];
    const connection = await connectBackbone({
      servers,
      lan: "test",
      hub: "a",
      credentials: undefined,
      tls: undefined,
    });
    const events: ConnectionEvent["type"][] = [];
    connection.onEvent(({ type }) => void events.push(type));
    isSilent = true;
    for (let i = 0; i < 64; i++) connection.bus.publish("bun-tuntap.test.flood", new Uint8Array(1024 * 1024));
    await until(() => events.includes("disconnected"), "the end of the connection");
    isSilent = false;
    await until(() => events.includes("reconnected"), "another connection");
    expect(connection.isConnected).toBe(true);
    await connection.close();
    for (const socket of sockets) socket.destroy();
    await new Promise((resolve) => void server.close(resolve));
  }, 120_000);

  test("with a store that does not answer: a hub that is told to end meanwhile ends, and with 0", async () => {
    const server = createServer((socket) => {
      socket.on("error", () => {});
      socket.write(INFO.replace("{", '{"jetstream":true,'));
      socket.on("data", (data) => void (data.includes("PING\r\n") && socket.write("PONG\r\n")));
    });
    await new Promise<void>((resolve) => void server.listen(0, "127.0.0.1", resolve));
    const { port } = server.address() as { port: number };
    const options = ["--listen", "127.0.0.1:0", "--pool", "198.51.100.0/24", "--lan", "test", "--hub", "a"];
    const hub = Bun.spawn([...example, "serve", ...options, "--backbone", `nats://127.0.0.1:${port}`], {
      env: { ...process.env, SWITCH_TOKEN: "a-token-for-tests-only" },
      stdout: "ignore",
      stderr: "pipe",
    });
    const lines = hub.stderr.pipeThrough(new TextDecoderStream()).getReader();
    let said = "";
    while (!said.includes("connected to")) said += (await lines.read()).value ?? "";
    hub.kill("SIGTERM");
    expect(await hub.exited).toBe(0);
    for (let next = await lines.read(); !next.done; next = await lines.read()) said += next.value;
    expect(said.trim().split("\n")).toHaveLength(1);
    await new Promise((resolve) => void server.close(resolve));
  }, 60_000);
});
