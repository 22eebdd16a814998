/** Checks of an interface's settings. Each throws a TypeError or RangeError that names the option, the value given and the value wanted. */

import { integer, wrong } from "../checks.ts";
import { ETH_HLEN, ETH_MAX_MTU, ETH_MIN_MTU, IFNAMSIZ } from "../sys/constants.ts";

/** Kinds of interface of the TUN driver. */
export type Kind = "tun" | "tap";

/**
 * Checks for a name that the kernel takes (net/core/dev.c dev_valid_name()
 * and __dev_alloc_name()), and does not cut: TUNSETIFF shortens a longer name
 * to 15 bytes without a word.
 */
export function checkName(name: string, patternAllowed: boolean, option = "name"): void {
  if (typeof name !== "string") throw wrong(option, "a string", name);
  const bytes = new TextEncoder().encode(name);
  if (bytes.length === 0 || bytes.length >= IFNAMSIZ) {
    throw new RangeError(`Option "${option}" must have 1 to ${IFNAMSIZ - 1} bytes, got "${name}" with ${bytes.length}`);
  }
  if (bytes.some((byte) => byte <= 0x20 || byte === 0x2f || byte === 0x3a) || name === "." || name === "..") {
    throw new RangeError(`Option "${option}" must not hold "/", ":" or white space, nor be "." or "..", got "${name}"`);
  }
  // The kernel looks at bytes, and its isspace() takes this one, half of "à", for a space (lib/ctype.c).
  if (bytes.includes(0xa0)) {
    throw new RangeError(`Option "${option}" must not hold a letter with the byte 0xa0 in UTF-8, got "${name}"`);
  }
  // The kernel refuses the names of two sysctl directories (net/core/dev.c, since Linux 3.x for IPv4 and IPv6).
  if (name === "all" || name === "default") {
    throw new RangeError(`Option "${option}" must not be "${name}": the kernel keeps that name for itself`);
  }
  // In UTF-8 it would become another letter, U+FFFD, and the interface would have another name.
  if (!name.isWellFormed()) {
    throw new RangeError(`Option "${option}" must not hold half of a surrogate pair, got ${JSON.stringify(name)}`);
  }
  const percents = name.split("%").length - 1;
  if (percents > 0 && !(patternAllowed && percents === 1 && name.includes("%d"))) {
    const wanted = patternAllowed ? 'hold "%" only as one "%d", which becomes the first free number' : 'not hold "%"';
    throw new RangeError(`Option "${option}" must ${wanted}, got "${name}"`);
  }
}

/** Checks an MTU: 68 to 65535, less the Ethernet header on a TAP (drivers/net/tun.c tun_net_initialize()). */
export function checkMtu(bytes: number, kind: Kind | undefined): void {
  integer(bytes, "mtu", ETH_MIN_MTU, kind === "tap" ? ETH_MAX_MTU - ETH_HLEN : ETH_MAX_MTU);
}

/** Checks the id of a user or group, up to 2^32 - 2: the kernel reads -1 as "nobody" (TUNSETOWNER, TUNSETGROUP). */
export function checkId(id: number, option: string): void {
  integer(id, option, 0, 0xffff_fffe);
}

/** Checks an alias, of fewer bytes than IFALIASZ of include/uapi/linux/if.h. */
export function checkAlias(alias: string): void {
  if (typeof alias !== "string" || alias.includes("\0")) throw wrong("alias", "text without NUL", alias);
  if (new TextEncoder().encode(alias).length > 255) {
    throw new RangeError(`Option "alias" must be at most 255 bytes long, got ${Bun.inspect(alias)}`);
  }
}

/** Throws if `master` names no interface: a name, an index, or null for none. */
export function checkMaster(master: string | number | null): void {
  if (master === null) return;
  if (typeof master === "string") checkName(master, false, "master");
  else integer(master, "master", 1, 0x7fff_ffff);
}

/** Throws if `frames` is no length of a transmit queue. */
export function checkTxQueueLength(frames: number): void {
  integer(frames, "txQueueLength", 0, 0x7fff_ffff);
}

/** Checks a send buffer, of at least 1 byte: TUNSETSNDBUF refuses less (drivers/net/tun.c). */
export function checkSendBuffer(bytes: number): void {
  integer(bytes, "sendBuffer", 1, 0x7fff_ffff);
}
