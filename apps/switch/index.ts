/** A virtual Ethernet LAN over WebSocket: see README.md. */
import { aborted, ProgramError, runProgram } from "../../src/cli/program.ts";
import { type Command, HELP, parseCommandLine } from "./command-line.ts";
import { startHub } from "./hub.ts";
import { join } from "./join.ts";

await runProgram<Command>({
  help: HELP,
  parse: parseCommandLine,
  async run(command, stop) {
    const log = (line: string): void => console.error(line);
    if (command.name === "join") return await join({ ...command.options, log, signal: stop });
    const failed = new AbortController();
    const hub = await startHub({ ...command.options, log, stop }, (why) => failed.abort(why)).catch(
      (error: unknown) => {
        if (!stop.aborted) throw error;
      },
    );
    if (hub === undefined) return 0;
    console.log(`listening on ${hub.url.origin.replace(/^http/, "ws")}`);
    if (command.madeToken) console.log(`token ${command.options.token}`);
    await aborted(AbortSignal.any([stop, failed.signal]));
    await hub.stop();
    if (failed.signal.aborted) throw new ProgramError(String(failed.signal.reason));
    return 0;
  },
});
