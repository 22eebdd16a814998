import { ptr } from "bun:ffi";

/** Returns memory that stays where it is for as long as somebody holds the array, so that C may be given its address. */
export function fixedMemory(bytes: number): Uint8Array {
  // Without a buffer of its own an array is moved when somebody asks for one.
  return new Uint8Array(new ArrayBuffer(bytes));
}

/** Returns the address of {@link fixedMemory}. The address does not keep it alive. */
export function addressOf(memory: Uint8Array): number {
  return ptr(memory);
}
