import { listRules, type Rule } from "../index.ts";
import { type Command, defineCommand, json } from "./command.ts";
import { printTable } from "./table.ts";

/** Lists the policy rules. */
export const rules: Command = defineCommand({
  operands: "",
  about:
    "Lists the policy rules of this network namespace, which choose the routing table of a packet, in the order in which the kernel asks them, IPv4 before IPv6. Needs no privilege.",
  options: { json },
  count: [0, 0],
  prepare:
    ({ json }) =>
    async ({ output }) => {
      const found = listRules();
      if (json) output.json(found, "page");
      else printTable(output, HEAD, found.map(cells));
    },
});

const HEAD = ["PRIORITY", "FAMILY", "SELECTS", "DOES"];

function cells(rule: Rule): string[] {
  return [String(rule.priority), `IPv${rule.family}`, selector(rule), action(rule)];
}

function selector({ not, from, to, mark, mask, incomingInterface, outgoingInterface, incomplete }: Rule): string {
  const bits = mask === undefined ? "" : `/0x${mask.toString(16)}`;
  const parts = [
    from !== undefined && `from ${from}`,
    to !== undefined && `to ${to}`,
    mark !== undefined && `mark ${mark}${bits}`,
    incomingInterface !== undefined && `in by ${incomingInterface}`,
    outgoingInterface !== undefined && `out by ${outgoingInterface}`,
    incomplete && "and more",
  ];
  return `${not ? "not " : ""}${parts.filter(Boolean).join(" ") || "all"}`;
}

function action({ action, table, suppressPrefixLength }: Rule): string {
  const where = table === undefined ? "" : ` table ${table}`;
  const but = suppressPrefixLength === undefined ? "" : `, but prefixes up to /${suppressPrefixLength}`;
  return `${typeof action === "number" ? `action ${action}` : action}${where}${but}`;
}
