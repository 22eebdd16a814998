/** The command line, and what is wrong with it. */
import { lookup } from "node:dns/promises";
import { isIP } from "node:net";
import { parseArgs } from "node:util";
import { readKey } from "./key-file.ts";
import { type Endpoint, REKEY_AFTER_MS_MAX } from "./peer.ts";
import type { TunnelOptions } from "./tunnel.ts";
import { innerMtu } from "./wire.ts";

/** Exit code 2. */
export class UsageError extends Error {}

export type Command =
  | { readonly name: "help" }
  | { readonly name: "keygen" }
  | { readonly name: "tunnel"; readonly options: Omit<TunnelOptions, "tell" | "ended"> };

const PORT = 51820;
const ETHERNET_MTU = 1500;
/** Below it, Linux has no IPv6 on an interface; RFC 8200 section 5. */
const MTU_MIN = 1280;
/** No path carries more: the length of an IP packet has 16 bits. */
const MTU_MAX = innerMtu(65_535);

export const help: string = `A point-to-point VPN over UDP.

  vpn keygen > vpn.key                     a key for both hosts, in a file of mode 0600
  vpn listen --key vpn.key [options]       waits for the other host
  vpn connect HOST:PORT --key vpn.key ...  connects to it; [2001:db8::1]:51820 for IPv6

  --key FILE           the key that both hosts have
  --address A/LENGTH   an address in the tunnel, such as 198.51.100.1/30; as often as needed
  --route NETWORK      what is reached through the tunnel, such as 203.0.113.0/24; as often as needed.
                       The other host itself must not be: where a route covers it, it needs one
                       of its own, ip route add 192.0.2.1 via GATEWAY
  --port N             the UDP port here: ${PORT} to listen, any free one to connect
  --name NAME          the interface; default vpn%d, where %d is the first free number
  --mtu BYTES          of the tunnel; default ${innerMtu(ETHERNET_MTU)}, for a path of ${ETHERNET_MTU} over IPv4 or IPv6
  --keep-alive S       say something at least so often, in seconds; the same on both; default 10
  --rekey-after S      to connect: new keys after so many seconds; default 120
  --rekey-packets N    to connect: or after so many packets; default 4294967296

What happens is printed as JSON, a line each; the counters on SIGUSR1 and at
the end. The clocks may differ, but when that of the host that connects is set
back and vpn started again there, start the other one again too: what is not
newer than its last handshake it counts as replayed. It needs CAP_NET_ADMIN: root, or setcap cap_net_admin+ep ./vpn.`;

const options = {
  help: { type: "boolean", short: "h" },
  key: { type: "string" },
  address: { type: "string", multiple: true },
  route: { type: "string", multiple: true },
  port: { type: "string" },
  name: { type: "string", default: "vpn%d" },
  mtu: { type: "string", default: String(innerMtu(ETHERNET_MTU)) },
  "keep-alive": { type: "string", default: "10" },
  "rekey-after": { type: "string", default: "120" },
  "rekey-packets": { type: "string", default: String(2 ** 32) },
} as const;

export async function parseCommandLine(args: string[]): Promise<Command> {
  const { values, positionals } = parse(args);
  const [name, target, ...rest] = positionals;
  if (values.help || name === undefined) return { name: "help" };
  if (name === "keygen" && target === undefined) return { name };
  const connects = name === "connect";
  if ((!connects && name !== "listen") || connects !== (target !== undefined) || rest.length > 0) {
    throw new UsageError("Expected keygen, listen or connect HOST:PORT: see --help");
  }
  if (values.key === undefined) throw new UsageError("--key is missing: make one with vpn keygen > vpn.key");
  return {
    name: "tunnel",
    options: {
      key: readKey(values.key),
      endpoint: target === undefined ? undefined : await endpointOf(target),
      port: number("port", values.port ?? (connects ? "0" : String(PORT)), 0, 65_535),
      name: values.name,
      mtu: number("mtu", values.mtu, MTU_MIN, MTU_MAX),
      addresses: values.address ?? [],
      routes: values.route ?? [],
      keepAliveMs: 1000 * number("keep-alive", values["keep-alive"], 1, 3600),
      rekeyAfterMs: 1000 * number("rekey-after", values["rekey-after"], 1, REKEY_AFTER_MS_MAX / 1000),
      rekeyAfterPackets: number("rekey-packets", values["rekey-packets"], 1, 2 ** 40),
    },
  };
}

function parse(args: string[]): ReturnType<typeof parseArgs<{ options: typeof options; allowPositionals: true }>> {
  try {
    return parseArgs({ args, allowPositionals: true, options });
  } catch (error) {
    throw new UsageError(`${(error as Error).message}: see --help`);
  }
}

function number(option: string, text: string, least: number, most: number): number {
  const value = Number(text);
  if (/^\d+$/.test(text) && value >= least && value <= most) return value;
  throw new UsageError(`--${option} is "${text}": expected a number from ${least} to ${most}`);
}

/** HOST:PORT, where HOST is a name, an IPv4 address, or an IPv6 address in brackets. */
async function endpointOf(target: string): Promise<Endpoint> {
  const [, bracketed, plain, port = ""] = /^(?:\[([^\]]+)\]|([^:]+)):(\d+)$/.exec(target) ?? [];
  const host = bracketed ?? plain;
  if (host === undefined) throw new UsageError(`"${target}" is no HOST:PORT, such as 192.0.2.1:${PORT}`);
  const address = isIP(host) === 0 ? await resolve(host) : host;
  return { address, port: number("port", port, 1, 65_535) };
}

async function resolve(host: string): Promise<string> {
  try {
    return (await lookup(host)).address;
  } catch (error) {
    throw new Error(`"${host}" has no address: ${(error as Error).message}`, { cause: error });
  }
}
