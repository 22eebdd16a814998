import { PacketError } from "./error.ts";

/** What `read` makes of the bytes, or in which way they are malformed. */
export function orMalformed(read: () => string): string {
  try {
    return read();
  } catch (error) {
    if (error instanceof PacketError) return `malformed: ${error.message}`;
    throw error;
  }
}
