/** What several unit tests need: what a call throws, and programs run to their end. */

/** Returns what `call` throws; throws itself if it throws nothing. */
export function thrownBy(call: () => unknown): unknown {
  try {
    call();
  } catch (error) {
    return error;
  }
  throw new Error("Nothing was thrown");
}

/** Kind and message of what `call` throws: the exact class, not one that it extends. */
export function failureOf(call: () => unknown): { kind: string; message: string } {
  const error = thrownBy(call);
  if (!(error instanceof Error)) throw new Error(`Not an Error: ${Bun.inspect(error)}`);
  return { kind: error.constructor.name, message: error.message };
}

export interface Ended {
  readonly exitCode: number | null;
  readonly signal: string | undefined;
  readonly stdout: string;
  readonly stderr: string;
}

/** The repository's top folder. */
export const top: string = new URL("../..", import.meta.url).pathname.replace(/\/$/, "");

/** Runs a program to its end, for a minute at most. */
export function runToEnd(
  command: string[],
  options: { cwd?: string; env?: Record<string, string>; stdin?: string } = {},
): Ended {
  const { exitCode, signalCode, stdout, stderr } = Bun.spawnSync(command, {
    cwd: options.cwd ?? top,
    env: { ...process.env, ...options.env },
    stdin: options.stdin === undefined ? null : new TextEncoder().encode(options.stdin),
    timeout: 60_000,
  });
  return { exitCode, signal: signalCode?.toString(), stdout: stdout.toString(), stderr: stderr.toString() };
}

/** Runs TypeScript source in a Bun of its own; `flags` go before it. */
export function runScript(source: string, flags: string[] = [], env: Record<string, string> = {}): Ended {
  return runToEnd([process.execPath, ...flags, "-e", source], { env });
}

/** `bytes` in the middle of a larger buffer that holds `sentinel` all around them. */
export function surround(bytes: Uint8Array, sentinel = 0xa5): Uint8Array {
  const margin = 67;
  const buffer = new Uint8Array(bytes.length + 2 * margin).fill(sentinel);
  buffer.set(bytes, margin);
  return buffer.subarray(margin, margin + bytes.length);
}

/** Bytes from hexadecimal text; blanks are for the reader. */
export function hex(text: string): Uint8Array {
  return Uint8Array.fromHex(text.replaceAll(/\s/g, ""));
}

/** Tells whether a hint is what users are promised: one sentence, on one line, without a full stop. */
export function isOneSentence(hint: string | undefined): boolean {
  if (hint === undefined) return false;
  // Dots inside of names, numbers and versions are followed by no blank.
  return /^\S/.test(hint) && !/[\r\n]/.test(hint) && !/\.(\s|$)/.test(hint) && hint.trim() === hint;
}
