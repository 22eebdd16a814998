#!/usr/bin/env bun
/**
 * sudo bun apps/wireguard wg0            the interface wg0, for \`wg setconf wg0 FILE\` and \`wg show\`
 * sudo bun apps/wireguard up wg0.conf    a tunnel as its configuration file has it
 * bun apps/wireguard --help              all commands and options
 *
 * bun build --compile apps/wireguard/index.ts --outfile wireguard    all of it in one file
 */
import { ProgramError, runProgram } from "../../src/cli/program.ts";
import { type Command, parseCommand, USAGE } from "./command-line.ts";
import { generatePresharedKey, generatePrivateKey, keyText, parseKeyText, publicKeyOf } from "./core/keys.ts";
import { run } from "./run.ts";

await runProgram<Command>({
  help: USAGE,
  parse: (args) => parseCommand(args, process.env),
  run: async (command, stop) => {
    switch (command.kind) {
      case "genkey":
        console.log(keyText(generatePrivateKey()));
        return 0;
      case "genpsk":
        console.log(keyText(generatePresharedKey()));
        return 0;
      case "pubkey":
        console.log(await publicKeyOfInput());
        return 0;
      case "run":
        return run(command, stop);
      case "up":
        return (await import("./quick/up.ts")).up(command, stop);
      case "down":
        return (await import("./quick/down.ts")).down(command.target);
    }
  },
});

async function publicKeyOfInput(): Promise<string> {
  const key = parseKeyText((await Bun.stdin.text()).trim());
  if (key === undefined) throw new ProgramError("Give a private key on standard input: 44 characters of base64");
  return keyText(publicKeyOf(key));
}
