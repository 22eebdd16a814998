/**
 * bun bench/echo.ts NAME SECONDS_MAX
 *
 * What bench/echo.c does, with this library: every UDP packet and ICMP echo
 * request of IPv4 goes back to where it came from. Prints "ready" once the
 * interface exists. Ends after SECONDS_MAX whatever happens.
 */
import { openTun } from "../src/index.ts";

const IPV4_HEADER_BYTES = 20;
const IPPROTO_ICMP = 1;
const IPPROTO_UDP = 17;
const ICMP_ECHO_REQUEST = 8;

const [name, secondsMax] = process.argv.slice(2);
if (name === undefined || secondsMax === undefined) throw new TypeError("usage: echo NAME SECONDS_MAX");

openTun({
  name,
  data(device, frames) {
    device.sendMany(frames.filter(turnRound));
  },
});

/** Makes the frame its own answer, in place; false if there is none. Swapping leaves the sums as they are. */
function turnRound(ip: Uint8Array): boolean {
  // Version 4 without options, and the first eight bytes of what it carries.
  if (ip.length < IPV4_HEADER_BYTES + 8 || ip[0] !== 0x45) return false;
  const payload = IPV4_HEADER_BYTES;
  if (ip[9] === IPPROTO_UDP) {
    swap(ip, payload, payload + 2, 2);
  } else if (ip[9] === IPPROTO_ICMP && ip[payload] === ICMP_ECHO_REQUEST) {
    const view = new DataView(ip.buffer, ip.byteOffset, ip.byteLength);
    // Type 8 becomes 0, so the one's complement sum grows by 0x0800 (RFC 1624).
    const sum = view.getUint16(payload + 2) + 0x0800;
    view.setUint8(payload, 0);
    view.setUint16(payload + 2, sum + (sum >> 16));
  } else {
    return false;
  }
  swap(ip, 12, 16, 4);
  return true;
}

function swap(bytes: Uint8Array, one: number, other: number, length: number): void {
  for (let i = 0; i < length; i++) {
    const kept = bytes[one + i] as number;
    bytes[one + i] = bytes[other + i] as number;
    bytes[other + i] = kept;
  }
}

setTimeout(() => process.exit(1), Number(secondsMax) * 1000);
console.log("ready");
