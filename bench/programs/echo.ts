/**
 * bun echo.ts [--offload | --raw] [--idle N] NAME SECONDS_MAX
 *
 * What echo.c does, with this library: every UDP packet and ICMP echo request of
 * IPv4 goes back to where it came from. Prints "ready" once the interface exists.
 * Ends after SECONDS_MAX whatever happens.
 *
 *   --offload  with segmentation offload, of which the frames show nothing
 *   --raw      with virtio headers, which stay on the frames, as with echo.c's --vnet
 *   --idle N   N more interfaces, idle0 and so on
 */
import { parseArgs } from "node:util";
import { type OpenOptions, openTun, type Tun } from "../../src/index.ts";

const VNET_HEADER_BYTES = 10;
const IPV4_HEADER_BYTES = 20;
const IPPROTO_ICMP = 1;
const IPPROTO_UDP = 17;
const ICMP_ECHO_REQUEST = 8;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    offload: { type: "boolean", default: false },
    raw: { type: "boolean", default: false },
    idle: { type: "string", default: "0" },
  },
});
const [name, secondsMax] = positionals;
if (name === undefined || secondsMax === undefined) {
  throw new TypeError("usage: echo [--offload | --raw] [--idle N] NAME SECONDS_MAX");
}

const turn: (frame: Uint8Array) => boolean = values.raw
  ? (frame) => turnRound(frame.subarray(VNET_HEADER_BYTES))
  : turnRound;
const options: OpenOptions<Tun> = {
  offload: values.raw ? { raw: true } : values.offload,
  reuseBuffers: true,
  data(device, frames) {
    device.sendMany(frames.filter(turn));
  },
};
openTun({ ...options, name });
for (let i = 0; i < Number(values.idle); i++) openTun({ ...options, name: `idle${i}` });

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
