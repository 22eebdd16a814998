/** Values of command-line options: text in, checked values out. Each names the option that is wrong. */

/** Limits of a whole number. */
export interface IntegerLimits {
  readonly min: number;
  readonly max: number;
}

/** Reads a whole number. @throws {RangeError} If the text is none, or beyond the limits */
export function parseInteger(option: string, text: string, { min, max }: IntegerLimits): number {
  const value = /^\d+$/.test(text) ? Number(text) : Number.NaN;
  if (value >= min && value <= max) return value;
  throw new RangeError(`--${option} must be a whole number from ${min} to ${max}, got "${text}"`);
}

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
