/** A sample of the faults of a LAN of several hubs: test/apps/lan-faults.ts has all of them, and more clients. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { describeWithTools } from "../support/privilege.ts";
import { defectsOf, faults, reachAll, suffer } from "./lan-faults.ts";
import { LanLab } from "./lan-lab.ts";
import { Exchanger } from "./lan-traffic.ts";
import { NATS } from "./nats.ts";

/** Milliseconds. Where nothing else runs it is below 3000, as the command says; here it is about whether it ends. */
const GAP_MAX_MS = 30_000;
const tools = [NATS, "ip", "nsenter", "curl", "ping", "iperf3", "tcpdump", "tshark"];

describeWithTools("three hubs, six clients and a cluster of three NATS servers", tools, () => {
  let lan: LanLab;
  let exchanger: Exchanger;

  beforeAll(async () => {
    lan = await LanLab.open({ hubs: 3, clients: 6, servers: 3 });
    exchanger = await Exchanger.open(lan);
  }, 120_000);
  afterAll(async () => {
    await exchanger[Symbol.asyncDispose]();
    await lan[Symbol.asyncDispose]();
  }, 120_000);

  test("each client reaches each other by IPv4, IPv6 and multicast, and no frame comes twice, as captures say", async () => {
    const { missing, extra, captured, nodes } = await reachAll(lan, exchanger);
    expect({ missing, extra, nodes }).toEqual({ missing: [], extra: [], nodes: 6 });
    // Of 90: on a busy machine a capture begins late or ends early.
    expect(captured).toBeGreaterThan(45);
  }, 180_000);

  test.each(["hub", "server"])(
    "a killed %s costs some answers, no TCP connection, and leaves nothing behind",
    async (name) => {
      const outcome = await suffer(lan, exchanger, faults[name] as (typeof faults)[string]);
      expect(defectsOf(outcome, GAP_MAX_MS)).toEqual([]);
    },
    240_000,
  );
});
