import { deleteDevice, TunTapError } from "../index.ts";
import { type Command, defineCommand } from "./command.ts";

/** Deletes interfaces. */
export const remove: Command = defineCommand({
  operands: "NAME…",
  about:
    "Deletes TUN and TAP interfaces by name, persistent or not; programs that are attached to them see them end. Other kinds of interfaces are refused. Needs CAP_NET_ADMIN. Goes on where one cannot be deleted, and ends with 1 then.",
  options: {},
  count: [1, Number.POSITIVE_INFINITY],
  completes: "interfaces",
  prepare:
    (_, names) =>
    async ({ output }) => {
      let failures = 0;
      for (const name of names) {
        try {
          deleteDevice(name);
        } catch (error) {
          const isExplained = error instanceof TunTapError || error instanceof RangeError;
          if (!isExplained) throw error;
          failures++;
          output.note(`bun-tuntap delete: ${error.message}`);
        }
      }
      return failures === 0 ? 0 : 1;
    },
});
