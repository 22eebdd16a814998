import { tryUserNamespace } from "../sys/netns.ts";
import { createLab } from "./lab.ts";
import { labObstacle } from "./namespace.ts";
import type { LinkImpairments } from "./types.ts";

/** A command to be run on a host, and perhaps another one on the other host. */
export interface HostCommands {
  readonly impairments: LinkImpairments;
  /** Default: one by chance. */
  readonly seed: number | undefined;
  readonly command: readonly string[];
  readonly other: readonly string[] | undefined;
  /** Ends the commands when it is aborted; its reason is the name of the signal. */
  readonly stop: AbortSignal;
}

/** The environment variable of the process that runs in user, network and mount namespaces of its own. */
const INSIDE = "BUN_TUNTAP_LAB_INSIDE";
/** Exit codes as `env` and shells have them. */
const CANNOT_RUN = 125;
const NOT_FOUND = 127;
const SIGNALLED = 128;

/** Runs commands in a lab; without root, in a user namespace. Resolves to the exit code of the first command. */
export async function runOnHosts(commands: HostCommands): Promise<number> {
  const obstacle = labObstacle();
  if (obstacle === undefined) return run(commands);
  if (process.env[INSIDE] !== undefined || obstacle.startsWith("needs /dev/net/tun")) return fail(CANNOT_RUN, obstacle);
  return runInside(commands.stop);
}

/** Runs this very call again, as the root of a user namespace. */
async function runInside(stop: AbortSignal): Promise<number> {
  if (tryUserNamespace() < 0) {
    return fail(
      CANNOT_RUN,
      "needs user namespaces, which this system forbids: run it with sudo, or see `bunx bun-tuntap doctor`",
    );
  }
  const unshare = Bun.which("unshare");
  if (unshare === null) {
    return fail(CANNOT_RUN, "needs the program unshare of util-linux: install it, or run this with sudo");
  }
  const self = [process.execPath, ...process.argv.slice(1)];
  const child = Bun.spawn([unshare, "--user", "--map-root-user", "--net", "--mount", ...self], {
    stdio: ["inherit", "inherit", "inherit"],
    env: { ...process.env, [INSIDE]: "1" },
  });
  return endOf(child, [child], stop);
}

async function run({ impairments, seed, command, other, stop }: HostCommands): Promise<number> {
  await using lab = await createLab(seed === undefined ? {} : { seed });
  const [near, far] = [lab.host("near"), lab.host("far")];
  lab.link(near, far, impairments);
  process.stderr.write(`lab: near ${near.address}, far ${far.address}, seed ${lab.seed}\n`);
  try {
    const second = other === undefined ? [] : [far.spawn([...other], { stdio: ["ignore", "inherit", "inherit"] })];
    const first = near.spawn([...command], { stdio: ["inherit", "inherit", "inherit"] });
    return await endOf(first, [first, ...second], stop);
  } catch (error) {
    return fail(NOT_FOUND, (error as Error).message);
  }
}

/** Waits for the first program; a signal to this one goes to all of them. */
async function endOf(first: Bun.Subprocess, all: readonly Bun.Subprocess[], stop: AbortSignal): Promise<number> {
  const pass = (): void => {
    for (const program of all) program.kill(stop.reason as NodeJS.Signals);
  };
  stop.addEventListener("abort", pass, { once: true });
  // It came while the lab was being made.
  if (stop.aborted) pass();
  const code = await first.exited;
  stop.removeEventListener("abort", pass);
  const { signalCode } = first;
  if (signalCode === null) return code;
  const numbers: Readonly<Record<string, number>> = process.getBuiltinModule("node:os").constants.signals;
  return SIGNALLED + (numbers[signalCode] ?? 0);
}

function fail(exitCode: number, message: string): number {
  process.stderr.write(`bun-tuntap lab: ${message}\n`);
  return exitCode;
}
