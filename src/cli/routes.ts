import type { Route } from "../index.ts";
import { routesOf } from "../interface/look.ts";
import { type Command, defineCommand, json } from "./command.ts";
import { printTable } from "./table.ts";

/** Lists the routes through an interface. */
export const routes: Command = defineCommand({
  operands: "NAME",
  about:
    "Lists the unicast routes that lead through an interface, of all tables, IPv4 before IPv6; without those that have several next hops. Needs no privilege.",
  options: { json },
  count: [1, 1],
  completes: "interfaces",
  prepare:
    ({ json }, [name = ""]) =>
    async ({ output }) => {
      const found = routesOf(name);
      if (json) output.json(found, "page");
      else if (found.length === 0) output.note(`No route leads through ${name}`);
      else printTable(output, HEAD, found.map(cells));
    },
});

const HEAD = ["TO", "VIA", "METRIC", "TABLE", "SOURCE", "SCOPE", "MADE BY", "MORE"];

function cells({ to, via, metric, table, source, scope, protocol, onLink, mtu, advmss }: Route): string[] {
  const more = [onLink && "on link", mtu && `mtu ${mtu}`, advmss && `advmss ${advmss}`];
  return [
    to,
    via ?? "-",
    String(metric ?? 0),
    String(table),
    source ?? "-",
    String(scope),
    String(protocol),
    more.filter(Boolean).join(", "),
  ];
}
