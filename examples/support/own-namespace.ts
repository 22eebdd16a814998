/** Moves this program into a network namespace of its own, as `unshare -n` would, for programs that must not touch the host. */
import { dlopen } from "bun:ffi";

/** CLONE_NEWNET, include/uapi/linux/sched.h */
const CLONE_NEWNET = 0x4000_0000;

/**
 * Moves the calling thread, and with it all that it opens and starts from now
 * on. The namespace is gone when they are.
 *
 * @returns false if the privilege for it is missing
 */
export function enterOwnNamespace(): boolean {
  const libc = dlopen("libc.so.6", { unshare: { args: ["i32"], returns: "i32" } });
  const result = libc.symbols.unshare(CLONE_NEWNET);
  libc.close();
  return result === 0;
}
