/**
 * The network around the program under test:
 *
 *      namespace A            a fresh namespace            namespace B
 *   benchA 192.0.2.1/24 <---- fds ---- relay ---- fds ----> benchB 198.51.100.1/24
 *
 * The relay opens both interfaces in a namespace of its own; they are moved from
 * there, and its fds keep working.
 */
import { configureLink, moveLink, openNamespace } from "./netns.ts";
import { Program } from "./processes.ts";

/** The program under test ends of itself then, whatever becomes of the run. */
const SECONDS_MAX = 300;

export const ADDRESS_B = "198.51.100.1";
/** Nobody's: what is sent there goes into the TUN and meets the echo program. */
export const ADDRESS_ECHO = "192.0.2.2";

export interface RelayRig {
  a: number;
  b: number;
  relay: Program;
}

export async function openRelayRig(command: readonly string[]): Promise<RelayRig> {
  const [a, b] = await Promise.all([openNamespace(), openNamespace()]);
  const relay = new Program([...command, "benchA", "benchB", String(SECONDS_MAX)], { netns: "fresh" });
  await relay.ready();
  await moveLink("benchA", relay.pid, a);
  await moveLink("benchB", relay.pid, b);
  await configureLink(a, "benchA", "192.0.2.1/24", ["198.51.100.0/24"]);
  await configureLink(b, "benchB", "198.51.100.1/24", ["192.0.2.0/24"]);
  return { a, b, relay };
}

/** One namespace, one TUN, one program that sends everything back. Returns the namespace. */
export async function openEchoRig(command: readonly string[]): Promise<number> {
  const netns = await openNamespace();
  const echo = new Program([...command, "benchE", String(SECONDS_MAX)], { netns });
  await echo.ready();
  await configureLink(netns, "benchE", "192.0.2.1/24", []);
  return netns;
}
