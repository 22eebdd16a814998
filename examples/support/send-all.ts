import { type Device, TunTapError } from "../../src/index.ts";

/** Sends what the kernel takes, and returns how many that were: a frame that it refuses costs no other. */
export function sendAll(device: Device, frames: readonly Uint8Array[]): number {
  let [at, sent] = [0, 0];
  while (at < frames.length) {
    try {
      return sent + device.sendMany(at === 0 ? frames : frames.slice(at));
    } catch (error) {
      if (!(error instanceof TunTapError)) throw error;
      const { code, frameIndex = 0 } = error;
      // EIO: somebody has brought the interface down, so it takes none of them.
      if (code === "EIO" || device.closed) return sent + frameIndex;
      sent += frameIndex;
      at += frameIndex + 1;
    }
  }
  return sent;
}
