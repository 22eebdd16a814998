import type * as capture from "../../../src/capture/index.ts";
import type * as packet from "../../../src/packet/index.ts";

/** Returns what the two modules make of frames in hexadecimal: as JSON has it. */
export function vectorsOf(
  modules: { packet: typeof packet; capture: typeof capture },
  frames: readonly string[],
): {
  lines: string[];
  checksums: { valid: boolean }[];
  parsed: unknown[];
  refused: (string | null)[][];
  file: string;
  read: unknown[];
  mistakes: (string | null)[];
};
