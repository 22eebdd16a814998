import { BlockWriter, type CaptureInterface, fileHeader, packetRoom, timestamp } from "./blocks.ts";
import { requireInteger, requireObject, wrongType } from "./checks.ts";
import { SNAP_LENGTH_MAX } from "./format.ts";
import type { CapturedFrame } from "./reader.ts";

/** A frame for {@link buildCapture}. */
export type FrameToBuild = Pick<CapturedFrame, "frame" | "direction" | "dropped"> & {
  /** The time at which it passed, in nanoseconds since 1970. */
  readonly timestampNs: bigint;
};

/**
 * Returns the bytes of a pcapng file with these frames of one interface.
 *
 * @throws {TypeError | RangeError} naming what is wrong
 */
export function buildCapture(
  from: Pick<CaptureInterface, "name" | "linkType"> & Partial<CaptureInterface>,
  frames: Iterable<FrameToBuild>,
): Uint8Array<ArrayBuffer> {
  requireObject("from", from);
  const { name, linkType, snapLength = SNAP_LENGTH_MAX } = from;
  // The length of an option has 16 bits.
  if (typeof name !== "string" || new TextEncoder().encode(name).length > 0xffff) {
    throw wrongType("name", name, "a string of at most 65535 bytes");
  }
  requireInteger("linkType", linkType, 0, 0xffff);
  requireInteger("snapLength", snapLength, 0, 0xffff_ffff);
  const header = fileHeader({ name, linkType, snapLength });
  if (typeof frames?.[Symbol.iterator] !== "function") throw wrongType("frames", frames, "a list of frames");
  const all = [...frames];
  all.forEach(requireFrame);
  const kept = ({ frame }: FrameToBuild): number => Math.min(frame.length, snapLength || frame.length);
  const bytes = new Uint8Array(all.reduce((sum, frame) => sum + packetRoom(kept(frame)), header.length));
  const blocks = new BlockWriter(bytes);
  blocks.copy(header);
  for (const frame of all) {
    const { timestampNs, direction, dropped = 0 } = frame;
    blocks.packet(frame.frame, 0, kept(frame), timestamp(timestampNs), direction, dropped);
  }
  return bytes.slice(0, blocks.length);
}

function requireFrame(given: FrameToBuild, i: number): void {
  const { frame, timestampNs, direction, dropped = 0 } = Object(given) as FrameToBuild;
  if (!(frame instanceof Uint8Array)) throw wrongType(`frames[${i}].frame`, frame, "a Uint8Array");
  if (typeof timestampNs !== "bigint") throw wrongType(`frames[${i}].timestampNs`, timestampNs, "a bigint");
  if (direction !== undefined && direction !== "inbound" && direction !== "outbound") {
    throw wrongType(`frames[${i}].direction`, direction, '"inbound" or "outbound"');
  }
  requireInteger(`frames[${i}].dropped`, dropped, 0, Number.MAX_SAFE_INTEGER);
}
