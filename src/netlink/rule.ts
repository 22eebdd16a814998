/** RTM_*RULE: `struct fib_rule_hdr` and its attributes (include/uapi/linux/fib_rules.h). Pure. */

import { checkBoolean, checkMembers, checkNetwork, checkProtocol, checkWhole, type Prefix } from "./checks.ts";
import { AF_INET, AF_INET6, AF_UNSPEC } from "./constants.ts";
import { type Attribute, encodeString, encodeU32 } from "./message.ts";
import {
  FIB_RULE_INVERT,
  FR_ACT_BLACKHOLE,
  FR_ACT_PROHIBIT,
  FR_ACT_TO_TBL,
  FR_ACT_UNREACHABLE,
  FRA_DST,
  FRA_FWMARK,
  FRA_FWMASK,
  FRA_IIFNAME,
  FRA_OIFNAME,
  FRA_PRIORITY,
  FRA_PROTOCOL,
  FRA_SRC,
  FRA_SUPPRESS_PREFIXLEN,
  FRA_TABLE,
  RT_TABLE_MAIN,
  RTPROT_STATIC,
} from "./network-constants.ts";
import type { Rule, RuleAction, RuleSettings } from "./types.ts";

/** Bytes of `struct fib_rule_hdr`, include/uapi/linux/fib_rules.h. */
export const FIB_RULE_HDR_LEN = 12;
/** The mask of a mark of which each bit counts. */
export const ALL_BITS = 0xffff_ffff;

/** A parsed rule; members that were not given are undefined. */
export interface ParsedRule {
  /** AF_INET or AF_INET6. */
  readonly family: number;
  readonly from: Prefix | undefined;
  readonly to: Prefix | undefined;
  readonly mark: number | undefined;
  readonly mask: number | undefined;
  readonly not: boolean;
  readonly incomingInterface: string | undefined;
  readonly outgoingInterface: string | undefined;
  readonly table: number | undefined;
  readonly suppressPrefixLength: number | undefined;
  readonly priority: number | undefined;
  /** FR_ACT_* */
  readonly action: number | undefined;
  readonly protocol: number | undefined;
}

const members: readonly (keyof Rule)[] = [
  "family",
  "from",
  "to",
  "mark",
  "mask",
  "not",
  "incomingInterface",
  "outgoingInterface",
  "table",
  "suppressPrefixLength",
  "priority",
  "action",
  "protocol",
  "incomplete",
];

const actions: Readonly<Record<RuleAction, number>> = {
  lookup: FR_ACT_TO_TBL,
  blackhole: FR_ACT_BLACKHOLE,
  unreachable: FR_ACT_UNREACHABLE,
  prohibit: FR_ACT_PROHIBIT,
};

/** Returns the name of FR_ACT_*, or the number where it has none here. */
export function actionName(action: number): RuleAction | number {
  const found = Object.entries(actions).find(([, number]) => number === action);
  return found === undefined ? action : (found[0] as RuleAction);
}

/**
 * @throws {TypeError} if it is no object, or has a member that no rule has
 * @throws {RangeError} if a value does not fit
 */
export function parseRule(given: RuleSettings): ParsedRule {
  if (typeof given !== "object" || given === null) {
    throw new TypeError(`A rule must be an object such as { from, table }, got ${Bun.inspect(given)}`);
  }
  checkMembers(given, members, "A rule");
  const [from, to] = [checkSelected(given.from, "from"), checkSelected(given.to, "to")];
  const mark = checkWhole(given.mark, "mark", 0, ALL_BITS);
  const mask = checkWhole(given.mask, "mask", 0, ALL_BITS);
  if (mask !== undefined && mark === undefined)
    throw new TypeError("`mask` says which bits of `mark` count: give both");
  const action = checkAction(given.action);
  const table = checkWhole(given.table, "table", 1, ALL_BITS);
  const suppressPrefixLength = checkWhole(given.suppressPrefixLength, "suppressPrefixLength", 0, 128);
  if (action !== undefined && action !== FR_ACT_TO_TBL && (table ?? suppressPrefixLength) !== undefined) {
    throw new TypeError(`A rule with the action "${given.action}" looks in no table: leave out its members`);
  }
  return {
    family: checkFamily(given.family, from, to),
    // A rule without an address selects every address.
    from: from?.length === 0 ? undefined : from,
    to: to?.length === 0 ? undefined : to,
    mark,
    mask,
    not: checkBoolean(given.not, "not"),
    incomingInterface: checkInterface(given.incomingInterface, "incomingInterface"),
    outgoingInterface: checkInterface(given.outgoingInterface, "outgoingInterface"),
    table,
    suppressPrefixLength,
    priority: checkWhole(given.priority, "priority", 0, ALL_BITS),
    action,
    protocol: checkProtocol(given.protocol),
  };
}

/** Parses a rule to add: see {@link parseRule}. A listed rule must not be `incomplete`. */
export function parseNewRule(given: RuleSettings): ParsedRule {
  const parsed = parseRule(given);
  if ((given as Partial<Rule>).incomplete) {
    throw new RangeError(
      "A rule that is `incomplete` selects by something that is not told here: make it with `ip rule`",
    );
  }
  return parsed;
}

/**
 * Parses a rule to remove: see {@link parseRule}. A member that is left out matches everything, so there must be at
 * least one.
 */
export function parseRemovedRule(given: RuleSettings): ParsedRule {
  const parsed = parseRule(given);
  const { family: _, not: _not, ...selecting } = parsed;
  if (Object.values(selecting).every((value) => value === undefined)) {
    throw new TypeError("A rule to be removed must be told apart from others: give its `priority`, or what it selects");
  }
  return parsed;
}

function checkSelected(text: unknown, field: string): Prefix | undefined {
  if (text === undefined) return undefined;
  if (typeof text !== "string") {
    throw new TypeError(`\`${field}\` must be text such as "192.0.2.0/24", got ${Bun.inspect(text)}`);
  }
  return checkNetwork(text);
}

/** Returns AF_INET for 4, AF_INET6 for 6, and AF_UNSPEC, which is all of them, for undefined. @throws {RangeError} */
export function familyOf(family: unknown): number {
  if (family === undefined) return AF_UNSPEC;
  if (family === 4) return AF_INET;
  if (family === 6) return AF_INET6;
  throw new RangeError(`\`family\` must be 4 or 6, got ${Bun.inspect(family)}`);
}

function checkFamily(family: unknown, from: Prefix | undefined, to: Prefix | undefined): number {
  const given = familyOf(family);
  const ofAddresses = [from, to].flatMap((prefix) =>
    prefix === undefined ? [] : [prefix.bytes.length === 4 ? AF_INET : AF_INET6],
  );
  const [first = given || AF_INET] = ofAddresses;
  if (ofAddresses.some((each) => each !== first) || (given !== AF_UNSPEC && given !== first)) {
    throw new RangeError("`family`, `from` and `to` must be of one family: make a rule for each");
  }
  return first;
}

function checkAction(action: unknown): number | undefined {
  if (action === undefined) return undefined;
  if (typeof action === "string" && Object.hasOwn(actions, action)) return actions[action as RuleAction];
  throw new RangeError(`\`action\` must be ${Object.keys(actions).join(", ")}, got ${Bun.inspect(action)}`);
}

/** Checks the name of an interface, less than IFNAMSIZ bytes. There need not be such an interface. */
function checkInterface(name: unknown, field: string): string | undefined {
  if (name === undefined) return undefined;
  if (typeof name === "string" && /^[^\s/:\0]+$/.test(name) && new TextEncoder().encode(name).length < 16) return name;
  throw new RangeError(`\`${field}\` must be the name of an interface, 1 to 15 bytes, got ${Bun.inspect(name)}`);
}

/** Returns `rule` with the defaults of a new rule for members that were not given. */
export function withRuleDefaults(rule: ParsedRule): ParsedRule {
  const {
    action = FR_ACT_TO_TBL,
    protocol = RTPROT_STATIC,
    mark,
    mask = mark === undefined ? undefined : ALL_BITS,
  } = rule;
  const table = rule.table ?? (action === FR_ACT_TO_TBL ? RT_TABLE_MAIN : undefined);
  return { ...rule, action, protocol, table, mask };
}

/** Returns `struct fib_rule_hdr`. In one of a rule that is to be removed, a field that is 0 matches everything. */
export function ruleBody({ family, from, to, table = 0, action = 0, not }: ParsedRule): Uint8Array {
  const bytes = ruleDumpBody(family);
  bytes[1] = to?.length ?? 0;
  bytes[2] = from?.length ?? 0;
  // The header has 8 bits for the table: larger numbers are only in FRA_TABLE.
  bytes[4] = table < 256 ? table : 0;
  bytes[7] = action;
  new DataView(bytes.buffer).setUint32(8, not ? FIB_RULE_INVERT : 0, true);
  return bytes;
}

/** Returns the `struct fib_rule_hdr` that asks for the rules of a family; AF_UNSPEC asks for those of all. */
export function ruleDumpBody(family: number): Uint8Array {
  const bytes = new Uint8Array(FIB_RULE_HDR_LEN);
  bytes[0] = family;
  return bytes;
}

/** Makes the attributes of a policy rule. */
export function ruleAttributes(rule: ParsedRule): Attribute[] {
  const { from, to, protocol } = rule;
  return [
    ...(to === undefined ? [] : [{ type: FRA_DST, value: to.bytes }]),
    ...(from === undefined ? [] : [{ type: FRA_SRC, value: from.bytes }]),
    ...text(FRA_IIFNAME, rule.incomingInterface),
    ...text(FRA_OIFNAME, rule.outgoingInterface),
    ...u32(FRA_PRIORITY, rule.priority),
    ...u32(FRA_FWMARK, rule.mark),
    ...u32(FRA_FWMASK, rule.mask),
    ...u32(FRA_TABLE, rule.table),
    ...u32(FRA_SUPPRESS_PREFIXLEN, rule.suppressPrefixLength),
    ...(protocol === undefined ? [] : [{ type: FRA_PROTOCOL, value: Uint8Array.of(protocol) }]),
  ];
}

function u32(type: number, value: number | undefined): Attribute[] {
  return value === undefined ? [] : [{ type, value: encodeU32(value) }];
}

function text(type: number, value: string | undefined): Attribute[] {
  return value === undefined ? [] : [{ type, value: encodeString(value) }];
}
