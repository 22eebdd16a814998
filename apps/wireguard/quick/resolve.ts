import { lookup } from "node:dns/promises";
import { ProgramError } from "../../../src/cli/program.ts";
import { parseIPAddress } from "../core/ip.ts";
import type { Log } from "../core/log.ts";
import type { PeerEndpoint } from "../core/settings.ts";

/** Resolves a name as wg does: one that cannot be resolved is tried again for about 90 seconds, less and less often. */
const TRIES = 15;
const FIRST_DELAY_MS = 1000;
const DELAY_GROWTH = 1.2;

/** Finds the address of an endpoint. @throws {ProgramError} If its name leads nowhere, also after a while */
export async function resolveEndpoint(
  { host, port }: { readonly host: string; readonly port: number },
  log: Log,
  stop: AbortSignal,
): Promise<PeerEndpoint> {
  if (parseIPAddress(host) !== null) return { address: host, port };
  let delay = FIRST_DELAY_MS;
  for (let tries = 1; ; tries++) {
    try {
      const { address } = await lookup(host);
      return { address, port };
    } catch (error) {
      const { message } = error as Error;
      if (tries === TRIES) throw new ProgramError(`The endpoint ${host}:${port} cannot be resolved: ${message}`);
      log.error("the name of an endpoint cannot be resolved: trying again", { host, after: `${Math.round(delay)} ms` });
    }
    await waitFor(delay, stop);
    if (stop.aborted) throw new ProgramError(`The endpoint ${host}:${port} was not resolved before ${stop.reason}`);
    delay *= DELAY_GROWTH;
  }
}

async function waitFor(milliseconds: number, stop: AbortSignal): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, milliseconds);
  stop.addEventListener("abort", () => resolve(), { once: true });
  await promise;
  clearTimeout(timer);
}
