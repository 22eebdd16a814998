import { readFileSync } from "node:fs";
import { basename } from "node:path";
import { aborted, ProgramError } from "../../../src/cli/program.ts";
import { run } from "../background.ts";
import type { RunOptions } from "../command-line.ts";
import type { Log } from "../core/log.ts";
import type { PeerSettings, TunnelSettings } from "../core/settings.ts";
import { type Running, start } from "../run.ts";
import { type FileConfig, parseConfig } from "./config-file.ts";
import { setNameServers } from "./dns.ts";
import { runHooks } from "./hooks.ts";
import { resolveEndpoint } from "./resolve.ts";
import { setRoutes } from "./routing.ts";
import { saveConfig } from "./save-config.ts";

/** The path and the interface's name of what a user gives: "wg0", or the path of a file that ends in ".conf". */
export function configPath(target: string): { path: string; name: string } {
  const path = target.includes("/") || target.endsWith(".conf") ? target : `/etc/wireguard/${target}.conf`;
  const name = basename(path).replace(/\.conf$/, "");
  if (!/^[\w=+.-]{1,15}$/.test(name)) {
    throw new ProgramError(
      `The file's name is the interface's: up to 15 letters, digits and any of _=+.- before ".conf", got ${JSON.stringify(name)}`,
    );
  }
  return { path, name };
}

/** Makes a tunnel as its file has it, and keeps it until it ends. Returns the exit code. */
export async function up(options: RunOptions & { readonly file: string }, stop: AbortSignal): Promise<number> {
  const { path, name } = configPath(options.file);
  // By the process that waits too, so that a mistake is told before anything is made.
  const config = parseConfig(readConfig(path), path);
  return run(options.foreground, stop, (ready) =>
    keepUp({ ...options, mtu: config.mtu ?? options.mtu }, config, path, name, stop, ready),
  );
}

async function keepUp(
  options: RunOptions,
  config: FileConfig,
  path: string,
  name: string,
  stop: AbortSignal,
  ready: () => void,
): Promise<number> {
  const { hooks } = config;
  await runHooks(hooks.preUp, name);
  // The hooks before the end need the tunnel: a signal ends it only after them.
  const end = new AbortController();
  using running = await start(options, name, end.signal);
  const undo = await setUp(config, running, name, stop);
  ready();
  const code = await Promise.race([running.ended, aborted(stop).then(() => undefined)]);
  const log = (error: Error): void => running.log.error(error.message);
  if (code === undefined) {
    await runHooks(hooks.preDown, name).catch(log);
    if (config.saveConfig) trySaving(path, config, running);
  }
  await undo();
  end.abort();
  await running.ended;
  await runHooks(hooks.postDown, name).catch(log);
  return code ?? 0;
}

/** A file that cannot be written is no reason to leave routes and rules behind. */
function trySaving(path: string, config: FileConfig, { tunnel, log }: Running): void {
  try {
    saveConfig(path, config, tunnel);
  } catch (error) {
    log.error(`the configuration is not saved: ${(error as Error).message}`);
  }
}

function readConfig(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    throw new ProgramError(`The configuration cannot be read: ${(error as Error).message}`);
  }
}

/** Sets all that the file says. Returns how that is undone which does not go with the interface. */
async function setUp(
  config: FileConfig,
  { tunnel, log }: Running,
  name: string,
  stop: AbortSignal,
): Promise<() => Promise<void>> {
  tunnel.apply(await settingsOf(config, log, stop));
  for (const address of config.addresses) tunnel.device.addAddress(address);
  tunnel.up();
  const unsetNameServers = await setNameServers(name, config.nameServers, config.searchDomains, log);
  let removeRoutes = (): void => {};
  const undo = async (): Promise<void> => {
    removeRoutes();
    await unsetNameServers().catch((error: Error) => log.error(error.message));
  };
  try {
    removeRoutes = setRoutes(tunnel, config.table);
    await runHooks(config.hooks.postUp, name);
  } catch (error) {
    await undo();
    throw error;
  }
  return undo;
}

async function settingsOf(config: FileConfig, log: Log, stop: AbortSignal): Promise<TunnelSettings> {
  const peers: PeerSettings[] = [];
  for (const { endpoint, ...peer } of config.peers) {
    const resolved = endpoint && (await resolveEndpoint(endpoint, log, stop));
    peers.push({ ...peer, replaceAllowedIps: true, ...(resolved !== undefined && { endpoint: resolved }) });
  }
  const { privateKey, listenPort = 0, mark = 0 } = config;
  return { ...(privateKey !== undefined && { privateKey }), listenPort, mark, replacePeers: true, peers };
}
