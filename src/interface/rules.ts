/** Policy rules, which choose the routing table of a packet: what `ip rule` does. */

import { lazy } from "../lazy.ts";
import type { Rule, RuleSettings } from "../netlink/types.ts";
import type { NetnsLike } from "./types.ts";

/**
 * Adds a policy rule to a network namespace. It stays when the process ends:
 * {@link removeRule} takes it away. Needs CAP_NET_ADMIN.
 *
 * @throws {TunTapError} `EEXIST` if there is such a rule, `EPERM`
 * @throws {TypeError | RangeError} for a rule that cannot be
 * @example All traffic goes through a tunnel, but for what the tunnel itself
 * sends, which has a mark, and for what a route other than the default route leads elsewhere.
 * ```ts
 * import { addRule, openTun, removeRule } from "bun-tuntap";
 *
 * using tun = openTun({ addresses: ["192.0.2.1/24"], routes: [{ to: "0.0.0.0/0", table: 51820 }] });
 * const rules = [{ not: true, mark: 51820, table: 51820 }, { table: 254, suppressPrefixLength: 0 }];
 * for (const rule of rules) addRule(rule);
 * process.once("SIGINT", () => {
 *   for (const rule of rules) removeRule(rule);
 *   tun.close();
 * });
 * ```
 */
export function addRule(rule: RuleSettings, options: { netns?: NetnsLike } = {}): void {
  requests().addRule(rule, options);
}

/**
 * Removes the first policy rule that has all given members; `not` is not compared. One of {@link listRules} finds
 * itself, if it has a priority of its own. The kernel's own rules can be removed, too: without the one with the
 * priority 0 no packet reaches this host. Needs CAP_NET_ADMIN.
 *
 * @throws {TunTapError} `ENOENT` if no rule has it, `EPERM`
 * @throws {TypeError} if nothing is given that tells the rule apart
 */
export function removeRule(rule: RuleSettings | Rule, options: { netns?: NetnsLike } = {}): void {
  requests().removeRule(rule, options);
}

/**
 * Lists the policy rules of a network namespace, of IPv4 before IPv6, in the order in which the kernel applies them.
 * Needs no privilege in one's own.
 *
 * @param options.family lists the rules of one family
 * @throws {TunTapError} `ENOENT`, `EPERM` if the namespace cannot be entered
 */
export function listRules(options: { family?: 4 | 6; netns?: NetnsLike } = {}): Rule[] {
  return requests().listRules(options);
}

// Loaded on first use: few programs set rules.
const requests = (): typeof import("./rule-requests.ts") => lazy(() => require("./rule-requests.ts"));
