/** A virtual Ethernet LAN over WebSocket: see README.md. */
import { aborted, runProgram } from "../../src/cli/program.ts";
import { type Command, HELP, parseCommandLine } from "./command-line.ts";
import { join } from "./join.ts";
import { serve } from "./serve.ts";

await runProgram<Command>({
  help: HELP,
  parse: parseCommandLine,
  async run(command, stop) {
    const log = (line: string): void => console.error(line);
    if (command.name === "join") return await join({ ...command.options, log, signal: stop });
    const server = serve({ ...command.options, log });
    console.log(`listening on ${server.url.origin.replace(/^http/, "ws")}`);
    if (command.madeToken) console.log(`token ${command.options.token}`);
    await aborted(stop);
    await server.stop(true);
    return 0;
  },
});
