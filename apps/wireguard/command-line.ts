import { parseArgs } from "node:util";
import type { AeadName } from "./core/crypto/choose.ts";
import type { LogFormat, LogLevel } from "./core/log.ts";

/** Text that `--help` prints. */
export const USAGE = `Usage: bun apps/wireguard [options] NAME            make the interface NAME, and wait for wg to configure it
       bun apps/wireguard [options] up FILE.conf    make, configure and route a tunnel, as wg-quick does
       bun apps/wireguard down FILE.conf|NAME       end it
       bun apps/wireguard genkey | pubkey | genpsk  make keys, as wg does

Speaks the WireGuard protocol, between a TUN interface and a UDP socket. While it runs, \`wg show NAME\`, \`wg set\`,
\`wg setconf\` and \`wg syncconf\` work; \`WG_QUICK_USERSPACE_IMPLEMENTATION=… wg-quick up\` does too.
It ends when the interface is deleted, when its socket in /var/run/wireguard is removed, or on SIGTERM and SIGINT.

  -f, --foreground      stay in the foreground (also: WG_PROCESS_FOREGROUND=1)
  --cipher NAME         libcrypto (the system's) or libsodium (WebAssembly); default: the first that works
  --mtu BYTES           of the interface; default 1420
  --log FORMAT          text (default) or json, on standard error
  -h, --help            this text

LOG_LEVEL=verbose|error|silent says how much is told; the default is error.`;

/** A command as the arguments and the environment give it. */
export type Command =
  | ({ readonly kind: "run"; readonly name: string } & RunOptions)
  | ({ readonly kind: "up"; readonly file: string } & RunOptions)
  | { readonly kind: "down"; readonly target: string }
  | { readonly kind: "genkey" | "pubkey" | "genpsk" };

/** Options of the commands that make a tunnel. */
export interface RunOptions {
  readonly foreground: boolean;
  readonly cipher: AeadName | undefined;
  readonly mtu: number | undefined;
  readonly logFormat: LogFormat;
  readonly logLevel: LogLevel;
}

/** @throws {Error} For arguments that cannot be meant */
export function parseCommand(args: string[], env: Readonly<Record<string, string | undefined>>): Command {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: {
      foreground: { type: "boolean", short: "f" },
      cipher: { type: "string" },
      mtu: { type: "string" },
      log: { type: "string", default: "text" },
    },
  });
  const [first, second, ...more] = positionals;
  if (first === undefined) throw new RangeError("Give the name of an interface, or a command");
  if (more.length > 0) throw new RangeError(`There is no use for ${JSON.stringify(more[0])}`);
  const options: RunOptions = {
    foreground: (values.foreground ?? false) || env["WG_PROCESS_FOREGROUND"] === "1",
    cipher: oneOf("--cipher", values.cipher, ["libcrypto", "libsodium"] as const),
    mtu: values.mtu === undefined ? undefined : Number(values.mtu),
    logFormat: oneOf("--log", values.log, ["text", "json"] as const) ?? "text",
    logLevel: levelOf(env["LOG_LEVEL"]),
  };
  if (options.mtu !== undefined && !(Number.isInteger(options.mtu) && options.mtu >= 576 && options.mtu <= 65_475)) {
    throw new RangeError(`--mtu must be a whole number from 576 to 65475, got "${values.mtu}"`);
  }
  if (first === "up" || first === "down") {
    if (second === undefined) throw new RangeError(`${first} takes a configuration file`);
    return first === "up" ? { kind: "up", file: second, ...options } : { kind: "down", target: second };
  }
  if (second !== undefined) throw new RangeError(`There is no command ${JSON.stringify(first)}`);
  if (first === "genkey" || first === "pubkey" || first === "genpsk") return { kind: first };
  return { kind: "run", name: first, ...options };
}

function oneOf<T extends string>(option: string, value: string | undefined, known: readonly T[]): T | undefined {
  if (value === undefined) return undefined;
  const found = known.find((name) => name === value);
  if (found === undefined) throw new RangeError(`${option} must be ${known.join(" or ")}, got "${value}"`);
  return found;
}

/** The words of wireguard-go; "debug" and "info" of its older versions are taken too. */
function levelOf(text: string | undefined): LogLevel {
  if (text === "verbose" || text === "debug") return "verbose";
  return text === "silent" ? "silent" : "error";
}
