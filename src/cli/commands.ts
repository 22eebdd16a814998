/** The subcommands: to add one, write a module that defines it, and a line here. */

import type { Commands } from "./command.ts";

/** Subcommands by name, in the order of the help. Each start loads the module of one alone. */
export const commands: Commands = {
  doctor: {
    summary: "say what this machine, kernel and user can do, and how to get what is missing",
    load: async () => (await import("./doctor.ts")).doctor,
  },
  list: {
    summary: "list the TUN and TAP interfaces that are here",
    load: async () => (await import("./list.ts")).list,
  },
  create: {
    summary: "make a persistent interface that its owner may open",
    load: async () => (await import("./create.ts")).create,
  },
  delete: {
    summary: "delete TUN and TAP interfaces",
    load: async () => (await import("./delete.ts")).remove,
  },
  dump: {
    summary: "make an interface, and print what arrives on it",
    load: async () => (await import("./dump.ts")).dump,
  },
  read: {
    summary: "print the packets of a pcapng file, one a line",
    load: async () => (await import("./read.ts")).read,
  },
  changes: {
    summary: "print the changes of an interface as they happen",
    load: async () => (await import("./changes.ts")).changes,
  },
  routes: {
    summary: "list the routes through an interface",
    load: async () => (await import("./routes.ts")).routes,
  },
  rules: {
    summary: "list the policy rules",
    load: async () => (await import("./rules.ts")).rules,
  },
  lab: {
    summary: "run a command at one end of a bad network",
    load: async () => (await import("./lab.ts")).lab,
  },
  completion: {
    summary: "print a completion script for bash, zsh or fish",
    load: async () => (await import("./completion.ts")).completion,
  },
};
