import type { LinkChange } from "../index.ts";
import { watchInterface } from "../interface/watch.ts";
import { type Command, type Context, defineCommand, json, type Work } from "./command.ts";
import { clockTime } from "./time.ts";
import { parseInteger } from "./values.ts";

/** Prints the changes of an interface as they happen. */
export const changes: Command = defineCommand({
  operands: "NAME",
  about:
    "Prints each change of an interface, whoever makes it, in the kernel's order, until Ctrl-C or until the interface is gone: up and down, carrier, addresses, MTU, name, MAC address, master. Needs no privilege. With --json, one object a line.",
  options: {
    count: { type: "string", short: "n", value: "NUMBER", about: "end after so many changes" },
    json,
  },
  count: [1, 1],
  completes: "interfaces",
  prepare({ count, json }, [name = ""]): Work {
    const most = count === undefined ? Number.POSITIVE_INFINITY : parseInteger("count", count, COUNT);
    return async (context) => follow(name, most, json ?? false, context);
  },
});

const COUNT = { min: 1, max: Number.MAX_SAFE_INTEGER };

async function follow(name: string, most: number, json: boolean, { output, stop }: Context): Promise<void> {
  let seen = 0;
  try {
    const told = watchInterface(name, stop);
    output.progress(`Waiting for changes of ${name} · Ctrl-C ends it`);
    for await (const change of told) {
      const time = new Date();
      if (json) output.json({ time: time.toISOString(), ...change });
      else output.line(`${output.paint("dim", clockTime(time))} ${words(change)}`);
      await output.flush();
      if (++seen === most) return;
    }
  } catch (error) {
    if (!stop.aborted) throw error;
  }
}

function words(change: LinkChange): string {
  switch (change.type) {
    case "carrier":
      return change.carrier ? "carrier" : "no carrier";
    case "mtu":
      return `mtu ${change.mtu}`;
    case "name":
      return `name ${change.name}, was ${change.before}`;
    case "mac":
      return `mac ${change.mac}`;
    case "master":
      return change.master === undefined ? "no master" : `master ${change.master}`;
    case "address-added":
    case "address-changed":
    case "address-removed":
      return `${change.type} ${change.address.address}${change.address.tentative ? " (tentative)" : ""}`;
    case "lost":
      return `${change.count} changes were lost`;
    default:
      return change.type;
  }
}
