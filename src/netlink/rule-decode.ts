/** Policy rules as the kernel reports them (include/uapi/linux/fib_rules.h). Pure. */

import { formatIP } from "../packet/address-text.ts";
import { protocolName } from "./checks.ts";
import { AF_INET, AF_INET6 } from "./constants.ts";
import { decodeAttributes, decodeString, decodeU32, NetlinkFormatError } from "./message.ts";
import {
  FIB_RULE_INVERT,
  FR_ACT_TO_TBL,
  FRA_DST,
  FRA_FWMARK,
  FRA_FWMASK,
  FRA_IIFNAME,
  FRA_L3MDEV,
  FRA_OIFNAME,
  FRA_PAD,
  FRA_PRIORITY,
  FRA_PROTOCOL,
  FRA_SRC,
  FRA_SUPPRESS_IFGROUP,
  FRA_SUPPRESS_PREFIXLEN,
  FRA_TABLE,
} from "./network-constants.ts";
import { ALL_BITS, actionName, FIB_RULE_HDR_LEN } from "./rule.ts";
import type { Rule } from "./types.ts";

/** The suppressed prefix length, or interface group, of a rule that suppresses nothing: -1. */
const NOTHING = 0xffff_ffff;

type Attributes = ReadonlyMap<number, Uint8Array>;

/**
 * Reads a rule; returns null for another family than IP.
 *
 * @throws {NetlinkFormatError}
 */
export function decodeRule(body: Uint8Array): Rule | null {
  if (body.length < FIB_RULE_HDR_LEN) throw new NetlinkFormatError("Truncated fib_rule_hdr", 0);
  const [family = 0, toLength = 0, fromLength = 0, tos = 0, shortTable = 0, , , action = 0] = body;
  const size = family === AF_INET ? 4 : family === AF_INET6 ? 16 : 0;
  if (size === 0) return null;
  const flags = new DataView(body.buffer, body.byteOffset, body.byteLength).getUint32(8, true);
  const attributes = decodeAttributes(body, FIB_RULE_HDR_LEN);
  const mask = u32(attributes, FRA_FWMASK);
  const suppressed = u32(attributes, FRA_SUPPRESS_PREFIXLEN);
  const found = {
    from: prefix(attributes, FRA_SRC, fromLength, size),
    to: prefix(attributes, FRA_DST, toLength, size),
    // A mark of 0 is not reported, but its mask is (net/core/fib_rules.c fib_nl_fill_rule()).
    mark: u32(attributes, FRA_FWMARK) ?? (mask === undefined ? undefined : 0),
    mask: mask === ALL_BITS ? undefined : mask,
    not: (flags & FIB_RULE_INVERT) !== 0 || undefined,
    incomingInterface: text(attributes, FRA_IIFNAME),
    outgoingInterface: text(attributes, FRA_OIFNAME),
    table: action === FR_ACT_TO_TBL ? (u32(attributes, FRA_TABLE) ?? shortTable) || undefined : undefined,
    suppressPrefixLength: suppressed === NOTHING ? undefined : suppressed,
    incomplete: tos !== 0 || [...attributes].some(isUntold) || undefined,
  };
  return {
    family: size === 4 ? 4 : 6,
    priority: u32(attributes, FRA_PRIORITY) ?? 0,
    action: actionName(action),
    protocol: protocolName(attributes.get(FRA_PROTOCOL)?.[0] ?? 0),
    ...(Object.fromEntries(Object.entries(found).filter(([, value]) => value !== undefined)) as Partial<Rule>),
  };
}

function u32(attributes: Attributes, type: number): number | undefined {
  const value = attributes.get(type);
  return value && decodeU32(value);
}

function text(attributes: Attributes, type: number): string | undefined {
  const value = attributes.get(type);
  return value && decodeString(value);
}

function prefix(attributes: Attributes, type: number, length: number, size: number): string | undefined {
  const bytes = attributes.get(type);
  if (bytes === undefined || length === 0) return undefined;
  if (bytes.length !== size) throw new NetlinkFormatError("Address of the wrong length", FIB_RULE_HDR_LEN);
  return `${formatIP(bytes)}/${length}`;
}

const told: ReadonlySet<number> = new Set([
  FRA_DST,
  FRA_FWMARK,
  FRA_FWMASK,
  FRA_IIFNAME,
  FRA_OIFNAME,
  FRA_PAD,
  FRA_PRIORITY,
  FRA_PROTOCOL,
  FRA_SRC,
  FRA_SUPPRESS_PREFIXLEN,
  FRA_TABLE,
]);

/** Returns whether an attribute says something about the rule for which {@link Rule} has no member. */
function isUntold([type, value]: readonly [type: number, value: Uint8Array]): boolean {
  if (told.has(type)) return false;
  if (type === FRA_SUPPRESS_IFGROUP) return value.length !== 4 || decodeU32(value) !== NOTHING;
  return type !== FRA_L3MDEV || value[0] !== 0;
}
