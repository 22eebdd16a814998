import { formatMac, MAC_LENGTH } from "./address-text.ts";
import { readUint16, writeUint16 } from "./bytes.ts";
import { requireBoolean, requireBytes, requireInteger, requireRoom, wrongType, wrongValue } from "./check.ts";
import { PacketError } from "./error.ts";
import { macToNumber, writeMac } from "./mac-address.ts";
import { showByFields } from "./show.ts";

/** Values of the EtherType field, out of IANA's "IEEE 802 Numbers". */
export const EtherType = {
  /** IPv4. */
  IPv4: 0x0800,
  /** ARP, RFC 826. */
  ARP: 0x0806,
  /** The TPID of a customer VLAN tag, IEEE 802.1Q. */
  VLAN: 0x8100,
  /** IPv6. */
  IPv6: 0x86dd,
  /** The TPID of a service VLAN tag, IEEE 802.1ad: the outer one of "QinQ". */
  SERVICE_VLAN: 0x88a8,
} as const;

/** One VLAN tag, IEEE 802.1Q section 9.3. */
export interface VlanTag {
  /** Tag protocol identifier: `EtherType.VLAN` (the default) or `EtherType.SERVICE_VLAN`. */
  tpid?: number;
  /** Priority code point, 0 (the default) to 7. */
  pcp?: number;
  /** Drop eligible indicator; default false. */
  dei?: boolean;
  /** VLAN identifier, 0 (priority only, no VLAN) to 4095 (reserved). */
  vid: number;
}

/** Fields of an Ethernet II header. */
export interface EthernetHeader {
  /** MAC address of the receiver, as text ("02:00:5e:00:53:01") or as 6 bytes. */
  destination: string | Uint8Array;
  /** MAC address of the sender, as text or as 6 bytes. */
  source: string | Uint8Array;
  /** Outermost first; default none. */
  vlanTags?: readonly VlanTag[];
  /** Protocol of the payload: one of {@link EtherType}, or any other value except that of a VLAN tag. */
  etherType: number;
}

/** A header and what follows it. */
export interface EthernetFields extends EthernetHeader {
  /** Bytes behind the header. */
  payload: Uint8Array;
}

const PROTOCOL = "Ethernet";
const DESTINATION = 0;
const SOURCE = 6;
const TYPE = 12;
const UNTAGGED_LENGTH = 14;
const TAG_LENGTH = 4;
const NO_TAGS: readonly VlanTag[] = [];

/**
 * A view of an Ethernet II frame: nothing is copied, and the getters read the bytes as they are
 * when asked. Whatever becomes of the bytes later, no getter reads outside of them.
 */
export class EthernetFrame implements Required<EthernetFields> {
  static {
    showByFields(EthernetFrame.prototype);
  }

  readonly #bytes: Uint8Array;
  /** Bytes in front of the payload: 14, and 4 for each VLAN tag. */
  readonly headerLength: number;

  /** Views `bytes`; see {@link parseEthernet}. */
  constructor(bytes: Uint8Array) {
    requireBytes("bytes", bytes);
    let headerLength = UNTAGGED_LENGTH;
    requireHeader(bytes, headerLength);
    while (isTpid(readUint16(bytes, headerLength - 2))) {
      headerLength += TAG_LENGTH;
      requireHeader(bytes, headerLength);
    }
    this.#bytes = bytes;
    this.headerLength = headerLength;
  }

  /** Destination address as text: "02:00:5e:00:53:01". */
  get destination(): string {
    return formatMac(this.#bytes, DESTINATION);
  }

  /** Destination address: 6 bytes of the frame itself. */
  get destinationBytes(): Uint8Array {
    return this.#bytes.subarray(DESTINATION, DESTINATION + MAC_LENGTH);
  }

  /** Source address as text: "02:00:5e:00:53:01". */
  get source(): string {
    return formatMac(this.#bytes, SOURCE);
  }

  /** Source address: 6 bytes of the frame itself. */
  get sourceBytes(): Uint8Array {
    return this.#bytes.subarray(SOURCE, SOURCE + MAC_LENGTH);
  }

  /** VLAN tags, outermost first. */
  get vlanTags(): Required<VlanTag>[] {
    const tags: Required<VlanTag>[] = [];
    for (let at = TYPE; at < this.headerLength - 2; at += TAG_LENGTH) {
      const tci = readUint16(this.#bytes, at + 2);
      tags.push({ tpid: readUint16(this.#bytes, at), pcp: tci >>> 13, dei: (tci & 0x1000) !== 0, vid: tci & 0x0fff });
    }
    return tags;
  }

  /**
   * Protocol of the payload, after any VLAN tags. A value below 0x0600 is an IEEE 802.3 length, not a protocol: the
   * `payload` of such a frame is everything that follows, LLC header and padding included.
   */
  get etherType(): number {
    return readUint16(this.#bytes, this.headerLength - 2);
  }

  /** All behind the header, a subarray; only the payload's own protocol can tell a short frame's padding. */
  get payload(): Uint8Array {
    return this.#bytes.subarray(this.headerLength);
  }

  /** Returns the fields that `console.log` and `JSON.stringify` show: addresses as text, lengths in place of bytes. */
  toJSON(): Record<string, unknown> {
    const { source, destination, etherType, vlanTags, payload } = this;
    const vlans = vlanTags.length === 0 ? undefined : { vlans: vlanTags.map(({ vid }) => vid) };
    const type = `0x${etherType.toString(16).padStart(4, "0")}`;
    return { source, destination, etherType: type, ...vlans, payloadLength: payload.length };
  }
}

/**
 * Views `bytes` as an Ethernet II frame, RFC 894 and IEEE 802.3 section 3, with any number of
 * VLAN tags. A frame check sequence is not looked for: a TAP carries none.
 *
 * @throws {PacketError} If the bytes end within the header or a VLAN tag.
 * @throws {TypeError} If `bytes` is not a `Uint8Array`.
 */
export function parseEthernet(bytes: Uint8Array): EthernetFrame {
  return new EthernetFrame(bytes);
}

/**
 * Writes an Ethernet II header at the start of `target`; the payload belongs behind it.
 *
 * The addresses may be views of `target`. Nothing is written if anything is wrong.
 *
 * @returns The header's length: 14, and 4 for each VLAN tag.
 * @throws {TypeError | RangeError} If a field is wrong, or `target` too short.
 */
export function writeEthernet(target: Uint8Array, fields: EthernetHeader): number {
  const destination = macToNumber("destination", fields.destination);
  const source = macToNumber("source", fields.source);
  const tags = requireTags(fields.vlanTags);
  const etherType = requireInteger("etherType", fields.etherType, 0, 0xffff);
  if (isTpid(etherType))
    throw wrongValue("etherType", etherType, 'the type of the payload, and VLAN tags in "vlanTags"');
  const headerLength = UNTAGGED_LENGTH + tags.length * TAG_LENGTH;
  requireRoom(target, headerLength);

  writeMac(target, DESTINATION, destination);
  writeMac(target, SOURCE, source);
  let at = TYPE;
  for (const { tpid = EtherType.VLAN, pcp = 0, dei = false, vid } of tags) {
    writeUint16(target, at, tpid);
    writeUint16(target, at + 2, (pcp << 13) | (dei ? 0x1000 : 0) | vid);
    at += TAG_LENGTH;
  }
  writeUint16(target, at, etherType);
  return headerLength;
}

/**
 * Makes a frame of a header and a payload. It is not padded to Ethernet's 60 bytes, which a TAP
 * does not ask for.
 *
 * @throws {TypeError | RangeError} If a field is wrong.
 */
export function buildEthernet(fields: EthernetFields): Uint8Array<ArrayBuffer> {
  const payload = requireBytes("payload", fields.payload);
  const headerLength = UNTAGGED_LENGTH + requireTags(fields.vlanTags).length * TAG_LENGTH;
  const frame = new Uint8Array(headerLength + payload.length);
  writeEthernet(frame, fields);
  frame.set(payload, headerLength);
  return frame;
}

function isTpid(value: number): boolean {
  return value === EtherType.VLAN || value === EtherType.SERVICE_VLAN;
}

function requireHeader(bytes: Uint8Array, headerLength: number): void {
  if (bytes.length >= headerLength) return;
  throw new PacketError(PROTOCOL, bytes.length, `${bytes.length} bytes`, `a header of at least ${headerLength}`);
}

function requireTags(tags: readonly VlanTag[] = NO_TAGS): readonly VlanTag[] {
  if (!Array.isArray(tags)) throw wrongType("vlanTags", tags, "an array of VLAN tags");
  for (const { tpid = EtherType.VLAN, pcp = 0, dei = false, vid } of tags) {
    // A parser would take any other for the payload's type, and what follows for the payload.
    if (!isTpid(tpid))
      throw wrongValue("vlanTags.tpid", tpid, "EtherType.VLAN (33024) or EtherType.SERVICE_VLAN (34984)");
    requireInteger("vlanTags.pcp", pcp, 0, 7);
    requireBoolean("vlanTags.dei", dei);
    requireInteger("vlanTags.vid", vid, 0, 0x0fff);
  }
  return tags;
}
