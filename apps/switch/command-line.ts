/** The command line: options, their meaning and their checks. */
import { createHash } from "node:crypto";
import { isIP } from "node:net";
import { parseArgs } from "node:util";
import { parseInteger } from "../../src/cli/values.ts";
import { checkName } from "../../src/interface/checks.ts";
import { readCertificateAndKey, readCertificates } from "../support/certificates.ts";
import { parseListen } from "../support/listen.ts";
import { Pool } from "./addresses/pool.ts";
import { BACKBONE_HELP, BACKBONE_OPTIONS, parseBackbone } from "./backbone/command-line.ts";
import { MESSAGE_MAX } from "./framing.ts";
import type { HubOptions } from "./hub.ts";
import { ownId } from "./identity.ts";
import type { JoinOptions } from "./join.ts";
import { ID_PATTERN } from "./protocol.ts";
import { givenToken, newToken, TOKEN_VARIABLE, tokenOfFile } from "./token.ts";

/** Text that `--help` prints. */
export const HELP: string = `A virtual Ethernet LAN over WebSocket.

switch serve [options]                the switch; needs no privilege
  --listen ADDRESS:PORT   default 0.0.0.0:7000; "[::]:7000" for IPv6 too
  --token-file FILE       the secret that clients must know; made, if there is no such file
  --pool NETWORK          hand out addresses of this, such as 198.51.100.0/24; the same at all hubs of a LAN, whose NATS
                          servers need JetStream then
  --lease SECONDS         keep a client's address for it while it is away; default 86400
  --mtu BYTES             of the LAN; default 1500
  --age SECONDS           forget a MAC address that is not seen for so long; default 300
  --macs NUMBER           MAC addresses that one client may use; default 64
  --ports NUMBER          clients at a time; default 256
  --per-host NUMBER       clients, and addresses of the pool, that one machine may have; default 32
  --queue BYTES           that wait for a client; more are dropped and counted; default 1048576
  --timeout SECONDS       without a sign of life, after which a client is gone; 8 to 960, default 30
  --tls-cert FILE, --tls-key FILE    certificate and key, PEM: clients then use wss://
${BACKBONE_HELP}

switch join URL [URL...] [options]    a client; root, or CAP_NET_ADMIN
  URL                     of the switch: ws://192.0.2.1:7000, wss://switch.example:7000; several of a LAN of several
                          hubs, or a name with several addresses: tried in random order, another when one is lost
  --token-file FILE       the secret
  --name NAME             of the interface; default lan0
  --address ADDRESS       with prefix length, instead of the switch's; may be repeated, IPv6 too
  --shortest-prefix BITS  of an address that the switch may give: a shorter one would take over more routes; default 16
  --id ID                 what the switch knows this client by, and keeps its address for; default: one that follows
                          from the machine, the network namespace and the interface's name
  --mac MAC               default: one that follows from the id, so it stays the same
  --queue BYTES           that wait for the switch; more are dropped and counted; default 1048576
  --timeout SECONDS       without a sign of life, after which to connect again; 1 to 960, default 30, or 1.2 if there
                          are several hubs
  --tls-ca FILE           the certificate authority to trust, PEM, for a certificate of your own

The token is never an argument, as everybody sees those in ps: it is in the file, or in the
environment as ${TOKEN_VARIABLE}. A switch that is given neither makes one and prints it.

A page that shows the LAN:  http://192.0.2.1:7000/ asks for the token
Status, as JSON:  curl -H "Authorization: Bearer $(cat token)" http://192.0.2.1:7000/status
For Prometheus:   /metrics, with the same header`;

const string = { type: "string" } as const;

const SERVE_OPTIONS = {
  listen: { type: "string", default: "0.0.0.0:7000" },
  "token-file": string,
  pool: string,
  lease: string,
  mtu: string,
  age: string,
  macs: string,
  ports: string,
  "per-host": string,
  queue: string,
  timeout: string,
  "tls-cert": string,
  "tls-key": string,
  ...BACKBONE_OPTIONS,
} as const;

const JOIN_OPTIONS = {
  "token-file": string,
  name: { type: "string", default: "lan0" },
  address: { type: "string", multiple: true, default: [] as string[] },
  "shortest-prefix": string,
  id: string,
  mac: string,
  queue: string,
  timeout: string,
  "tls-ca": string,
} as const;

/** Command that the user asks for. */
export type Command =
  | { readonly name: "serve"; readonly options: Omit<HubOptions, "log" | "stop">; readonly madeToken: boolean }
  | { readonly name: "join"; readonly options: Omit<JoinOptions, "log" | "signal"> };

/** Reads the arguments. @throws If they are wrong, or name a file that cannot be read */
export function parseCommandLine([name, ...rest]: readonly string[]): Command {
  if (name === "serve") return parseServe(rest);
  if (name === "join") return parseJoin(rest);
  throw new RangeError(`The command is serve or join, got "${name ?? ""}"`);
}

function parseServe(args: string[]): Command {
  const { values } = parseArgs({ args, options: SERVE_OPTIONS });
  const file = values["token-file"];
  const token = file === undefined ? givenToken(undefined) : tokenOfFile(file);
  const options = {
    ...parseListen("listen", values.listen),
    token: token ?? newToken(),
    // The largest of which a frame with two VLAN tags has a length of 16 bits.
    mtu: integer("mtu", values.mtu, 1500, 68, 65_513),
    ageMs: integer("age", values.age, 300, 1, 1_000_000) * 1000,
    portsMax: integer("ports", values.ports, 256, 1, 65_536),
    perHostMax: integer("per-host", values["per-host"], 32, 1, 65_536),
    perPortMax: integer("macs", values.macs, 64, 1, 65_536),
    queueMax: integer("queue", values.queue, 1024 * 1024, MESSAGE_MAX, 2 ** 30),
    timeout: integer("timeout", values.timeout, 30, 8, 960),
    pool: values.pool === undefined ? undefined : new Pool(values.pool).toString(),
    leaseMs: integer("lease", values.lease, 86_400, 0, 10_000_000) * 1000,
    tls: readCertificateAndKey("tls", values["tls-cert"], values["tls-key"]),
    backbone: parseBackbone(values),
  };
  return { name: "serve", options, madeToken: token === undefined };
}

function parseJoin(args: string[]): Command {
  const { values, positionals } = parseArgs({ args, allowPositionals: true, options: JOIN_OPTIONS });
  const token = givenToken(values["token-file"]);
  if (token === undefined) throw new RangeError(`A token is needed: --token-file, or ${TOKEN_VARIABLE}`);
  // Here, and not when a hub has let the client in.
  checkName(values.name, true);
  if (values.id === undefined && values.name.includes("%"))
    throw new RangeError(
      `--name ${values.name} leaves the number to the kernel: give an --id, which is the same each time`,
    );
  const id = values.id ?? ownId(values.name);
  if (!ID_PATTERN.test(id)) throw new RangeError(`--id must be 1 to 64 of A-Z a-z 0-9 _ . : / @ -, got "${id}"`);
  const options = {
    urls: parseUrls(positionals),
    token,
    name: values.name,
    id,
    mac: values.mac === undefined ? macOf(id) : parseMac(values.mac),
    addresses: values.address.map(parseAddress),
    shortestPrefix: integer("shortest-prefix", values["shortest-prefix"], 16, 1, 30),
    queueMax: integer("queue", values.queue, 1024 * 1024, MESSAGE_MAX, 2 ** 30),
    timeout: values.timeout === undefined ? undefined : integer("timeout", values.timeout, 30, 1, 960),
    tlsCa: values["tls-ca"] === undefined ? undefined : readCertificates("tls-ca", values["tls-ca"]),
  };
  return { name: "join", options };
}

/** Reads the URLs of hubs; returns each without a slash at the end. */
function parseUrls(positionals: readonly string[]): string[] {
  const urls = positionals.map((text) => (URL.canParse(text) ? new URL(text) : null));
  const isBare = (url: URL): boolean => url.pathname === "/" && url.search === "" && url.hash === "";
  const good = urls.filter((url) => url !== null && isBare(url) && /^wss?:$/.test(url.protocol)) as URL[];
  if (good.some(({ username, password }) => username !== "" || password !== ""))
    throw new RangeError(
      `The URL of a hub has no user and no password: clients are known by the token, in --token-file`,
    );
  if (good.length === positionals.length && good.length > 0) return [...new Set(good.map(({ origin }) => origin))];
  throw new RangeError(`join needs one URL such as ws://192.0.2.1:7000, or several, got "${positionals.join(" ")}"`);
}

/** Checks an address of the interface. One without a prefix length would be alone in its network. */
function parseAddress(text: string): string {
  const [, ip = "", digits] = /^(.+)\/(\d{1,3})$/.exec(text) ?? [];
  const version = isIP(ip);
  if (version !== 0 && Number(digits) <= (version === 4 ? 32 : 128)) return text;
  throw new RangeError(
    `--address must be an address with its prefix length, such as 198.51.100.7/24 or 2001:db8::7/64, got "${text}"`,
  );
}

/** Checks the address of a station: of no group, and not all zeros. */
function parseMac(text: string): string {
  if (/^[0-9a-f][02468ace](:[0-9a-f]{2}){5}$/i.test(text) && /[1-9a-f]/i.test(text)) return text;
  throw new RangeError(`--mac must be the address of one station, such as 02:00:5e:00:53:01, got "${text}"`);
}

function integer(option: string, text: string | undefined, preset: number, min: number, max: number): number {
  return text === undefined ? preset : parseInteger(option, text, { min, max });
}

/** Derives a MAC address from an id: locally administered, of one station (IEEE 802 section 8.2). */
export function macOf(id: string): string {
  const octets = createHash("sha256").update(id).digest().subarray(0, 6);
  octets[0] = ((octets[0] as number) & 0xfc) | 0x02;
  return octets.toString("hex").replace(/..(?!$)/g, "$&:");
}
