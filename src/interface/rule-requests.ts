/** The requests behind ./rules.ts, which documents them. */

import { checkOptions } from "../checks.ts";
import { NLM_F_CREATE, NLM_F_EXCL, RTM_DELRULE, RTM_GETRULE, RTM_NEWRULE } from "../netlink/constants.ts";
import {
  familyOf,
  parseNewRule,
  parseRemovedRule,
  ruleAttributes,
  ruleBody,
  ruleDumpBody,
  withRuleDefaults,
} from "../netlink/rule.ts";
import { decodeRule } from "../netlink/rule-decode.ts";
import type { Rule, RuleSettings } from "../netlink/types.ts";
import { checkNetns } from "./namespace.ts";
import { netnsOf, withRouteSocket } from "./route-socket.ts";
import type { NetnsLike } from "./types.ts";

/** Adds a policy rule in a network namespace; see the export of the same name. */
export function addRule(rule: RuleSettings, options: { netns?: NetnsLike }): void {
  const parsed = withRuleDefaults(parseNewRule(rule));
  withRouteSocket(netnsOf(options), (socket) => {
    const flags = NLM_F_CREATE | NLM_F_EXCL;
    socket.request("RTM_NEWRULE", RTM_NEWRULE, flags, ruleBody(parsed), ruleAttributes(parsed), textOf(rule));
  });
}

/** Removes a policy rule in a network namespace; see the export of the same name. */
export function removeRule(rule: RuleSettings | Rule, options: { netns?: NetnsLike }): void {
  const parsed = parseRemovedRule(rule as RuleSettings);
  withRouteSocket(netnsOf(options), (socket) => {
    socket.request("RTM_DELRULE", RTM_DELRULE, 0, ruleBody(parsed), ruleAttributes(parsed), textOf(rule));
  });
}

/** Returns the policy rules of a network namespace; see the export of the same name. */
export function listRules(options: { family?: 4 | 6; netns?: NetnsLike }): Rule[] {
  checkOptions(options, { family: familyOf, netns: checkNetns }, undefined);
  return withRouteSocket(options.netns, (socket) =>
    socket
      .dump("RTM_GETRULE", RTM_GETRULE, ruleDumpBody(familyOf(options.family)))
      .map(({ body }) => decodeRule(body))
      .filter((rule) => rule !== null)
      .sort((one, other) => one.family - other.family || one.priority - other.priority),
  );
}

/** Describes a rule in errors: "from 192.0.2.0/24, table 5". */
function textOf(rule: object): string {
  return Object.entries(rule)
    .map((member) => member.join(" "))
    .join(", ");
}
