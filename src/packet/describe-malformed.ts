import { PacketError } from "./error.ts";

/** Returns the text that `read` makes, or `prefix` and the defect if the bytes are malformed. */
export function orMalformed(prefix: string, read: () => string): string {
  try {
    return read();
  } catch (error) {
    if (error instanceof PacketError) return `${prefix}malformed: ${error.message}`;
    throw error;
  }
}
