import { type Device, type OpenOptions, openTap, openTun } from "../index.ts";
import { type Command, defineCommand, json, type Work } from "./command.ts";
import { parseId, parseInteger } from "./values.ts";

/** Makes an interface that stays. */
export const create: Command = defineCommand({
  operands: "[NAME]",
  about:
    "Makes a persistent TUN, or TAP with --tap, that its owner may open without privilege, and prints its name. NAME may be a pattern such as vpn%d, which the kernel numbers. Needs CAP_NET_ADMIN. The owner is the user who called sudo, unless an owner, a group or --ownerless is given.",
  options: {
    tap: { type: "boolean", about: "make a TAP, which carries Ethernet frames" },
    owner: { type: "string", value: "USER", about: "user, by name or number, who may open it" },
    group: { type: "string", value: "GROUP", about: "group, by name or number, whose members may open it" },
    ownerless: { type: "boolean", about: "let every user open it" },
    address: {
      type: "string",
      multiple: true,
      value: "ADDRESS",
      about: "address such as 192.0.2.1/24; may be repeated",
    },
    mtu: { type: "string", value: "BYTES", about: "largest packet" },
    mac: { type: "string", value: "MAC", about: "the kernel's MAC address on a TAP" },
    alias: { type: "string", value: "TEXT", about: "text that `ip link` shows beside the name" },
    up: { type: "boolean", about: "bring it up; an address does so, too" },
    "multi-queue": { type: "boolean", about: "let several programs or threads open it at once, each with a queue" },
    json,
  },
  count: [0, 1],
  prepare(values, [name]): Work {
    const { tap, owner, group, ownerless, address, mtu, mac, alias, up } = values;
    const ownerId = owner === undefined ? undefined : parseId("owner", owner);
    const groupId = group === undefined ? undefined : parseId("group", group);
    const options: OpenOptions<Device> = {
      ...(name !== undefined && { name }),
      ...ownership(ownerId, groupId, ownerless ?? false),
      ...(address !== undefined && { addresses: address }),
      ...(mtu !== undefined && { mtu: parseInteger("mtu", mtu, { min: 68, max: 65_535 }) }),
      ...(mac !== undefined && { mac }),
      ...(alias !== undefined && { alias }),
      ...(up === true && { up }),
      persist: true,
      exclusive: true,
      multiQueue: values["multi-queue"] ?? false,
    };
    return async ({ output }) => {
      using device = tap ? openTap(options as OpenOptions<never>) : openTun(options as OpenOptions<never>);
      if (values.json) output.json(device.info(), "page");
      else output.line(device.name);
    };
  },
});

/** An interface that everybody may open has to be asked for by name. */
function ownership(owner: number | undefined, group: number | undefined, ownerless: boolean): OpenOptions<never> {
  if (ownerless) {
    if (owner === undefined && group === undefined) return { ownerless };
    throw new RangeError("--ownerless and an owner or a group exclude each other");
  }
  const caller = process.env["SUDO_UID"];
  const whose = owner ?? (group === undefined && caller !== undefined ? parseId("owner", caller) : undefined);
  if (whose === undefined && group === undefined) throw new RangeError("needs --owner, --group or --ownerless");
  return { ...(whose !== undefined && { owner: whose }), ...(group !== undefined && { group }) };
}
