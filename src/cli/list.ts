import { type InterfaceInfo, listDevices } from "../index.ts";
import { type Command, defineCommand, json } from "./command.ts";
import { tableLines } from "./table.ts";

/** Lists the interfaces of this network namespace. */
export const list: Command = defineCommand({
  operands: "",
  about: "Lists the TUN and TAP interfaces of this network namespace, whoever made them. Needs no privilege.",
  options: { json },
  count: [0, 0],
  prepare:
    ({ json }) =>
    async ({ output }) => {
      const found = listDevices();
      if (json) output.json(found, "page");
      else if (found.length === 0) output.note("There is no TUN or TAP interface here");
      else {
        const [head, ...rows] = tableLines([HEAD, ...found.map(cells)]);
        output.line(output.paint("bold", head as string));
        for (const row of rows) output.line(row);
      }
    },
});

const HEAD = ["NAME", "KIND", "STATE", "MTU", "MAC", "OWNER", "LASTS", "QUEUES", "ALIAS"];

function cells(info: InterfaceInfo): string[] {
  const { name, kind, up, carrier, mtu, mac, persistent, queues, alias } = info;
  return [
    name,
    kind,
    up ? (carrier ? "up" : "up, no carrier") : "down",
    String(mtu),
    mac ?? "-",
    ownerOf(info),
    persistent ? "for ever" : "while open",
    queues === undefined ? (carrier ? "1" : "-") : String(queues),
    alias ?? "",
  ];
}

/** "uid 1000, gid 27"; "everybody" for a persistent interface of nobody's. */
function ownerOf({ owner, group, persistent }: InterfaceInfo): string {
  const ids = [...(owner === undefined ? [] : [`uid ${owner}`]), ...(group === undefined ? [] : [`gid ${group}`])];
  return ids.join(", ") || (persistent ? "everybody" : "-");
}
