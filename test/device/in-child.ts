/** Runs child.ts in another process, perhaps as another user or in another namespace, and reads its report. */
import { chmodSync, cpSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { OpenOptions } from "../../src/index.ts";

/** What child.ts is asked to do. */
export interface ChildRequest {
  readonly call: "openTun" | "openTap" | "adopt";
  /** For `adopt`. */
  readonly fd?: number;
  readonly options?: Omit<OpenOptions, "signal" | "data" | "drain" | "error" | "close">;
  /**
   * Members of the device to call or read, with arguments; `send` and `receive` in hexadecimal. Also `listDevices`,
   * `deleteDevice`, and `pause`: see {@link inChildWhile}.
   */
  readonly steps?: readonly (readonly [member: string, ...args: unknown[]])[];
  /** The number of fds that can still be opened when the device is. */
  readonly fdsLeft?: number;
  /** True if the shim is compiled before, which is the default. */
  readonly compiled?: boolean;
  /** The number of times to open and close it; outcomes of `steps` are those of all. Default 1. */
  readonly tries?: number;
  /** Open the same once more at the end, with as many fds as it wants. */
  readonly again?: boolean;
}

export interface Outcome {
  readonly value?: unknown;
  readonly error?: {
    readonly type: string;
    readonly message: string;
    readonly code?: string | undefined;
    readonly errno?: number | undefined;
    readonly syscall?: string | undefined;
    readonly hint?: string | undefined;
    readonly option?: string | undefined;
  };
}

/** What child.ts prints. */
export interface ChildReport {
  /** The device's name, or why there is none, at the first try. */
  readonly opened: Outcome;
  /** One for each of `steps`. */
  readonly outcomes: Outcome[];
  /** The fds that are open after all tries and were not before. */
  readonly left: string[];
  again?: Outcome;
}

export interface ChildSurroundings {
  /** What comes before `bun` on the command line, such as `setpriv` and its options. */
  readonly through?: readonly string[];
  /** A {@link publicTree}. Default: this repository. */
  readonly tree?: string;
  /** Further fds, from 3 on. */
  readonly fds?: readonly number[];
}

const repository = join(import.meta.dir, "../..");

function commandLine(request: ChildRequest, { through = [], tree = repository }: ChildSurroundings): string[] {
  const bun = tree === repository ? process.execPath : join(tree, "bun");
  return [...through, bun, join(tree, "test/device/child.ts"), JSON.stringify(request)];
}

function placeOf({ tree = repository }: ChildSurroundings): { cwd: string; env: Record<string, string | undefined> } {
  return { cwd: tree, env: { ...process.env, HOME: tree, BUN_RUNTIME_TRANSPILER_CACHE_PATH: "0" } };
}

/** Runs child.ts to its end, which must come by itself. */
export function inChild(request: ChildRequest, surroundings: ChildSurroundings = {}): ChildReport {
  const { exitCode, signalCode, stdout, stderr } = Bun.spawnSync(commandLine(request, surroundings), {
    ...placeOf(surroundings),
    stdio: ["ignore", "pipe", "pipe", ...(surroundings.fds ?? [])],
    timeout: 60_000,
    killSignal: "SIGKILL",
  });
  if (exitCode !== 0) throw new Error(`The child ended with ${signalCode ?? exitCode}: ${stderr}${stdout}`);
  return JSON.parse(`${stdout}`) as ChildReport;
}

/** As {@link inChild}; at each step `pause` the child waits until the next of `meanwhile` has run. */
export async function inChildWhile(
  request: ChildRequest,
  meanwhile: readonly (() => unknown)[],
  surroundings: ChildSurroundings = {},
): Promise<ChildReport> {
  const child = Bun.spawn(commandLine(request, surroundings), {
    ...placeOf(surroundings),
    stdio: ["pipe", "pipe", "inherit", ...(surroundings.fds ?? [])],
    timeout: 60_000,
    killSignal: "SIGKILL",
  });
  const { stdin, stdout } = child as Bun.Subprocess<"pipe", "pipe", "inherit">;
  let [text, pauses] = ["", 0];
  for await (const chunk of stdout) {
    text += new TextDecoder().decode(chunk);
    for (; text.startsWith("paused\n"); text = text.slice("paused\n".length)) {
      await meanwhile[pauses++]?.();
      stdin.write("go on\n");
      // An open pipe would keep the child from ending.
      await (pauses < meanwhile.length ? stdin.flush() : stdin.end());
    }
  }
  if ((await child.exited) !== 0)
    throw new Error(`The child ended with ${child.signalCode ?? child.exitCode}: ${text}`);
  if (pauses !== meanwhile.length) throw new Error(`The child paused ${pauses} times, not ${meanwhile.length}`);
  return JSON.parse(text) as ChildReport;
}

/** A copy of the library, of child.ts and of Bun that every user can read: npx keeps Bun in a folder of the user's own. */
export function publicTree(): { path: string } & Disposable {
  const path = mkdtempSync(join(tmpdir(), "bun-tuntap-open-"));
  for (const part of ["src", "native", "test/device/child.ts", "test/device/in-child.ts"]) {
    cpSync(join(repository, part), join(path, part), { recursive: true });
  }
  cpSync(process.execPath, join(path, "bun"));
  Bun.spawnSync(["chmod", "-R", "a+rX", path]);
  chmodSync(path, 0o755);
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true }) };
}
