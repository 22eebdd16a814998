import type { TunTapError } from "../../src/index.ts";
import { printLine, run as runInPlace } from "./background.ts";
import type { RunOptions } from "./command-line.ts";
import { chooseAead } from "./core/crypto/choose.ts";
import { type Log, openLog } from "./core/log.ts";
import { Tunnel } from "./core/tunnel.ts";
import { UapiServer } from "./uapi-server.ts";

/** A tunnel that serves its configuration socket. */
export interface Running extends Disposable {
  readonly tunnel: Tunnel;
  readonly log: Log;
  /** Resolves when the tunnel has ended, to the exit code. */
  readonly ended: Promise<number>;
}

/** Makes the interface, and serves its configuration socket until the tunnel ends. Returns the exit code. */
export async function run(options: RunOptions & { readonly name: string }, stop: AbortSignal): Promise<number> {
  return runInPlace(options.foreground, stop, async (ready) => {
    using running = await start(options, options.name, stop);
    ready();
    return await running.ended;
  });
}

/** Opens a tunnel and its configuration socket. */
export async function start(options: RunOptions, name: string, stop: AbortSignal): Promise<Running> {
  const log = openLog(name, options.logLevel, options.logFormat, printLine);
  const { promise: ended, resolve } = Promise.withResolvers<number>();
  const aead = await chooseAead(options.cipher);
  const tunnel = new Tunnel({
    name,
    aead,
    log,
    ...(options.mtu !== undefined && { mtu: options.mtu }),
    onClose: (reason) => resolve(exitCodeOf(reason, log)),
  });
  let server: UapiServer;
  try {
    server = new UapiServer(tunnel, tunnel.device.name, log, () => tunnel.close());
  } catch (error) {
    tunnel.close();
    throw error;
  }
  log.verbose("started", { cipher: aead.name, mtu: tunnel.device.mtu });
  const close = (): void => tunnel.close();
  stop.addEventListener("abort", close, { once: true });
  if (stop.aborted) close();
  return {
    tunnel,
    log,
    ended,
    [Symbol.dispose]: () => {
      stop.removeEventListener("abort", close);
      server[Symbol.dispose]();
      tunnel.close();
    },
  };
}

/** That somebody deletes the interface is a way to end the tunnel, as with other implementations. */
function exitCodeOf(reason: TunTapError | undefined, log: Log): number {
  if (reason === undefined || reason.code === "EBADFD" || reason.code === "EFAULT") return 0;
  log.error(reason.message);
  return 1;
}
