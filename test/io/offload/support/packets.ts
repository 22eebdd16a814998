/**
 * TCP and UDP packets made of their fields, one octet after another, as the
 * RFCs draw them. It shares nothing with native/split.c: no header is copied
 * from another, and sums are of 16-bit numbers in network order.
 */
import { Random } from "../../../support/random.ts";

export interface Fields {
  version: 4 | 6;
  protocol: "tcp" | "udp";
  /** The tags of an Ethernet frame, `[tpid, tci]` each; undefined for an IP packet alone. */
  tags?: readonly (readonly [number, number])[];
  /** Traffic class (IPv6), or type of service. */
  tos: number;
  ttl: number;
  /** Identification, of IPv4. */
  id: number;
  dontFragment: boolean;
  moreFragments?: boolean;
  /** In units of 8 bytes. */
  fragmentOffset?: number;
  flowLabel: number;
  /** Options of the IPv4 header, a multiple of 4. */
  ipOptions?: readonly number[];
  /** An IPv6 extension header, of which the first octet is filled in: its number, then its bytes. */
  extension?: readonly [number, readonly number[]];
  sourcePort: number;
  destinationPort: number;
  /** The last octet of both addresses. */
  hosts: readonly [number, number];
  /** Those that the pseudo-header has, where a source route leads elsewhere in the end. */
  lastHosts?: readonly [number, number];
  sequence: number;
  acknowledgement: number;
  /** FIN 1, SYN 2, RST 4, PSH 8, ACK 16, URG 32, ECE 64, CWR 128. */
  flags: number;
  window: number;
  urgent?: number;
  /** The low four bits of the octet of the data offset. */
  reserved?: number;
  /** Of the TCP header, a multiple of 4. */
  options: readonly number[];
}

export const plainFields: Fields = {
  version: 4,
  protocol: "tcp",
  tos: 0,
  ttl: 64,
  id: 0x1000,
  dontFragment: true,
  flowLabel: 0,
  sourcePort: 40_000,
  destinationPort: 5201,
  hosts: [1, 2],
  sequence: 1_000_000,
  acknowledgement: 2_000_000,
  flags: 0x10,
  window: 501,
  // No-operation twice and a timestamp: what Linux sends.
  options: [1, 1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 2],
};

/** TCP and UDP over IPv4 and IPv6, by name, as `describe.each` and `test.each` take them. */
export const kinds: [string, Fields][] = ([4, 6] as const).flatMap((version) =>
  (["tcp", "udp"] as const).map((protocol): [string, Fields] => [
    `${protocol.toUpperCase()} over IPv${version}`,
    { ...plainFields, version, protocol },
  ]),
);

/** Tells whether a packet of these fields is in an Ethernet frame. */
export const isEthernet = ({ tags }: Fields): boolean => tags !== undefined;

export const FLAG = { fin: 1, syn: 2, rst: 4, psh: 8, ack: 16, urg: 32, ece: 64, cwr: 128 } as const;

/** The one's complement sum of 16-bit words (RFC 1071), 0 to 0xffff. */
export function sum16(bytes: ArrayLike<number>, start = 0, end: number = bytes.length): number {
  let sum = 0;
  for (let i = start; i < end; i++) sum += (bytes[i] as number) * ((i - start) % 2 === 0 ? 256 : 1);
  // The sum modulo 0xffff; 0 only if all are zero.
  return sum === 0 ? 0 : ((sum - 1) % 0xffff) + 1;
}

const u16 = (value: number): number[] => [(value >>> 8) & 0xff, value & 0xff];
const u32 = (value: number): number[] => [...u16(value >>> 16), ...u16(value & 0xffff)];

function address(version: 4 | 6, host: number): number[] {
  // 192.0.2.host, or 2001:db8::host.
  return version === 4 ? [192, 0, 2, host] : [0x20, 0x01, 0x0d, 0xb8, ...Array(11).fill(0), host];
}

/** Returns what a transport checksum covers before the segment: RFC 9293 section 3.1, RFC 8200 section 8.1. */
function pseudoHeader({ version, hosts, lastHosts = hosts, protocol }: Fields, length: number): number[] {
  const number = protocol === "tcp" ? 6 : 17;
  const addresses = lastHosts.flatMap((host) => address(version, host));
  return version === 4 ? [...addresses, 0, number, ...u16(length)] : [...addresses, ...u32(length), 0, 0, 0, number];
}

function linkHeader({ tags, version }: Fields): number[] {
  if (tags === undefined) return [];
  const type = version === 4 ? 0x0800 : 0x86dd;
  return [2, 0, 0x5e, 0, 0x53, 2, 2, 0, 0x5e, 0, 0x53, 1, ...tags.flat().flatMap(u16), ...u16(type)];
}

function ipHeader(f: Fields, length: number): number[] {
  const number = f.protocol === "tcp" ? 6 : 17;
  if (f.version === 6) {
    const [next, body] = f.extension ?? [number, []];
    const first = 0x6000_0000 + f.tos * 0x10_0000 + f.flowLabel;
    const extension = body.length === 0 ? [] : [number, ...body];
    const lengthAndHops = [...u16(extension.length + length), next, f.ttl];
    return [...u32(first), ...lengthAndHops, ...f.hosts.flatMap((host) => address(6, host)), ...extension];
  }
  const { ipOptions = [], moreFragments = false, fragmentOffset = 0 } = f;
  const size = 20 + ipOptions.length;
  const fragment = (f.dontFragment ? 0x4000 : 0) + (moreFragments ? 0x2000 : 0) + fragmentOffset;
  const header = [0x40 + size / 4, f.tos, ...u16(size + length), ...u16(f.id), ...u16(fragment), f.ttl, number, 0, 0];
  header.push(...f.hosts.flatMap((host) => address(4, host)), ...ipOptions);
  header.splice(10, 2, ...u16(0xffff - sum16(header)));
  return header;
}

function transportHeader(f: Fields, payloadLength: number): number[] {
  const ports = [...u16(f.sourcePort), ...u16(f.destinationPort)];
  if (f.protocol === "udp") return [...ports, ...u16(8 + payloadLength), 0, 0];
  const offset = (20 + f.options.length) * 4 + (f.reserved ?? 0);
  const numbers = [...ports, ...u32(f.sequence), ...u32(f.acknowledgement)];
  return [...numbers, offset, f.flags, ...u16(f.window), 0, 0, ...u16(f.urgent ?? 0), ...f.options];
}

/** The offsets at which the parts of a packet of these fields begin. */
export function offsets(f: Fields): { ip: number; transport: number; check: number; payload: number } {
  const ip = linkHeader(f).length;
  const transport = ip + ipHeader(f, 0).length;
  const check = transport + (f.protocol === "tcp" ? 16 : 6);
  return { ip, transport, check, payload: transport + transportHeader(f, 0).length };
}

/** A packet with everything right; `partial`: with the sum of the pseudo-header for a checksum, as before offload. */
export function makePacket(f: Fields, payload: Uint8Array, partial = false): Uint8Array<ArrayBuffer> {
  const transport = transportHeader(f, payload.length);
  const length = transport.length + payload.length;
  const headers = [...linkHeader(f), ...ipHeader(f, length), ...transport];
  const packet = new Uint8Array(headers.length + payload.length);
  packet.set(headers);
  packet.set(payload, headers.length);
  const pseudo = sum16(pseudoHeader(f, length));
  const covered = [pseudo, sum16(packet, headers.length - transport.length)].flatMap(u16);
  const complete = 0xffff - sum16(covered);
  // RFC 768: a checksum that comes out as zero is transmitted as all ones.
  const check = partial ? pseudo : f.protocol === "udp" && complete === 0 ? 0xffff : complete;
  packet.set(u16(check), offsets(f).check);
  return packet;
}

/** The packets that a super-packet of these fields and this payload stands for, each made anew. */
export function makeSegments(f: Fields, payload: Uint8Array, size: number): Uint8Array<ArrayBuffer>[] {
  const segments: Uint8Array<ArrayBuffer>[] = [];
  for (let at = 0; at < payload.length; at += size) {
    const isLast = at + size >= payload.length;
    let { flags } = f;
    if (!isLast) flags &= ~(FLAG.fin | FLAG.psh);
    if (at > 0) flags &= ~FLAG.cwr;
    const id = (f.id + segments.length) % 0x1_0000;
    const sequence = (f.sequence + at) % 0x1_0000_0000;
    segments.push(makePacket({ ...f, flags, id, sequence }, payload.subarray(at, at + size)));
  }
  return segments;
}

/** The virtio header of that super-packet; of a frame with an unfinished checksum where `size` is undefined. */
export function makeHeader(f: Fields, size?: number): Uint8Array<ArrayBuffer> {
  const { transport, check, payload } = offsets(f);
  const type = size === undefined ? 0 : f.protocol === "udp" ? 5 : f.version === 4 ? 1 : 4;
  const words = [payload, size ?? 0, transport, check - transport];
  // Little-endian, as the machine is.
  return Uint8Array.from([1, type, ...words.flatMap((word) => [word & 0xff, word >>> 8])]);
}

/** Returns bytes that look random, and are the same for the same seed. */
export function noise(length: number, seed = 1): Uint8Array<ArrayBuffer> {
  return new Random(seed).bytes(length);
}
