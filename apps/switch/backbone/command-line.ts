/** Options of the command line that join a hub and others to one LAN, and their checks. */
import { hostname } from "node:os";
import { parseInteger } from "../../../src/cli/values.ts";
import { readCertificateAndKey, readCertificates } from "../../support/certificates.ts";
import { MESSAGE_MAX } from "../framing.ts";
import type { BackboneTls } from "./connection.ts";
import { CREDENTIAL_VARIABLES, givenCredentials } from "./credentials.ts";
import type { EnterOptions } from "./enter.ts";
import { checkName } from "./subjects.ts";

type Name =
  | "backbone"
  | "lan"
  | "hub"
  | "backbone-queue"
  | "backbone-user-file"
  | "backbone-nkey"
  | "backbone-creds"
  | "backbone-tls-ca"
  | "backbone-tls-cert"
  | "backbone-tls-key";

const string = { type: "string" } as const;

/** Options for `parseArgs`. */
export const BACKBONE_OPTIONS: Readonly<Record<Name, typeof string>> = {
  backbone: string,
  lan: string,
  hub: string,
  "backbone-queue": string,
  "backbone-user-file": string,
  "backbone-nkey": string,
  "backbone-creds": string,
  "backbone-tls-ca": string,
  "backbone-tls-cert": string,
  "backbone-tls-key": string,
};

type Values = Readonly<Partial<Record<Name, string | undefined>>>;

/** Text for `--help`. */
export const BACKBONE_HELP: string = `  --backbone URL,URL…     NATS servers that join this hub and others to one LAN: nats://192.0.2.1:4222, tls://…
  --lan NAME              of that LAN; needed with --backbone
  --hub NAME              of this hub, the same each time and no other hub's; default: the machine's name
  --backbone-queue BYTES  on their way to the NATS servers, or to another hub; more are dropped and counted; default 8388608
  --backbone-user-file FILE   user:password for the NATS servers; or in the environment as ${CREDENTIAL_VARIABLES.user}
  --backbone-nkey FILE    or the seed of an NKey; ${CREDENTIAL_VARIABLES.nkey}
  --backbone-creds FILE   or a creds file; its content in ${CREDENTIAL_VARIABLES.creds}
  --backbone-tls-ca FILE  the certificate authority to trust, PEM, for certificates of your own
  --backbone-tls-cert FILE, --backbone-tls-key FILE   certificate and key of this hub, where the servers ask for one`;

const DEFAULT_PORT = 4222;
const SERVERS_MAX = 16;
const QUEUE_BYTES = 8 * 1024 * 1024;

/** Reads the options; undefined if there is no backbone. @throws {RangeError} If they are wrong */
export function parseBackbone(values: Values): EnterOptions | undefined {
  if (values.backbone === undefined) {
    const stray = (Object.keys(BACKBONE_OPTIONS) as Name[]).find((name) => values[name] !== undefined);
    if (stray !== undefined) throw new RangeError(`--${stray} is for a LAN of several hubs: it needs --backbone`);
    return undefined;
  }
  const urls = values.backbone.split(",").map(parseServer);
  if (urls.length > SERVERS_MAX)
    throw new RangeError(`--backbone takes ${SERVERS_MAX} servers at most, got ${urls.length}`);
  if (values.lan === undefined) throw new RangeError("--backbone needs the name of the LAN: --lan NAME");
  return {
    servers: urls.map(({ host }) => host),
    lan: checkName("lan", values.lan),
    hub: checkName("hub", values.hub ?? ownHub()),
    queueMax: parseQueue(values["backbone-queue"]),
    credentials: givenCredentials({
      user: values["backbone-user-file"],
      nkey: values["backbone-nkey"],
      creds: values["backbone-creds"],
    }),
    tls: parseTls(
      values,
      urls.some(({ isTls }) => isTls),
    ),
  };
}

/** Reads the URL of a server. It is printed, so it must not hold a password. */
function parseServer(text: string): { host: string; isTls: boolean } {
  const url = URL.canParse(text) ? new URL(text) : null;
  const isBare = url !== null && /^\/?$/.test(url.pathname) && url.search === "" && url.hash === "";
  if (!isBare || !/^(nats|tls):$/.test(url.protocol) || url.hostname === "")
    throw new RangeError(
      `--backbone must be URLs such as nats://192.0.2.1:4222, with a comma between them, got "${text}"`,
    );
  if (url.username !== "" || url.password !== "")
    throw new RangeError(
      `--backbone must not hold a password, which everybody sees in ps: use --backbone-user-file or ${CREDENTIAL_VARIABLES.user}`,
    );
  return { host: `${url.protocol}//${url.hostname}:${url.port || DEFAULT_PORT}`, isTls: url.protocol === "tls:" };
}

function parseTls(values: Values, isWanted: boolean): BackboneTls | undefined {
  const ca = values["backbone-tls-ca"];
  const own = readCertificateAndKey("backbone-tls", values["backbone-tls-cert"], values["backbone-tls-key"]);
  if (!isWanted && ca === undefined && own === undefined) return undefined;
  return { ca: ca && readCertificates("backbone-tls-ca", ca), ...own };
}

function parseQueue(text: string | undefined): number {
  return text === undefined ? QUEUE_BYTES : parseInteger("backbone-queue", text, { min: MESSAGE_MAX, max: 2 ** 30 });
}

/** Names this hub after the machine. */
function ownHub(): string {
  return hostname()
    .replace(/[^A-Za-z0-9_-]/g, "-")
    .slice(0, 32);
}
