import { systemError, type TunTapError } from "../errors.ts";
import { EINVAL, EIO, ETH_HLEN, TUN_PI_LEN, VNET_HDR_LEN } from "../sys/constants.ts";

/**
 * Returns the reason why the kernel refused a frame (drivers/net/tun.c tun_get_user()).
 *
 * @param head Bytes of packet information or virtio header that stand before it
 */
export function sendRefused(
  errno: number,
  frame: Uint8Array,
  kind: "tun" | "tap",
  head: number,
  frameIndex: number | undefined,
): TunTapError {
  return systemError(errno, "write", { ...refusal(errno, frame, kind, head), frameIndex });
}

const heads: Readonly<Record<number, string>> = {
  [TUN_PI_LEN]: `a packet-information header of ${TUN_PI_LEN} bytes and `,
  [VNET_HDR_LEN]: `a virtio header of ${VNET_HDR_LEN} bytes and `,
};

function refusal(
  errno: number,
  frame: Uint8Array,
  kind: "tun" | "tap",
  head: number,
): { detail?: string; hint?: string } {
  if (errno === -EIO) return { detail: "the interface is down", hint: "bring it up first, with up()" };
  if (errno !== -EINVAL) return {};
  if (frame.byteLength < head + (kind === "tap" ? ETH_HLEN : 1)) {
    const what = kind === "tap" ? `an Ethernet frame of at least ${ETH_HLEN} bytes` : "an IP packet";
    return { detail: `this frame has ${frame.byteLength} bytes`, hint: `give ${heads[head] ?? ""}${what}` };
  }
  if (kind === "tun" && head === 0) {
    const first = (frame[0] as number).toString(16).padStart(2, "0");
    return {
      detail: `this packet starts with 0x${first}`,
      hint: "give an IP packet, whose first half-byte is 4 or 6, without any header before it (packetInfo is false, and a TUN has no Ethernet header)",
    };
  }
  if (head === VNET_HDR_LEN) return { hint: "give a virtio header that agrees with the bytes behind it" };
  return { hint: "give one whole, well-formed frame" };
}
