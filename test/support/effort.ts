/** The effort of tests that do the same many times: moderate by default, and more in CI. */

/** Frames of a flood and inputs of a fuzz test. CI sets a million by BUN_TUNTAP_FLOOD_FRAMES. */
export const floodFrames: number = Number(process.env["BUN_TUNTAP_FLOOD_FRAMES"] ?? 100_000);

/** Tells whether somebody has asked for more than the default. */
export const thorough: boolean = floodFrames >= 1_000_000;

/** Bytes of a file that passes an offloading device. BUN_TUNTAP_OFFLOAD_MB=1024 makes it a gigabyte. */
export const fileBytes: number = Number(process.env["BUN_TUNTAP_OFFLOAD_MB"] ?? (thorough ? 64 : 16)) * 1024 * 1024;

/** The time limit of a test that deals with `count` frames or inputs, for a machine that is busy with other work. */
export function timeLimitMs(count: number): number {
  return 30_000 + count / 5;
}
