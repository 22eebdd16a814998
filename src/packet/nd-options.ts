import { formatIPv6, formatMac, IPV6_LENGTH, MAC_LENGTH } from "./address-text.ts";
import { readUint32, writeUint32 } from "./bytes.ts";
import { requireBoolean, requireBytes, requireInteger, wrongType, wrongValue } from "./check.ts";
import { ipv6ToBytes } from "./ipv6-address.ts";
import { macToNumber, writeMac } from "./mac-address.ts";

/** One option of a neighbor discovery message, RFC 4861 section 4.6. */
export type NdOption =
  /** The sender's own address on the link, as text; RFC 4861 section 4.6.1. */
  | {
      kind: "sourceLinkLayerAddress";
      /** MAC address as text. */
      mac: string;
    }
  /** The target's address on the link, as text; RFC 4861 section 4.6.1. */
  | {
      kind: "targetLinkLayerAddress";
      /** MAC address as text. */
      mac: string;
    }
  /** RFC 4861 section 4.6.2; a lifetime of 2^32 - 1 seconds has no end. */
  | {
      kind: "prefix";
      /** Address of the network, as text, without its length. */
      prefix: string;
      /** 0 to 128. */
      prefixLength: number;
      /** Tells whether its addresses are on this link. */
      onLink: boolean;
      /** Tells whether hosts may make themselves addresses of it, RFC 4862. */
      autonomous: boolean;
      /** Lifetime of the prefix, in seconds. */
      validSeconds: number;
      /** Seconds for which addresses of it are preferred. */
      preferredSeconds: number;
    }
  /** RFC 4861 section 4.6.4. */
  | {
      kind: "mtu";
      /** MTU of the link, in bytes. */
      mtu: number;
    }
  /** RFC 8106 section 5.1. */
  | {
      kind: "dnsServers";
      /** Seconds for which they may be used. */
      lifetimeSeconds: number;
      /** IPv6 addresses as text. */
      servers: string[];
    }
  /** Any other, or one of these with a length that is not its own: its number, and what is behind number and length. */
  | {
      kind: "unknown";
      /** Type of the option, 0 to 255. */
      number: number;
      /** Bytes behind type and length. */
      data: Uint8Array;
    };

type Prefix = Extract<NdOption, { kind: "prefix" }>;

const SOURCE_LINK_LAYER_ADDRESS = 1;
const TARGET_LINK_LAYER_ADDRESS = 2;
const PREFIX = 3;
const MTU = 5;
const DNS_SERVERS = 25;
const PREFIX_LENGTH = 32;
const ON_LINK = 0x80;
const AUTONOMOUS = 0x40;
const UINT32_MAX = 0xffff_ffff;
/** Options are so many bytes, or a multiple of it. */
const UNIT = 8;

/** Returns how far the options from `start` on are well-formed: the end of the bytes if all of them are. */
export function endOfNdOptions(bytes: Uint8Array, start: number): number {
  let at = start;
  for (let length = lengthAt(bytes, at); length > 0; length = lengthAt(bytes, at)) at += length;
  return at;
}

/** Reads the options from `start` on, up to the end or the first that is not well-formed. */
export function readNdOptions(bytes: Uint8Array, start: number): NdOption[] {
  const options: NdOption[] = [];
  let at = start;
  for (let length = lengthAt(bytes, at); length > 0; length = lengthAt(bytes, at)) {
    options.push(readOption(bytes.subarray(at, at + length)));
    at += length;
  }
  return options;
}

/** Returns the length of an option; 0 if there is none, or it is longer than what is left. A length of zero is none either (RFC 4861 section 4.6). */
function lengthAt(bytes: Uint8Array, at: number): number {
  if (at + UNIT > bytes.length) return 0;
  const length = (bytes[at + 1] as number) * UNIT;
  return at + length > bytes.length ? 0 : length;
}

function readOption(option: Uint8Array): NdOption {
  const number = option[0] as number;
  const { length } = option;
  if (number === SOURCE_LINK_LAYER_ADDRESS && length === UNIT) {
    return { kind: "sourceLinkLayerAddress", mac: formatMac(option, 2) };
  }
  if (number === TARGET_LINK_LAYER_ADDRESS && length === UNIT) {
    return { kind: "targetLinkLayerAddress", mac: formatMac(option, 2) };
  }
  if (number === PREFIX && length === PREFIX_LENGTH) return readPrefix(option);
  if (number === MTU && length === UNIT) return { kind: "mtu", mtu: readUint32(option, 4) };
  if (number === DNS_SERVERS && length > UNIT && length % IPV6_LENGTH === UNIT) {
    const servers: string[] = [];
    for (let at = UNIT; at < length; at += IPV6_LENGTH) servers.push(formatIPv6(option, at));
    return { kind: "dnsServers", lifetimeSeconds: readUint32(option, 4), servers };
  }
  return { kind: "unknown", number, data: option.subarray(2) };
}

function readPrefix(option: Uint8Array): Prefix {
  const flags = option[3] as number;
  return {
    kind: "prefix",
    prefix: formatIPv6(option, 16),
    prefixLength: option[2] as number,
    onLink: (flags & ON_LINK) !== 0,
    autonomous: (flags & AUTONOMOUS) !== 0,
    validSeconds: readUint32(option, 4),
    preferredSeconds: readUint32(option, 8),
  };
}

/** The options as they are on the wire. */
export function encodeNdOptions(options: readonly NdOption[]): Uint8Array {
  if (!Array.isArray(options)) throw wrongType("options", options, "an array of neighbor discovery options");
  const encoded = options.map(encodeOption);
  const bytes = new Uint8Array(encoded.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const piece of encoded) {
    bytes.set(piece, at);
    at += piece.length;
  }
  return bytes;
}

function encodeOption(option: NdOption): Uint8Array {
  switch (option.kind) {
    case "sourceLinkLayerAddress":
      return encodeMac(SOURCE_LINK_LAYER_ADDRESS, option.mac);
    case "targetLinkLayerAddress":
      return encodeMac(TARGET_LINK_LAYER_ADDRESS, option.mac);
    case "prefix":
      return encodePrefix(option);
    case "mtu": {
      const bytes = begin(MTU, UNIT);
      writeUint32(bytes, 4, requireInteger("mtu", option.mtu, 0, UINT32_MAX));
      return bytes;
    }
    case "dnsServers":
      return encodeDnsServers(option);
    case "unknown": {
      const data = requireBytes("data", option.data);
      if (data.length % UNIT !== UNIT - 2 || data.length > 0xff * UNIT) {
        throw wrongValue("data", data, "6 bytes, or 8 more, up to 2038");
      }
      const bytes = begin(requireInteger("number", option.number, 0, 0xff), 2 + data.length);
      bytes.set(data, 2);
      return bytes;
    }
    default:
      throw wrongValue("kind", (option as { kind: unknown }).kind, 'the kind of an option, such as "mtu"');
  }
}

function begin(number: number, length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  bytes.set([number, length / UNIT]);
  return bytes;
}

function encodeMac(number: number, mac: string): Uint8Array {
  const bytes = begin(number, 2 + MAC_LENGTH);
  writeMac(bytes, 2, macToNumber("mac", mac));
  return bytes;
}

function encodePrefix(option: Prefix): Uint8Array {
  const bytes = begin(PREFIX, PREFIX_LENGTH);
  const onLink = requireBoolean("onLink", option.onLink) ? ON_LINK : 0;
  const autonomous = requireBoolean("autonomous", option.autonomous) ? AUTONOMOUS : 0;
  bytes.set([requireInteger("prefixLength", option.prefixLength, 0, 128), onLink | autonomous], 2);
  writeUint32(bytes, 4, requireInteger("validSeconds", option.validSeconds, 0, UINT32_MAX));
  writeUint32(bytes, 8, requireInteger("preferredSeconds", option.preferredSeconds, 0, UINT32_MAX));
  bytes.set(ipv6ToBytes("prefix", option.prefix), 16);
  return bytes;
}

function encodeDnsServers({ lifetimeSeconds, servers }: Extract<NdOption, { kind: "dnsServers" }>): Uint8Array {
  if (!Array.isArray(servers)) throw wrongType("servers", servers, "an array of IPv6 addresses");
  requireInteger("servers.length", servers.length, 1, 127);
  const bytes = begin(DNS_SERVERS, UNIT + servers.length * IPV6_LENGTH);
  writeUint32(bytes, 4, requireInteger("lifetimeSeconds", lifetimeSeconds, 0, UINT32_MAX));
  for (const [i, server] of servers.entries()) bytes.set(ipv6ToBytes("servers", server), UNIT + i * IPV6_LENGTH);
  return bytes;
}
