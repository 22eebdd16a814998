/** The order in which datagrams to many peers are sent. */
import { expect, test } from "bun:test";
import fc from "fast-check";
import { groupByPeer } from "../../src/udp/grouping.ts";
import { type Endpoint, openUdp } from "../../src/udp/index.ts";
import type { Peer } from "../../src/udp/peers.ts";

test("groupByPeer() is a permutation, peer by peer within 2048 datagrams, that keeps the order of each", () => {
  using socket = openUdp();
  const peers = Array.from({ length: 70 }, (_, i) => socket.endpoint("127.0.0.1", 1 + i) as Endpoint as Peer);
  fc.assert(
    fc.property(fc.array(fc.nat(69), { maxLength: 5000, size: "max" }), (numbers) => {
      const order = groupByPeer(numbers.map((number) => peers[number] as Peer));
      expect(order.toSorted()).toEqual(Int32Array.from(numbers.keys()));
      for (let begin = 0; begin < numbers.length; begin += 2048) {
        const window = order.subarray(begin, begin + 2048);
        const changes = window.filter((place, i) => i === 0 || numbers[place] !== numbers[window[i - 1] as number]);
        const own = numbers.slice(begin, begin + 2048);
        // As many groups as there are peers, in the order in which they first come.
        expect(Array.from(changes, (place) => numbers[place] as number)).toEqual([...new Set(own)]);
        for (const number of new Set(own)) {
          const places = window.filter((place) => numbers[place] === number);
          expect(places).toEqual(places.toSorted());
        }
      }
    }),
    { numRuns: 30 },
  );
});
