import { hex } from "../support.ts";
import traffic from "./traffic.json";

/** The frames that `capture.ts` has captured, in their order. */
export const frames: readonly Uint8Array<ArrayBuffer>[] = traffic.frames.map(hex);
