import { PacketError } from "./error.ts";

/** What `read` makes of the bytes; in which way they are malformed, behind `prefix`, if they are. */
export function orMalformed(prefix: string, read: () => string): string {
  try {
    return read();
  } catch (error) {
    if (error instanceof PacketError) return `${prefix}malformed: ${error.message}`;
    throw error;
  }
}
