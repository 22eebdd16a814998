/** Checks of the options of openUdp, before anything is done. Pure. */

import { boolean, type Check, checkOptions, handler, integer, signal, text, wrong } from "../checks.ts";
import { checkNetns } from "../interface/namespace.ts";
import { checkAddress, checkPort } from "./address.ts";
import type { UdpOptions } from "./types.ts";

/** The largest buffer: the kernel doubles it, in an int. */
const BUFFER_MAX = 2 ** 30 - 1;

const buffer: Check = (value, option) => integer(value, option, 1, BUFFER_MAX);

const peer: Check = (value, option) => {
  if (typeof value !== "object" || value === null) throw wrong(option, "{ address, port }", value);
  for (const member in value) {
    if (member !== "address" && member !== "port" && member !== "localAddress")
      throw wrong(option, "{ address, port }", value);
  }
  const { address, port } = value as Record<string, unknown>;
  checkAddress(address, `${option}.address`);
  checkPort(port, `${option}.port`, 1);
};

const checks: { readonly [K in keyof Required<UdpOptions>]: Check } = {
  address: checkAddress,
  port: (value, option) => checkPort(value, option, 0),
  peer,
  interface: (value, option) => {
    text(value, option, undefined);
    if (new TextEncoder().encode(value as string).length > 15) {
      throw new RangeError(`Option "${option}" must have at most 15 bytes, got ${Bun.inspect(value)}`);
    }
  },
  mark: (value, option) => integer(value, option, 0, 2 ** 32 - 1),
  sendBuffer: buffer,
  receiveBuffer: buffer,
  reusePort: boolean,
  segmentation: boolean,
  reuseBuffers: boolean,
  ecn: boolean,
  netns: (value, option) => checkNetns(value, option),
  signal,
  data: handler,
  drain: handler,
  error: handler,
  close: handler,
};

/**
 * Checks the options of `openUdp`. @throws {TypeError | RangeError} naming the option, the value given and the value
 * wanted
 */
export function checkUdpOptions(options: unknown): asserts options is UdpOptions {
  checkOptions(options, checks, undefined);
}
