/**
 * Runs before any test: moves this thread, and so every child that it starts
 * later, into a network namespace of its own. Whatever the tests then do to
 * interfaces, the host does not see it, and it is gone when the tests end.
 */
import { dlopen } from "bun:ffi";
import { readFileSync } from "node:fs";

// include/uapi/linux/sched.h
const CLONE_NEWNET = 0x4000_0000;

if (process.platform === "linux") {
  const libc = dlopen("libc.so.6", { unshare: { args: ["i32"], returns: "i32" } });
  if (libc.symbols.unshare(CLONE_NEWNET) === 0) {
    const interfaces = readFileSync("/proc/thread-self/net/dev", "latin1").split("\n").slice(2, -1);
    const foreign = interfaces.filter((line) => !line.trim().startsWith("lo:"));
    if (foreign.length > 0) throw new Error(`The new network namespace is not empty: ${foreign.join(", ")}`);
    process.env["BUN_TUNTAP_TEST_NETNS"] = "1";
  }
}
