/** Addresses on the command line of a program. */

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
