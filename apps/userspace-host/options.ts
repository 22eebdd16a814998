/** The command line. */
import { isIPv4, isIPv6 } from "node:net";
import { parseArgs } from "node:util";
import { buildIPv6, IpProtocol, parseIPv6 } from "../../src/packet/index.ts";

/** Settings of the program, by command line. */
export interface Options {
  readonly name: string;
  readonly ipv4: string;
  readonly ipv6: string;
  readonly kernelIPv4: string;
  readonly kernelIPv6: string;
  readonly lose: number;
  readonly show: boolean;
}

/** Text that `--help` prints. */
export const USAGE = `Usage: sudo bun apps/userspace-host [options]

  --name NAME            the interface                    (tun%d: the first that is free)
  --ipv4 ADDRESS         the host's                       (198.51.100.2)
  --ipv6 ADDRESS         the host's                       (2001:db8::2)
  --kernel-ipv4 ADDRESS  the kernel's, on the interface   (198.51.100.1)
  --kernel-ipv6 ADDRESS  the kernel's, on the interface   (2001:db8::1)
  --lose N               lose every Nth packet, both ways (0: none)
  --show                 print each packet
  --help                 print this`;

/** Reads the command line. @throws {TypeError} If an option is unknown, or its value is wrong */
export function readOptions(args: string[]): Options {
  const text = (value: string): { type: "string"; default: string } => ({ type: "string", default: value });
  const { values } = parseArgs({
    args,
    options: {
      name: text("tun%d"),
      ipv4: text("198.51.100.2"),
      ipv6: text("2001:db8::2"),
      "kernel-ipv4": text("198.51.100.1"),
      "kernel-ipv6": text("2001:db8::1"),
      lose: text("0"),
      show: { type: "boolean", default: false },
    },
  });
  return {
    name: values.name,
    ipv4: requireIPv4("--ipv4", values.ipv4),
    ipv6: requireIPv6("--ipv6", values.ipv6),
    kernelIPv4: requireIPv4("--kernel-ipv4", values["kernel-ipv4"]),
    kernelIPv6: requireIPv6("--kernel-ipv6", values["kernel-ipv6"]),
    lose: requireLose(values.lose),
    show: values.show,
  };
}

function requireIPv4(option: string, value: string): string {
  if (isIPv4(value)) return value;
  throw new TypeError(`${option} is "${value}", wanted an IPv4 address such as 198.51.100.2`);
}

/** Returns the address as the parsers write it (RFC 5952): so that texts can be compared. */
function requireIPv6(option: string, value: string): string {
  if (!isIPv6(value) || value.includes("%")) {
    throw new TypeError(`${option} is "${value}", wanted an IPv6 address such as 2001:db8::2`);
  }
  const nothing = { nextHeader: IpProtocol.NO_NEXT_HEADER, payload: new Uint8Array() };
  return parseIPv6(buildIPv6({ source: value, destination: value, ...nothing })).source;
}

/** Refuses 1: no packet would be left. */
function requireLose(value: string): number {
  if (/^\d{1,6}$/.test(value) && Number(value) !== 1) return Number(value);
  throw new TypeError(`--lose is "${value}", wanted 0 or a number from 2`);
}
