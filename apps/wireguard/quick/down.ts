import { ProgramError } from "../../../src/cli/program.ts";
import { serverOf, uapiPath } from "../uapi-path.ts";
import { configPath } from "./up.ts";

const WAIT_MS = 10_000;

/** Ends a tunnel by its name or file: asks the process that serves it to end, and waits until it has. */
export async function down(target: string): Promise<number> {
  const { name } = configPath(target);
  const path = uapiPath(name);
  const server = serverOf(path);
  if (server === undefined) {
    throw new ProgramError(`There is no tunnel ${JSON.stringify(name)}: nobody serves ${path}`);
  }
  // SO_PEERCRED of a process that this PID namespace does not see (pid_namespaces(7)). As a number of kill(2) it is
  // this process and all of its group.
  if (server === 0) {
    throw new ProgramError(
      `The tunnel ${JSON.stringify(name)} is served by a process outside of this container or PID namespace: end it there`,
    );
  }
  process.kill(server, "SIGTERM");
  const end = performance.now() + WAIT_MS;
  while (isAlive(server)) {
    if (performance.now() > end)
      throw new ProgramError(`The tunnel ${JSON.stringify(name)} has not ended within 10 seconds`);
    await Bun.sleep(20);
  }
  return 0;
}

/** The commands after the end have run once the process is gone. */
function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
