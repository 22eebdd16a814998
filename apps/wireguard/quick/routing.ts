/** Routes to the allowed IPs of all peers, as wg-quick sets them, by rtnetlink. */
import { readFileSync, writeFileSync } from "node:fs";
import { ProgramError } from "../../../src/cli/program.ts";
import { addRule, listRules, type RuleSettings, removeRule } from "../../../src/index.ts";
import { covers, parsePrefix, prefixText } from "../core/ip.ts";
import type { AllowedIp } from "../core/protocol/allowed-ips.ts";
import type { Tunnel } from "../core/tunnel.ts";

/** The first mark and table that wg-quick tries for a default route. */
const FIRST_TABLE = 51_820;
const MAIN_TABLE = 254;
const IPV4_BYTES = 4;
/** Lets answers to the tunnel's own datagrams pass the reverse-path filter by their mark (ip-sysctl, src_valid_mark). */
const VALID_MARK = "/proc/sys/net/ipv4/conf/all/src_valid_mark";

/**
 * Routes what the peers have through the tunnel. A default route goes into a table of its own, which everything asks
 * but the tunnel's own datagrams, known by their mark; routes of the main table but its default ones go first.
 *
 * @param table Where the routes go; "auto" chooses, "off" sets none.
 * @returns how the rules are undone; routes go with the interface
 */
export function setRoutes(tunnel: Tunnel, table: "auto" | "off" | number): () => void {
  const rules: RuleSettings[] = [];
  if (table === "off") return () => {};
  const prefixes = [...tunnel.protocol.peers.values()].flatMap((peer) => tunnel.protocol.allowedIps.of(peer));
  // Longest first: a shorter one that covers it is then seen to be there, or not.
  prefixes.sort((a, b) => b.length - a.length);
  try {
    for (const prefix of prefixes) {
      if (table !== "auto") tunnel.device.addRoute({ to: prefixText(prefix), table });
      else if (prefix.length === 0) rules.push(...setDefaultRoute(tunnel, prefix));
      else addIfMissing(tunnel, prefix);
    }
  } catch (error) {
    removeRules(rules);
    throw error;
  }
  return () => removeRules(rules);
}

/** An address of the interface, or a shorter prefix, may have made a route that serves already; wg-quick leaves it at that. */
function addIfMissing({ device }: Tunnel, prefix: AllowedIp): void {
  const covered = device.routes().some(({ to, table }) => {
    const route = parsePrefix(to);
    return table === MAIN_TABLE && route !== null && covers(route, prefix);
  });
  if (!covered) device.addRoute(prefixText(prefix));
}

function setDefaultRoute(tunnel: Tunnel, prefix: AllowedIp): RuleSettings[] {
  const family = prefix.address.length === IPV4_BYTES ? 4 : 6;
  if (tunnel.mark === 0) tunnel.apply({ mark: freeTable(), peers: [] });
  const { mark } = tunnel;
  tunnel.device.addRoute({ to: prefixText(prefix), table: mark });
  const added: RuleSettings[] = [];
  try {
    for (const rule of [
      { family, not: true, mark, table: mark },
      { family, table: MAIN_TABLE, suppressPrefixLength: 0 },
    ] as const) {
      if (hasRule(rule)) continue;
      addRule(rule);
      added.push(rule);
    }
    if (family === 4) allowValidMark();
  } catch (error) {
    removeRules(added);
    throw error;
  }
  return added;
}

/** Most containers have it read-only: it stays as it is where it is right. */
function allowValidMark(): void {
  if (readFileSync(VALID_MARK, "utf8").trim() === "1") return;
  try {
    writeFileSync(VALID_MARK, "1");
  } catch (error) {
    const { message } = error as Error;
    throw new ProgramError(
      `A default route needs the sysctl net.ipv4.conf.all.src_valid_mark, which cannot be set here (${message}): start the container with --sysctl net.ipv4.conf.all.src_valid_mark=1`,
    );
  }
}

/** Another tunnel may have added the rule about the main table already, and removes it. */
function hasRule({ family, table, suppressPrefixLength }: RuleSettings): boolean {
  return (
    suppressPrefixLength !== undefined &&
    listRules().some(
      (rule) => rule.family === family && rule.table === table && rule.suppressPrefixLength === suppressPrefixLength,
    )
  );
}

/** The first number from wg-quick's on that no rule leads to. */
function freeTable(): number {
  const taken = new Set(listRules().map(({ table }) => table));
  let table = FIRST_TABLE;
  while (taken.has(table)) table++;
  return table;
}

function removeRules(rules: readonly RuleSettings[]): void {
  for (const rule of rules) {
    try {
      removeRule(rule);
    } catch {
      // Somebody else has removed it: that is what was wanted.
    }
  }
}
