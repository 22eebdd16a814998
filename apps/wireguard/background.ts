/** The way into the background: the same program once more, whose start this process waits for. */
import { ProgramError } from "../../src/cli/program.ts";

const BACKGROUND = "BUN_TUNTAP_WIREGUARD_BACKGROUND";

/** The message of the process in the background to the one that waits for it. */
type Report = { readonly ready: true } | { readonly failed: string } | { readonly line: string };

/**
 * Runs `work` in this process, or in one in the background that is left behind once `work` calls `ready`.
 *
 * @param stop Ends the one in the background too, while this process waits for it
 * @returns the exit code of this process
 * @throws {ProgramError} with the reason, if the one in the background does not get ready
 */
export async function run(
  foreground: boolean,
  stop: AbortSignal,
  work: (ready: () => void) => Promise<number>,
): Promise<number> {
  if (process.env[BACKGROUND] !== "1") return foreground ? work(() => {}) : inBackground(stop);
  try {
    return await work(() => report({ ready: true }));
  } catch (error) {
    report({ failed: error instanceof Error ? error.message : String(error) });
    throw error;
  }
}

/** Prints a line of the log: until this process is ready, where the user looks, also from the background. */
export function printLine(line: string): void {
  if (process.env[BACKGROUND] === "1" && process.connected) process.send?.({ line } satisfies Report);
  else console.error(line);
}

function report(message: Report): void {
  if (!process.connected) return;
  process.send?.(message);
  process.disconnect?.();
}

/** Starts this program again in a session of its own, and waits until it is ready. */
async function inBackground(stop: AbortSignal): Promise<number> {
  const { promise, resolve } = Promise.withResolvers<Report>();
  // As with wireguard-go, the log goes nowhere unless somebody has asked for one.
  const stderr = process.env["LOG_LEVEL"] === undefined ? "ignore" : "inherit";
  const child = Bun.spawn(commandOfThis(), {
    env: { ...process.env, [BACKGROUND]: "1" },
    stdin: "ignore",
    stdout: "ignore",
    stderr,
    detached: true,
    ipc: (message: Report) => {
      if ("line" in message) console.error(message.line);
      else resolve(message);
    },
  });
  const ended = child.exited.then(
    (code): Report => ({ failed: `It ended with exit code ${code} before it was ready` }),
  );
  const end = (): void => child.kill("SIGTERM");
  stop.addEventListener("abort", end);
  if (stop.aborted) end();
  const first = await Promise.race([promise, ended]);
  stop.removeEventListener("abort", end);
  if ("failed" in first) throw new ProgramError(first.failed);
  child.disconnect();
  child.unref();
  return 0;
}

/** The program and its arguments; in a compiled executable the script is inside. */
function commandOfThis(): string[] {
  const isCompiled = Bun.main.startsWith("/$bunfs/");
  return [process.execPath, ...(isCompiled ? [] : [Bun.main]), ...process.argv.slice(2)];
}
