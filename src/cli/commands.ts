/** The subcommands: to add one, write a module that defines it, and a line here. */

import type { Command } from "./command.ts";

/** A line of the table. */
export interface Entry {
  /** Half a line for the list of subcommands. */
  readonly summary: string;
  /** Loads the module: each start loads that of one subcommand alone. */
  load(): Promise<Command>;
}

/** Subcommands by name, in the order of the help. */
export const commands: Readonly<Record<string, Entry>> = {
  doctor: {
    summary: "say what this machine, kernel and user can do, and how to get what is missing",
    load: async () => (await import("./doctor.ts")).doctor,
  },
  list: {
    summary: "list the TUN and TAP interfaces that are here",
    load: async () => (await import("./list.ts")).list,
  },
  lab: {
    summary: "run a command at one end of a bad network",
    load: async () => (await import("./lab.ts")).lab,
  },
};
