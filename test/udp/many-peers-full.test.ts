/**
 * sendMany() to many peers whose kernel takes no more in between: datagrams wait in the queues of neighbours that are
 * not resolved (net/core/neighbour.c), where they count against the socket's buffer, until a test resolves them.
 */
import { expect, test } from "bun:test";
import { type Device, openTap } from "../../src/index.ts";
import { openUdp, type UdpSocket } from "../../src/udp/index.ts";
import { describeWithTools } from "../support/privilege.ts";
import { run, until } from "../support/system.ts";
import { numbered } from "./support.ts";

const PEERS = 8;
const COUNT = 400;
const SIZE = 1000;
const addressOf = (peer: number): string => `192.0.2.${10 + peer}`;

/** A socket with room for some 80 datagrams, and a network in which none of 8 peers is resolved. */
interface Rig extends Disposable {
  readonly tap: Device;
  readonly socket: UdpSocket;
  /** The datagrams that have come to each peer. */
  readonly arrived: Uint8Array[][];
  readonly drains: () => number;
  resolve(peer: number): void;
}

function rig(): Rig {
  const arrived = Array.from({ length: PEERS }, (): Uint8Array[] => []);
  let drains = 0;
  const tap = openTap({
    addresses: ["192.0.2.1/24"],
    ipv6: false,
    data(_, frames) {
      for (const frame of frames) {
        const isUdp = frame[12] === 8 && frame[13] === 0 && frame[23] === 17;
        if (isUdp) arrived[(frame[33] as number) - 10]?.push(frame.slice(42));
      }
    },
  });
  const socket = openUdp({ address: "192.0.2.1", sendBuffer: 40_000, drain: () => void drains++ });
  return {
    tap,
    socket,
    arrived,
    drains: () => drains,
    resolve: (peer) =>
      run("ip", "neighbour", "replace", addressOf(peer), "lladdr", `02:00:5e:00:53:0${peer}`, "dev", tap.name),
    [Symbol.dispose]() {
      socket.close();
      tap.close();
    },
  };
}

const everyPeer = Array.from({ length: PEERS }, (_, i) => i);

describeWithTools("sendMany() to many peers, and the kernel takes no more", ["ip"], () => {
  /** Sends all datagrams to the peers in turn, and overwrites those that count as taken. Returns the ones that are to come. */
  function sendInTurn(
    { socket }: Rig,
    datagrams: Uint8Array[],
  ): { taken: number; expected: Uint8Array[][]; rest: () => number } {
    const endpoints = everyPeer.map((peer) => socket.endpoint(addressOf(peer), 7000));
    const to = datagrams.map((_, i) => endpoints[i % PEERS] as (typeof endpoints)[0]);
    const expected = everyPeer.map((peer) => datagrams.filter((_, i) => i % PEERS === peer).map((one) => one.slice()));
    let done = 0;
    const send = (): number => {
      const taken = socket.sendMany(datagrams.slice(done), to.slice(done));
      for (const datagram of datagrams.slice(done, done + taken)) datagram.fill(0xee);
      done += taken;
      return taken;
    };
    return { taken: send(), expected, rest: send };
  }

  test.each([
    ["of one size, which go in runs", 0],
    ["of growing sizes, which go alone", 1],
  ])(
    "a prefix counts as taken and comes once, in order, although its memory is the caller's again: datagrams %s",
    async (_, growth) => {
      using net = rig();
      const { socket, arrived } = net;
      const datagrams = numbered(COUNT, SIZE).map((bytes, i) => bytes.subarray(0, SIZE - growth * (COUNT - i)));
      const bytesSent = datagrams.reduce((sum, { length }) => sum + length, 0);
      const { taken, expected, rest } = sendInTurn(net, datagrams);
      // The kernel has room for fewer, so the first ones were not sent peer by peer alone.
      expect(taken).toBeGreaterThan(200);
      expect(arrived.flat()).toHaveLength(0);
      expect(rest()).toBe(0);
      expect(socket.send(new Uint8Array(8), socket.endpoint(addressOf(0), 7000))).toBe(false);
      for (const peer of everyPeer) net.resolve(peer);
      const end = taken;
      await until(
        () => arrived.flat().length >= end,
        () => `${end} datagrams, got ${arrived.flat().length}`,
      );
      let sent = taken;
      await until(() => {
        sent += rest();
        return sent >= COUNT;
      }, "all taken");
      await until(
        () => arrived.flat().length >= COUNT,
        () => `${COUNT} datagrams, got ${arrived.flat().length}`,
      );
      expect(arrived).toEqual(expected);
      expect(net.drains()).toBeGreaterThan(0);
      expect(socket.counters()).toMatchObject({ datagramsSent: COUNT, bytesSent, refused: 0 });
    },
  );

  test("the drain handler is called once those that wait are sent, and not before", async () => {
    using net = rig();
    const { socket, arrived } = net;
    const { taken } = sendInTurn(net, numbered(COUNT, SIZE));
    // One peer's queue is emptied: there is room, and what waits fills it again.
    net.resolve(0);
    await until(() => (arrived[0]?.length ?? 0) > 0, "the first peer's");
    for (const peer of everyPeer.slice(1)) net.resolve(peer);
    await until(() => net.drains() > 0, "drain");
    expect(net.drains()).toBe(1);
    expect(socket.counters().datagramsSent).toBe(taken);
    await until(() => arrived.flat().length === taken, "all that were taken");
  });

  test("one that waits and is refused later is counted as refused, not as sent, and costs no other", async () => {
    using net = rig();
    const { socket, arrived } = net;
    const datagrams = numbered(COUNT, SIZE);
    datagrams[7] = new Uint8Array(65_600);
    const { taken } = sendInTurn(net, datagrams);
    expect(taken).toBeGreaterThan(200);
    for (const peer of everyPeer) net.resolve(peer);
    await until(() => arrived.flat().length === taken - 1, "all others");
    await until(() => net.drains() > 0, "drain");
    expect(socket.counters()).toMatchObject({
      datagramsSent: taken - 1,
      bytesSent: (taken - 1) * SIZE,
      refused: 1,
      refusedBy: { tooLong: 1 },
    });
  });

  test("a socket that closes while some wait leaves nothing behind", async () => {
    using net = rig();
    const { socket } = net;
    sendInTurn(net, numbered(COUNT, SIZE));
    socket.close();
    expect(socket.closed).toBe(true);
    expect(() => socket.send(new Uint8Array(8), undefined)).toThrow();
    for (const peer of everyPeer) net.resolve(peer);
  });
});
