/** The filters of a TAP's interface as bytes: TUNSETTXFILTER and classic BPF. Pure. */

import { boolean, checkOptions } from "../checks.ts";
import { ETH_ALEN, TUN_FLT_ALLMULTI } from "../sys/constants.ts";
import { parseMac } from "./mac.ts";
import type { TxFilterOptions } from "./types.ts";

/** The unicast addresses that a filter matches exactly (drivers/net/tun.c). */
const FLT_EXACT_COUNT = 8;
/** The longest program (include/uapi/linux/bpf_common.h). */
const BPF_MAXINSNS = 4096;

/**
 * Encodes `struct tun_filter`. The kernel matches the first eight addresses exactly, and further multicast addresses
 * by a hash. With a ninth unicast address it switches the filter off and reports success (drivers/net/tun.c
 * update_filter()).
 *
 * @throws {RangeError} for a ninth unicast address
 */
export function encodeTxFilter(macs: readonly string[], options: TxFilterOptions = {}): Uint8Array {
  checkOptions(options, { allMulticast: boolean, broadcast: boolean }, undefined);
  const { allMulticast = false, broadcast = true } = options;
  if (!Array.isArray(macs)) throw new TypeError(`The addresses must be a list, got ${Bun.inspect(macs)}`);
  const given = [...new Set(macs.map((mac) => parseMac(mac).toHex()))].map((hex) => Uint8Array.fromHex(hex));
  const isMulticast = (mac: Uint8Array): boolean => ((mac[0] as number) & 1) !== 0;
  const unicast = given.filter((mac) => !isMulticast(mac));
  const multicast = given.filter(isMulticast);
  if (broadcast) multicast.unshift(new Uint8Array(ETH_ALEN).fill(0xff));
  if (unicast.length > FLT_EXACT_COUNT) {
    throw new RangeError(
      `The kernel's filter holds ${FLT_EXACT_COUNT} unicast addresses, got ${unicast.length}: use attachFilter() for more`,
    );
  }
  const all = [...unicast, ...multicast];
  // Without any address the kernel would let everything through; no station has this one.
  if (all.length === 0) all.push(new Uint8Array(ETH_ALEN));
  const bytes = new Uint8Array(4 + ETH_ALEN * all.length);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, allMulticast ? TUN_FLT_ALLMULTI : 0, true);
  view.setUint16(2, all.length, true);
  for (const [i, mac] of all.entries()) bytes.set(mac, 4 + ETH_ALEN * i);
  return bytes;
}

/**
 * Encodes structs sock_filter, of 8 bytes each (include/uapi/linux/filter.h).
 *
 * @throws {TypeError | RangeError} naming the instruction
 */
export function encodeBpf(program: readonly (readonly number[])[]): Uint8Array {
  if (!Array.isArray(program) || program.length === 0 || program.length > BPF_MAXINSNS) {
    const given = Array.isArray(program) ? program.length : Bun.inspect(program);
    throw new RangeError(`A filter must be a list of 1 to ${BPF_MAXINSNS} instructions, got ${given}`);
  }
  const bytes = new Uint8Array(8 * program.length);
  const view = new DataView(bytes.buffer);
  for (const [i, instruction] of program.entries()) {
    if (!isInstruction(instruction)) {
      throw new RangeError(
        `Instruction ${i} must be [code, jt, jf, k] with whole numbers of 16, 8, 8 and 32 bits, got ${Bun.inspect(instruction)}`,
      );
    }
    const [code, jt, jf, k] = instruction;
    view.setUint16(8 * i, code, true);
    view.setUint8(8 * i + 2, jt);
    view.setUint8(8 * i + 3, jf);
    view.setUint32(8 * i + 4, k, true);
  }
  return bytes;
}

const largest: readonly number[] = [0xffff, 0xff, 0xff, 0xffff_ffff];

function isInstruction(value: unknown): value is [code: number, jt: number, jf: number, k: number] {
  return (
    Array.isArray(value) &&
    value.length === largest.length &&
    value.every((part, i) => Number.isInteger(part) && part >= 0 && part <= (largest[i] as number))
  );
}
