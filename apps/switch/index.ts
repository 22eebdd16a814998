/**
 * bun run apps/switch serve --token-file token --pool 198.51.100.0/24         the switch
 * sudo bun run apps/switch join ws://192.0.2.1:7000 --token-file token        each client
 * bun run apps/switch --help                                                  all options
 * curl -H "Authorization: Bearer $(cat token)" http://192.0.2.1:7000/status       who is there
 * bun build --compile apps/switch/index.ts --outfile switch                   all of it in one file
 *
 * A virtual Ethernet LAN over WebSocket: clients that reach the switch over
 * HTTP get an interface each, as if all were plugged into one switch. ARP,
 * IPv6, broadcast, multicast, VLANs: whatever Ethernet carries. The switch
 * needs no privilege. Who has the token may do what anybody on an Ethernet
 * may; use TLS where others listen.
 */
import { type Command, HELP, parseCommandLine, UsageError } from "./command-line.ts";
import { join } from "./join.ts";
import { serve } from "./serve.ts";

process.exitCode = await main(process.argv.slice(2));

async function main(args: readonly string[]): Promise<number> {
  try {
    return await obey(parseCommandLine(args));
  } catch (error) {
    if (error instanceof UsageError) console.error(`${error.message}\nswitch --help tells more`);
    else if (error instanceof RangeError || hasCode(error)) console.error(error.message);
    else throw error;
    return error instanceof UsageError ? 2 : 1;
  }
}

async function obey(command: Command): Promise<number> {
  if (command.name === "help") {
    console.log(HELP.trimEnd());
    return 0;
  }
  const stop = new AbortController();
  for (const name of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.once(name, () => stop.abort(name));
  const log = (line: string): void => console.error(line);
  if (command.name === "join") return await join({ ...command.options, log, signal: stop.signal });

  const server = serve({ ...command.options, log });
  console.log(`listening on ${server.url.origin.replace(/^http/, "ws")}`);
  if (command.madeToken) console.log(`token ${command.options.token}`);
  await new Promise((resolve) => stop.signal.addEventListener("abort", resolve));
  await server.stop(true);
  return 0;
}

/** A TunTapError, or one of the system's, such as an address that is in use: the message says it all. */
function hasCode(error: unknown): error is Error {
  return error instanceof Error && "code" in error;
}
