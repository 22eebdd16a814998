import { type Address, type InterfaceInfo, listDevices } from "../index.ts";
import { addressesByIndex } from "../interface/look.ts";
import { type Command, defineCommand, json } from "./command.ts";
import { printTable } from "./table.ts";

/** Lists the interfaces of this network namespace. */
export const list: Command = defineCommand({
  operands: "",
  about: "Lists the TUN and TAP interfaces of this network namespace, whoever made them. Needs no privilege.",
  options: { json },
  count: [0, 0],
  prepare:
    ({ json }) =>
    async ({ output }) => {
      const addresses = addressesByIndex();
      const found = listDevices().map((info): Listed => ({ ...info, addresses: addresses.get(info.index) ?? [] }));
      if (json) output.json(found, "page");
      else if (found.length === 0) output.note("There is no TUN or TAP interface here");
      else printTable(output, HEAD, found.map(cells));
    },
});

type Listed = InterfaceInfo & { readonly addresses: readonly Address[] };

const HEAD = ["NAME", "KIND", "STATE", "MTU", "OWNER", "LASTS", "MAC", "ADDRESSES"];

function cells(info: Listed): string[] {
  const { name, kind, up, carrier, mtu, mac, persistent, addresses } = info;
  return [
    name,
    kind,
    up ? (carrier ? "up" : "up, not open") : "down",
    String(mtu),
    ownerOf(info),
    persistent ? "for ever" : "while open",
    mac ?? "-",
    addresses.map(({ address }) => address).join(" ") || "-",
  ];
}

/** "uid 1000, gid 27"; "everybody" for a persistent interface of nobody's. */
function ownerOf({ owner, group, persistent }: InterfaceInfo): string {
  const ids = [...(owner === undefined ? [] : [`uid ${owner}`]), ...(group === undefined ? [] : [`gid ${group}`])];
  return ids.join(", ") || (persistent ? "everybody" : "-");
}
