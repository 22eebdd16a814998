import { formatIP, parseIP } from "../packet/address-text.ts";

/** A network and its next host. */
export interface Subnet {
  /** Gives the address of the next host, with prefix length. */
  next(): string;
}

interface Prefix {
  readonly bytes: Uint8Array;
  readonly length: number;
}

/** Documentation prefixes (RFC 5737), and then those for the benchmarking of networks (RFC 2544), which are as unused. */
const LINK_PREFIXES = ["203.0.113.0/24", "198.51.100.0/24", "198.18.0.0/16"];
const SWITCH_PREFIXES = ["192.0.2.0/24", "198.19.0.0/16"];
const LINK_LENGTH = 30;
const SWITCH_LENGTH = 24;

/** Gives out the networks of a lab: the same calls give the same ones. */
export class Addresses {
  #links = 0;
  #switches = 0;
  #networks6 = 0;

  link(subnet: string | undefined): Subnet {
    return new Hosts(
      subnet === undefined ? nth(LINK_PREFIXES, LINK_LENGTH, this.#links++) : parsePrefix(subnet, 4, "subnet"),
    );
  }

  switch(subnet: string | undefined): Subnet {
    const prefix = subnet === undefined ? nth(SWITCH_PREFIXES, SWITCH_LENGTH, this.#switches++) : undefined;
    return new Hosts(prefix ?? parsePrefix(subnet as string, 4, "subnet"));
  }

  /** The prefix of RFC 3849. */
  network6(subnet: string | undefined): Subnet {
    if (subnet !== undefined) return new Hosts(parsePrefix(subnet, 6, "subnet6"));
    const bytes = parseIP("2001:db8::") as Uint8Array;
    const number = ++this.#networks6;
    bytes[6] = number >>> 8;
    bytes[7] = number;
    return new Hosts({ bytes, length: 64 });
  }
}

class Hosts implements Subnet {
  readonly #prefix: Prefix;
  #last = 0;

  constructor(prefix: Prefix) {
    this.#prefix = prefix;
  }

  next(): string {
    const { bytes, length } = this.#prefix;
    const bits = 8 * bytes.length - length;
    // IPv4: neither the network nor the broadcast address, but in a /31 (RFC 3021).
    const first = bytes.length === 4 && bits === 1 ? 0 : 1;
    const last = bytes.length === 4 && bits > 1 ? 2 ** bits - 2 : 2 ** Math.min(bits, 31) - 1;
    const host = first + this.#last++;
    if (host > last) {
      const text = `${formatIP(bytes)}/${length}`;
      throw new RangeError(`The network ${text} has no address left: give a larger one as "subnet"`);
    }
    const address = bytes.slice();
    const view = new DataView(address.buffer);
    const at = address.length - 4;
    view.setUint32(at, (view.getUint32(at) | host) >>> 0);
    return `${formatIP(address)}/${length}`;
  }
}

function nth(prefixes: readonly string[], length: number, index: number): Prefix {
  let left = index;
  for (const text of prefixes) {
    const { bytes, length: outer } = parsePrefix(text, 4, "subnet");
    const count = 2 ** (length - outer);
    if (left < count) {
      const view = new DataView(bytes.buffer);
      view.setUint32(0, view.getUint32(0) + left * 2 ** (32 - length));
      return { bytes, length };
    }
    left -= count;
  }
  throw new RangeError('There is no documentation prefix left: give networks of your own as "subnet"');
}

/** @throws {TypeError} if it is no network in CIDR notation, with all bits of the host zero */
function parsePrefix(text: string, family: 4 | 6, option: string): Prefix {
  const wanted = family === 4 ? '"192.0.2.0/24"' : '"2001:db8:1::/64"';
  const [address = "", digits = "", more] = typeof text === "string" ? text.split("/") : [];
  const bytes = parseIP(address);
  const length = /^\d{1,3}$/.test(digits) ? Number(digits) : Number.NaN;
  const isRight = bytes?.length === (family === 4 ? 4 : 16) && length <= 8 * bytes.length - 1 && more === undefined;
  if (!isRight || bytes.some((byte, i) => (byte & (0xff >> Math.min(8, Math.max(0, length - 8 * i)))) !== 0)) {
    throw new TypeError(`Option "${option}" must be a network such as ${wanted}, got ${Bun.inspect(text)}`);
  }
  return { bytes, length };
}

/** @throws {TypeError} if it is no address with prefix length */
export function checkHostAddress(value: unknown, option: string, family: 4 | 6): void {
  const [address = "", digits = "", more] = typeof value === "string" ? value.split("/") : [];
  const bytes = parseIP(address);
  const bits = family === 4 ? 32 : 128;
  const isRight =
    bytes?.length === bits / 8 && /^\d{1,3}$/.test(digits) && Number(digits) <= bits && more === undefined;
  if (isRight) return;
  const wanted = family === 4 ? '"192.0.2.10/24"' : '"2001:db8::10/64"';
  throw new TypeError(
    `Option "${option}" must be an address with prefix length such as ${wanted}, got ${Bun.inspect(value)}`,
  );
}

/** Gives the next address that is none of those given by the caller, all with prefix length. */
export function nextFree(subnet: Subnet, given: readonly string[]): string {
  const taken = new Set(given.map(hexOf));
  for (;;) {
    const address = subnet.next();
    if (!taken.has(hexOf(address))) return address;
  }
}

function hexOf(address: string): string | undefined {
  return parseIP(withoutLength(address))?.toHex();
}

/** "192.0.2.1" of "192.0.2.1/24". */
export function withoutLength(address: string): string {
  return address.slice(0, address.indexOf("/"));
}
