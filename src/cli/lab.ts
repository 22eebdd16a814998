import { checkOptions } from "../checks.ts";
import { runOnHosts } from "../lab/command.ts";
import { labChecks } from "../lab/options.ts";
import { impairmentChecks } from "../lab/settings.ts";
import { parseValues } from "../lab/units.ts";
import { type Command, defineCommand } from "./command.ts";

/** Runs a command at one end of a bad network. */
export const lab: Command = defineCommand({
  operands: "-- COMMAND… [--and COMMAND…]",
  about: `Runs a command on a host of its own, at one end of a link that is as bad as the options say, also without root. The command behind --and runs at the other end, and is ended with the first one.
LAB_NEAR in the environment is the address of the command's own host, LAB_FAR that of the other one; LAB_NEAR6 and LAB_FAR6 for IPv6. Nothing else can be reached. Ends as the command does; 125 if there can be no lab here.`,
  options: {
    delay: { type: "string", value: "50ms", about: "time that each packet takes, each way: 0.5ms, 250us, 1s" },
    jitter: { type: "string", value: "5ms", about: "how much the delay varies, up and down" },
    loss: { type: "string", value: "5%", about: "packets that are lost, each way" },
    duplicate: { type: "string", value: "1%", about: "packets that arrive twice" },
    reorder: { type: "string", value: "1%", about: "packets that others overtake" },
    corrupt: { type: "string", value: "1%", about: "packets with one bit flipped" },
    rate: { type: "string", value: "10mbit", about: "bit/s, each way: 500kbit, 1gbit" },
    queue: { type: "string", value: "64k", about: "bytes that may wait for the rate" },
    mtu: { type: "string", value: "1400", about: "longest packet that passes, in bytes; longer ones vanish" },
    seed: { type: "string", value: "7", about: "the same chance once more" },
  },
  count: [1, Number.POSITIVE_INFINITY],
  prepare: (values, operands) => {
    const { seed, ...impairments } = parseValues(values);
    checkOptions(impairments, impairmentChecks, undefined);
    if (seed !== undefined) checkOptions({ seed }, labChecks, undefined);
    const at = operands.indexOf("--and");
    const command = at < 0 ? operands : operands.slice(0, at);
    const other = at < 0 ? undefined : operands.slice(at + 1);
    if (command.length === 0 || other?.length === 0) throw new RangeError("needs a command on each side of --and");
    if (other?.includes("--and")) throw new RangeError("there are two hosts: --and can be given once");
    return ({ stop }) => runOnHosts({ impairments, seed, command, other, stop });
  },
});
