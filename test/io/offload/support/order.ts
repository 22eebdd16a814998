/** Which frames must keep their order, by rules that know nothing of runs: the ones of the same flow, and those that may be. */
import { expect } from "bun:test";
import { withoutId } from "./soundness.ts";

/** What a frame tells of its flow. */
interface Flow {
  readonly addresses: string;
  /** Protocol and ports; undefined where they are not to be seen. */
  readonly ports: string | undefined;
}

/** Undefined for a frame whose flow nobody can tell: it must keep its place among all others. */
function flowOf(frame: Uint8Array, ethernet: boolean): Flow | undefined {
  const packet = ethernet ? packetOf(frame) : frame;
  if (packet === undefined || packet.length < 20) return undefined;
  return packet[0] === 0x45 ? flowOfIPv4(packet) : (packet[0] as number) >> 4 === 6 ? flowOfIPv6(packet) : undefined;
}

/** The IP packet in an Ethernet frame, behind two tags at most. */
function packetOf(frame: Uint8Array): Uint8Array | undefined {
  let at = 12;
  const type = (): number => (frame[at] ?? 0) * 256 + (frame[at + 1] ?? 0);
  for (let tags = 0; tags < 2 && (type() === 0x8100 || type() === 0x88a8); tags++) at += 4;
  const version = (frame[at + 2] ?? 0) >> 4;
  return type() === (version === 4 ? 0x0800 : 0x86dd) ? frame.subarray(at + 2) : undefined;
}

function flowOfIPv4(packet: Uint8Array): Flow {
  const isWhole = ((packet[6] as number) & 0xbf) === 0 && packet[7] === 0;
  return flow(packet.subarray(12, 20), packet[9] as number, isWhole ? packet.subarray(20) : new Uint8Array());
}

function flowOfIPv6(packet: Uint8Array): Flow | undefined {
  const next = packet[6] as number;
  if (packet.length < 40 || [0, 43, 60].includes(next)) return undefined;
  return flow(packet.subarray(8, 40), next, packet.subarray(40));
}

function flow(addresses: Uint8Array, protocol: number, segment: Uint8Array): Flow {
  const hasPorts = (protocol === 6 || protocol === 17) && segment.length >= 4;
  return {
    addresses: addresses.toHex(),
    ports: hasPorts ? `${protocol} ${segment.subarray(0, 4).toHex()}` : undefined,
  };
}

function mustKeepOrder(a: Flow | undefined, b: Flow | undefined): boolean {
  if (a === undefined || b === undefined) return true;
  if (a.addresses !== b.addresses) return false;
  return a.ports === undefined || b.ports === undefined || a.ports === b.ports;
}

/** Fails unless `received` are the frames `given`, each once, and in order where it matters. */
export function expectSameFlows(
  received: readonly Uint8Array[],
  given: readonly Uint8Array[],
  ethernet: boolean,
): void {
  const bytes = (frame: Uint8Array): string => withoutId(frame, ethernet).toHex();
  const texts = given.map(bytes);
  // Neither lost, nor sent twice, nor changed.
  expect(received.map(bytes).sort()).toEqual([...texts].sort());
  // Frames that are alike are one flow's, so they have come in order.
  const places = new Map<string, number[]>();
  received.forEach((frame, at) => void places.set(bytes(frame), [...(places.get(bytes(frame)) ?? []), at]));
  const place = texts.map((text) => places.get(text)?.shift() as number);
  const flows = given.map((frame) => flowOf(frame, ethernet));
  for (let later = 0; later < given.length; later++) {
    for (let earlier = 0; earlier < later; earlier++) {
      if ((place[earlier] as number) > (place[later] as number) && mustKeepOrder(flows[earlier], flows[later])) {
        throw new Error(
          `Frame ${later} of ${given.length} overtook frame ${earlier}: ${texts[earlier]}, ${texts[later]}`,
        );
      }
    }
  }
}
