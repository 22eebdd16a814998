import { formatIPv6, IPV6_LENGTH } from "./address-text.ts";
import { readUint16, readUint32 } from "./bytes.ts";
import { requireBytes } from "./check.ts";
import { PacketError } from "./error.ts";
import { AnyIcmpMessage, BODY, HEADER_LENGTH, TYPE, writeAnyIcmp } from "./icmp-message.ts";
import { Icmpv6Type } from "./icmp-type.ts";
import { IpProtocol } from "./ip-protocol.ts";
import { ipv6ToBytes } from "./ipv6-address.ts";
import { endOfNdOptions, type NdOption, readNdOptions } from "./nd-options.ts";
import { type IpEnds, pseudoHeaderSum } from "./pseudo-header.ts";

/** Fields of any ICMPv6 message, and the addresses that its checksum covers. */
export interface Icmpv6Fields extends IpEnds {
  /** One of {@link Icmpv6Type}, or any other value from 0 to 255. */
  type: number;
  /** Code, which refines the type: 0 (the default) to 255. */
  code?: number;
  /** Everything behind the checksum. */
  body: Uint8Array;
}

/** Contents of a router advertisement, RFC 4861 section 4.2. */
export interface RouterFields {
  /** Hop limit for packets that a host sends; 0 if the router does not tell it. */
  readonly hopLimit: number;
  /** Tells whether DHCPv6 gives addresses. */
  readonly managed: boolean;
  /** Tells whether DHCPv6 gives other settings. */
  readonly otherConfig: boolean;
  /** Seconds for which the sender is a default router; 0 if it is none. */
  readonly lifetimeSeconds: number;
  /** Milliseconds for which a neighbor counts as reachable; 0 if the router does not tell. */
  readonly reachableMs: number;
  /** Milliseconds between neighbor solicitations; 0 if the router does not tell. */
  readonly retransmitMs: number;
}

const PROTOCOL = "ICMPv6";
const MTU = 4;
const POINTER = 4;
const ORIGINAL_LENGTH = 4;
const NEIGHBOR_FLAGS = 4;
const TARGET = 8;
const REDIRECT_DESTINATION = 24;
const ROUTER = 0x80;
const SOLICITED = 0x40;
const OVERRIDE = 0x20;

/** Bytes in front of the options of each neighbor discovery message, RFC 4861 section 4. */
const optionsAt: ReadonlyMap<number, number> = new Map([
  [Icmpv6Type.ROUTER_SOLICITATION, 8],
  [Icmpv6Type.ROUTER_ADVERTISEMENT, 16],
  [Icmpv6Type.NEIGHBOR_SOLICITATION, 24],
  [Icmpv6Type.NEIGHBOR_ADVERTISEMENT, 24],
  [Icmpv6Type.REDIRECT, 40],
]);

/** A view of an ICMPv6 message. It copies nothing, and reads the bytes as they are at the time of the call. */
export class Icmpv6Message extends AnyIcmpMessage {
  readonly #bytes: Uint8Array;

  /** Views `bytes`; see {@link parseIcmpv6}. */
  constructor(bytes: Uint8Array) {
    const { length } = requireBytes("bytes", bytes);
    const type = length === 0 ? -1 : (bytes[TYPE] as number);
    const least = isError(type) || isEcho(type) ? HEADER_LENGTH : (optionsAt.get(type) ?? BODY);
    if (length < least) throw new PacketError(PROTOCOL, length, `${length} bytes`, `at least ${least}`);
    const options = optionsAt.get(type);
    const end = options === undefined ? length : endOfNdOptions(bytes, options);
    if (end < length) throw new PacketError(PROTOCOL, end, "an option of no length, or cut off", "whole options");
    super(bytes, isEcho(type));
    this.#bytes = bytes;
  }

  /** Tells whether the message is an error: it quotes the packet that it is about (RFC 4443 section 2.1). */
  get isError(): boolean {
    return isError(this.type);
  }

  /**
   * The packet that an error is about, as far as it is quoted, from its IPv6 header on: a subarray for
   * `parseIPv6(original, { truncated: true })`. Extensions behind it are cut off (RFC 4884 section 4.1). Null for
   * messages that are no error.
   */
  get original(): Uint8Array | null {
    if (!isError(this.type)) return null;
    const extended = this.type === Icmpv6Type.DESTINATION_UNREACHABLE || this.type === Icmpv6Type.TIME_EXCEEDED;
    const units = extended ? (this.#bytes[ORIGINAL_LENGTH] as number) : 0;
    return this.#bytes.subarray(HEADER_LENGTH, units === 0 ? this.#bytes.length : HEADER_LENGTH + 8 * units);
  }

  /** MTU in a "packet too big"; null for others. */
  get mtu(): number | null {
    return this.type === Icmpv6Type.PACKET_TOO_BIG ? readUint32(this.#bytes, MTU) : null;
  }

  /** Offset of the wrong octet in a parameter problem; null for others. */
  get pointer(): number | null {
    return this.type === Icmpv6Type.PARAMETER_PROBLEM ? readUint32(this.#bytes, POINTER) : null;
  }

  /** Target address of a neighbor solicitation, a neighbor advertisement or a redirect, as text; null for others. */
  get target(): string | null {
    return hasTarget(this.type) ? formatIPv6(this.#bytes, TARGET) : null;
  }

  /** {@link target} as 16 bytes of the message itself. */
  get targetBytes(): Uint8Array | null {
    return hasTarget(this.type) ? this.#bytes.subarray(TARGET, TARGET + IPV6_LENGTH) : null;
  }

  /** Destination for which a redirect gives a better route, as text; null for others. */
  get redirectDestination(): string | null {
    return this.type === Icmpv6Type.REDIRECT ? formatIPv6(this.#bytes, REDIRECT_DESTINATION) : null;
  }

  /** Tells whether a router sends this neighbor advertisement; false for others. */
  get router(): boolean {
    return this.#neighborFlag(ROUTER);
  }

  /** Tells whether this neighbor advertisement answers a solicitation; false for others. */
  get solicited(): boolean {
    return this.#neighborFlag(SOLICITED);
  }

  /** Tells whether this neighbor advertisement replaces the address that the receiver knows; false for others. */
  get override(): boolean {
    return this.#neighborFlag(OVERRIDE);
  }

  /** Contents of a router advertisement; null for others. */
  get routerAdvertisement(): RouterFields | null {
    if (this.type !== Icmpv6Type.ROUTER_ADVERTISEMENT) return null;
    const flags = this.#bytes[5] as number;
    return {
      hopLimit: this.#bytes[4] as number,
      managed: (flags & 0x80) !== 0,
      otherConfig: (flags & 0x40) !== 0,
      lifetimeSeconds: readUint16(this.#bytes, 6),
      reachableMs: readUint32(this.#bytes, 8),
      retransmitMs: readUint32(this.#bytes, 12),
    };
  }

  /** Options of a neighbor discovery message; none for others. */
  get options(): NdOption[] {
    const start = optionsAt.get(this.type);
    return start === undefined ? [] : readNdOptions(this.#bytes, start);
  }

  /** Link-layer address in the options of a neighbor discovery message, as text; null if there is none. */
  get linkLayerAddress(): string | null {
    for (const option of this.options) {
      if (option.kind === "sourceLinkLayerAddress" || option.kind === "targetLinkLayerAddress") return option.mac;
    }
    return null;
  }

  #neighborFlag(flag: number): boolean {
    return this.type === Icmpv6Type.NEIGHBOR_ADVERTISEMENT && ((this.#bytes[NEIGHBOR_FLAGS] as number) & flag) !== 0;
  }

  /** Returns the fields that `console.log` and `JSON.stringify` show: addresses as text, lengths in place of bytes. */
  override toJSON(): Record<string, unknown> {
    const { target, linkLayerAddress, mtu } = this;
    const seen = { target, linkLayerAddress, mtu };
    return { ...super.toJSON(), ...Object.fromEntries(Object.entries(seen).filter(([, value]) => value !== null)) };
  }
}

/**
 * Views `bytes` as an ICMPv6 message of any type, RFC 4443; those of neighbor discovery, RFC 4861, with
 * their options. RFC 4861 demands a hop limit of 255 of the packet around it: the caller checks that.
 *
 * @param bytes The whole message and nothing else, as the `upperLayer` of an IPv6 packet is; not one of its fragments.
 * @throws {PacketError} If the bytes are too few for the type, or an option has no length or is cut off.
 * @throws {TypeError} If `bytes` is not a `Uint8Array`.
 */
export function parseIcmpv6(bytes: Uint8Array): Icmpv6Message {
  return new Icmpv6Message(bytes);
}

/**
 * Writes an ICMPv6 message at the start of `target`, checksum included.
 *
 * The body may be a view of `target`, and so may the addresses. Nothing is written if anything is wrong.
 *
 * @returns The message's length: 4, and the length of the body.
 * @throws {TypeError | RangeError} If a field is wrong, or `target` too short.
 */
export function writeIcmpv6(target: Uint8Array, fields: Icmpv6Fields): number {
  return writeAnyIcmp(target, fields, (length) => {
    const source = ipv6ToBytes("source", fields.source);
    return pseudoHeaderSum(source, fields.destination, IpProtocol.ICMPV6, length);
  });
}

/**
 * Makes an ICMPv6 message. See `buildIcmpv6Echo`, `buildIcmpv6Error`, `buildNeighborSolicitation` and
 * `buildNeighborAdvertisement` for those that are asked for most.
 *
 * @throws {TypeError | RangeError} If a field is wrong.
 */
export function buildIcmpv6(fields: Icmpv6Fields): Uint8Array<ArrayBuffer> {
  const message = new Uint8Array(BODY + requireBytes("body", fields.body).length);
  writeIcmpv6(message, fields);
  return message;
}

function isEcho(type: number): boolean {
  return type === Icmpv6Type.ECHO_REQUEST || type === Icmpv6Type.ECHO_REPLY;
}

/** Tells whether it is the type of an error: those have the upper bit clear (RFC 4443 section 2.1). */
function isError(type: number): boolean {
  return type >= 0 && type < 128;
}

function hasTarget(type: number): boolean {
  return (
    type === Icmpv6Type.NEIGHBOR_SOLICITATION ||
    type === Icmpv6Type.NEIGHBOR_ADVERTISEMENT ||
    type === Icmpv6Type.REDIRECT
  );
}
