/** A LAN of several hubs: who gets which frame, by the hubs' own code on a bus in memory. */
import { describe, expect, test } from "bun:test";
import { BROADCAST, frameOf, type SimulatedClient, SimulatedLan } from "./switch-bus.ts";

describe("frames between hubs", () => {
  /** Three hubs with a client each, whose addresses are 0x21, 0x22, 0x23 and known. */
  async function three(): Promise<{ lan: SimulatedLan; clients: SimulatedClient[] }> {
    const lan = await SimulatedLan.of(3);
    const clients = lan.hubs.map((hub) => hub.client());
    lan.settle();
    clients.forEach((client, i) => {
      client.send(frameOf(BROADCAST, 0x21 + i));
    });
    lan.settle();
    for (const client of clients) client.got = [];
    lan.broker.published.clear();
    return { lan, clients };
  }

  test("for a known address go to the hub that owns it, and to no other", async () => {
    const { lan, clients } = await three();
    clients[0]?.send(frameOf(0x22, 0x21, 7));
    lan.settle();
    expect(clients.map((client) => client.marks())).toEqual([[], [7], []]);
    expect([...lan.broker.published]).toEqual([["bun-tuntap.test.hub.hub2", 1]]);
  });

  test("for all go once to each hub that has clients, and never back", async () => {
    const { lan, clients } = await three();
    const empty = await lan.add("hub4");
    clients[0]?.send(frameOf(BROADCAST, 0x21, 8), frameOf(0x99, 0x21, 9));
    lan.settle();
    expect(clients.map((client) => client.marks())).toEqual([[], [8, 9], [8, 9]]);
    expect(lan.broker.published.get("bun-tuntap.test.flood")).toBe(1);
    expect(empty.backbone.roster.peers.get("hub1")?.port.framesIn).toBe(0);
  });

  test("of one turn go in one message for each destination, in order", async () => {
    const { lan, clients } = await three();
    const [client] = clients as [SimulatedClient];
    for (let i = 0; i < 20; i++) client.send(frameOf(i % 2 === 0 ? 0x22 : 0x23, 0x21, i));
    lan.settle();
    expect([...lan.broker.published.values()]).toEqual([1, 1]);
    const even = Array.from({ length: 10 }, (_, i) => 2 * i);
    expect(clients.map((each) => each.marks())).toEqual([[], even, even.map((mark) => mark + 1)]);
  });
});
