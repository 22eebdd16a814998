export type { CaptureInterface } from "./blocks.ts";
export { buildCapture, type FrameToBuild } from "./build.ts";
export { type Capture, type CaptureOptions, type CaptureStats, capture } from "./capture.ts";
export { CaptureError } from "./error.ts";
export type { FileRing } from "./file-ring.ts";
export { type CaptureDirection, LinkType } from "./format.ts";
export { parseCapture, readCapture } from "./read.ts";
export type { CapturedFrame } from "./reader.ts";
export type { CaptureTarget } from "./sinks.ts";
