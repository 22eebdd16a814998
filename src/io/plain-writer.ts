import { native } from "../sys/native.ts";
import type { BatchWriter } from "./batch-writer.ts";

/** Writes each frame with one write(2): the driver takes what one call writes as one frame. */
export const plainWriter: BatchWriter = {
  write: (fd, frame, length) => native().tun_write(fd, frame, length),
  push: (fd, base, offsets, lengths, count) => native().tun_write_many(fd, base, offsets, lengths, count),
  flush: () => 0,
  pending: 0,
};
