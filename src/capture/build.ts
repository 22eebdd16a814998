import { BlockWriter, type CaptureInterface, fileHeader, packetRoom, timestamp } from "./blocks.ts";
import { SNAP_LENGTH_MAX } from "./format.ts";
import type { CapturedFrame } from "./reader.ts";

/** A frame for {@link buildCapture}. */
export type FrameToBuild = Pick<CapturedFrame, "frame" | "direction" | "dropped"> & {
  /** The time at which it passed, in nanoseconds since 1970. */
  readonly timestampNs: bigint;
};

/** The bytes of a pcapng file with these frames of one interface. */
export function buildCapture(
  from: Pick<CaptureInterface, "name" | "linkType"> & Partial<CaptureInterface>,
  frames: Iterable<FrameToBuild>,
): Uint8Array<ArrayBuffer> {
  const { name, linkType, snapLength = SNAP_LENGTH_MAX } = from;
  const header = fileHeader({ name, linkType, snapLength });
  const all = [...frames];
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
