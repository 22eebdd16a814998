/** Addresses that a program listens at, as its command line gives them. */
import { ProgramError } from "../../src/cli/program.ts";
import { parseInteger } from "../../src/cli/values.ts";

/** An address to listen at. */
export interface Listen {
  readonly hostname: string;
  /** 0 for any free port. */
  readonly port: number;
}

/** Reads "192.0.2.1:7000" or "[2001:db8::1]:7000". @throws {RangeError} If the text is neither */
export function parseListen(option: string, text: string): Listen {
  const [, ipv6, other, port] = /^(?:\[(.+)\]|([^:]+)):(\d+)$/.exec(text) ?? [];
  const hostname = ipv6 ?? other;
  if (hostname === undefined || port === undefined) {
    throw new RangeError(`--${option} must be as 192.0.2.1:7000 or [2001:db8::1]:7000, got "${text}"`);
  }
  return { hostname, port: parseInteger(option, port, { min: 0, max: 65_535 }) };
}

const PROBLEMS: Readonly<Record<string, string>> = {
  EADDRINUSE: "is in use; choose another port, or 0 for any that is free",
  EADDRNOTAVAIL: "is no address of this machine",
  EACCES: "may not be used; choose a port from 1024 on",
};

/**
 * Starts a server at an address of the command line.
 *
 * @throws {ProgramError} That names the option `--listen`, if the server cannot be there
 */
export function listening<Server>({ hostname, port }: Listen, start: () => Server): Server {
  try {
    return start();
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === undefined) throw error;
    // A name that nobody knows is one of these; its code differs from system to system.
    const problem = PROBLEMS[code] ?? `cannot be used: ${message}`;
    const host = hostname.includes(":") ? `[${hostname}]` : hostname;
    throw new ProgramError(`--listen ${host}:${port} ${problem}`, { cause: error });
  }
}
