/** What is wrong with a frame, by rules that are written down here once more; for frames of which nobody made the fields. */
import { sum16 } from "./packets.ts";

const at16 = (bytes: Uint8Array, at: number): number => (bytes[at] as number) * 256 + (bytes[at + 1] as number);

interface Parts {
  version: 4 | 6;
  ip: number;
  transport: number;
  end: number;
  protocol: number;
}

/** Finds the IP packet and its TCP or UDP; undefined if it has none: fragments, other protocols, no IP at all. */
export function partsOf(frame: Uint8Array, ethernet: boolean): Parts | undefined {
  let ip = 0;
  if (ethernet) {
    ip = 12;
    while (at16(frame, ip) === 0x8100 || at16(frame, ip) === 0x88a8) ip += 4;
    const type = at16(frame, ip);
    ip += 2;
    if (type !== 0x0800 && type !== 0x86dd) return undefined;
  }
  const version = (frame[ip] as number) >> 4;
  if (version === 4) {
    const transport = ip + ((frame[ip] as number) % 16) * 4;
    const isFragment = at16(frame, ip + 6) % 0x4000 !== 0;
    const protocol = frame[ip + 9] as number;
    if (isFragment || (protocol !== 6 && protocol !== 17)) return undefined;
    return { version, ip, transport, end: ip + at16(frame, ip + 2), protocol };
  }
  const protocol = frame[ip + 6] as number;
  if (version !== 6 || (protocol !== 6 && protocol !== 17)) return undefined;
  return { version, ip, transport: ip + 40, end: ip + 40 + at16(frame, ip + 4), protocol };
}

/** Everything that is wrong with the lengths and checksums of a frame; undefined if nothing is. */
export function faultOf(frame: Uint8Array, ethernet: boolean): string | undefined {
  const parts = partsOf(frame, ethernet);
  if (parts === undefined) return undefined;
  const { version, ip, transport, end, protocol } = parts;
  // An Ethernet frame may be padded to 60 bytes.
  if (end > frame.length || (end < frame.length && !(ethernet && frame.length <= 60))) return `ends at ${end}`;
  if (version === 4 && sum16(frame, ip, transport) !== 0xffff) return "IPv4 checksum";
  const length = end - transport;
  if (protocol === 17 && at16(frame, transport + 4) !== length) return "UDP length";
  if (protocol === 17 && at16(frame, transport + 6) === 0) return version === 6 ? "UDP without a checksum" : undefined;
  const addresses = version === 4 ? frame.subarray(ip + 12, ip + 20) : frame.subarray(ip + 8, ip + 40);
  const covered = [sum16(addresses), protocol, length, sum16(frame, transport, end)];
  const bytes = covered.flatMap((word) => [word >> 8, word & 0xff]);
  return sum16(bytes) === 0xffff ? undefined : `${protocol === 6 ? "TCP" : "UDP"} checksum`;
}

/**
 * A copy without what merging may change: the identification of an IPv4
 * packet that must not be fragmented (RFC 6864 section 4.1).
 */
export function withoutId(frame: Uint8Array, ethernet: boolean): Uint8Array {
  const parts = partsOf(frame, ethernet);
  const copy = frame.slice();
  if (
    parts?.version === 4 &&
    ((frame[parts.ip + 6] as number) & 0x40) !== 0 &&
    sum16(frame, parts.ip, parts.transport) === 0xffff
  ) {
    copy.fill(0, parts.ip + 4, parts.ip + 6);
    copy.fill(0, parts.ip + 10, parts.ip + 12);
  }
  return copy;
}
