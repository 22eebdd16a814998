import { Peer } from "./peers.ts";

/** The most datagrams that change places among each other: as many as the largest batch of a reader has. */
const WINDOW = 2048;

/**
 * Puts datagrams to one address and port together, so that the kernel takes them as a run. Those to one address and port
 * stay in their order, and the addresses in the order of their first datagrams.
 *
 * @param peers - the peer of each datagram
 * @returns the places of the datagrams in the order in which they are to be sent
 */
export function groupByPeer(peers: readonly Peer[]): Int32Array {
  const order = new Int32Array(peers.length);
  for (let begin = 0; begin < peers.length; begin += WINDOW) {
    groupWindow(peers, begin, Math.min(begin + WINDOW, peers.length), order);
  }
  return order;
}

/** Fills the part of `order` from `begin` to `end`. */
function groupWindow(peers: readonly Peer[], begin: number, end: number, order: Int32Array): void {
  const groups = new Map<string, number>();
  const groupOf = new Int32Array(end - begin);
  const sizes: number[] = [];
  for (let i = begin; i < end; i++) {
    const remote = Peer.remoteOf(peers[i] as Peer);
    let group = groups.get(remote);
    if (group === undefined) {
      group = groups.size;
      groups.set(remote, group);
      sizes.push(0);
    }
    groupOf[i - begin] = group;
    sizes[group] = (sizes[group] as number) + 1;
  }
  let next = begin;
  const places = sizes.map((size) => {
    next += size;
    return next - size;
  });
  for (let i = begin; i < end; i++) {
    const group = groupOf[i - begin] as number;
    const place = places[group] as number;
    order[place] = i;
    places[group] = place + 1;
  }
}
