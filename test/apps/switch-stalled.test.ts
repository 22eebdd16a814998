/** A client that does not read: the others do not notice, and the switch neither grows nor forgets to count. And the other way round. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { describeWithTools } from "../support/privilege.ts";
import { answersIn, until } from "../support/system.ts";
import { Lan, tools } from "./switch-lan.ts";

const QUEUE = 256 * 1024;
const ROUND = 20_000;
const ROUNDS_MAX = 30;

/** Sends so many broadcasts of 1,400 bytes, all of which the switch floods. */
const broadcasts = `
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
for i in range(${ROUND}):
    s.sendto(bytes(1400), ("198.51.100.255", 9))
`;

describeWithTools("what stalls", [...tools, "iperf3", "python3"], () => {
  let lan: Lan;

  beforeAll(async () => {
    lan = await Lan.open(3);
  }, 120_000);
  afterAll(async () => expect(await lan.end()).toEqual([]), 30_000);

  /** Floods until `condition` holds. */
  function floodUntil(condition: () => boolean): void {
    for (let round = 0; round < ROUNDS_MAX && !condition(); round++) lan.site(1).run("python3", "-c", broadcasts);
  }

  test("a client that stalls loses frames that are counted, and costs neither the others nor the switch's memory", async () => {
    // Far longer than the floods take on a busy machine.
    const server = await lan.serve("--queue", `${QUEUE}`, "--timeout", "300");
    const others = [await lan.join(1), await lan.join(2)];
    const stalled = await lan.join(3);
    expect(answersIn(lan.ping(1, "198.51.100.3"))).toBeGreaterThanOrEqual(3);
    floodUntil(() => lan.port(2).framesOut > ROUND);
    const rssBefore = lan.status().rssBytes;
    stalled.signal("SIGSTOP");
    // The kernel takes some tens of megabytes before it is the switch's queue that is full, and stays so.
    let framesOut = -1;
    floodUntil(() => {
      const port = lan.port(3);
      const isStuck = port.framesOut === framesOut;
      framesOut = port.framesOut;
      return isStuck && port.dropped.backPressure > 2 * ROUND;
    });

    const { dropped, queuedBytes } = lan.port(3);
    expect(dropped.backPressure).toBeGreaterThan(2 * ROUND);
    expect(queuedBytes).toBeGreaterThan(QUEUE / 2);
    expect(queuedBytes).toBeLessThanOrEqual(QUEUE);
    // Some 56 MB were dropped by then.
    const rssGrowth = lan.status().rssBytes - rssBefore;
    expect(rssGrowth).toBeLessThan(25e6);

    using listener = lan.site(2).start("iperf3", "-s", "-1", "--forceflush");
    await listener.line();
    const report = lan.site(1).run("iperf3", "-c", "198.51.100.2", "--connect-timeout", "30000", "-n", "20M", "-J");
    // It counts until the sender is done, so not what is still on its way then.
    expect(JSON.parse(report).end.sum_received.bytes).toBeGreaterThan(10 * 2 ** 20);
    expect(answersIn(lan.ping(2, "198.51.100.1"))).toBeGreaterThanOrEqual(3);

    stalled.signal("SIGCONT");
    expect(answersIn(lan.ping(1, "198.51.100.3"))).toBeGreaterThanOrEqual(3);
    for (const each of [...others, stalled, server]) expect(await each.end()).toBe(0);
  }, 180_000);

  test("a client that stalls for too long is left, and comes back by itself", async () => {
    const server = await lan.serve("--timeout", "8");
    const [other, stalled] = [await lan.join(1), await lan.join(3)];
    const { address } = lan.port(3);
    stalled.signal("SIGSTOP");
    await server.says("leave client3");
    expect(lan.status().ports.map(({ id }) => id)).toEqual(["client1"]);
    stalled.signal("SIGCONT");
    await until(() => lan.status().ports.length === 2, "client 3 is back");
    expect(lan.port(3).address).toBe(address as string);
    expect(answersIn(lan.ping(1, (address as string).replace(/\/.*/, "")))).toBeGreaterThanOrEqual(3);
    for (const each of [other, stalled, server]) expect(await each.end()).toBe(0);
  }, 120_000);

  test("a switch that stalls is left, and joined again once it answers", async () => {
    const server = await lan.serve();
    const client = await lan.join(1, "--timeout", "2");
    server.signal("SIGSTOP");
    await client.says("The connection to the switch is lost; trying again");
    expect(lan.interfaceOf(1).flags).toContain("NO-CARRIER");
    server.signal("SIGCONT");
    await until(() => lan.interfaceOf(1).flags.includes("LOWER_UP"), "it is in the LAN again");
    expect(lan.port(1).address).toBeDefined();
    for (const each of [client, server]) expect(await each.end()).toBe(0);
  }, 120_000);
});
