import { describe, test } from "bun:test";
import { accessSync, constants } from "node:fs";

/** Why tests that make interfaces cannot run here, or undefined if they can. */
function obstacle(): string | undefined {
  if (process.env["BUN_TUNTAP_TEST_NETNS"] !== "1") {
    return "needs a network namespace of its own: run `sudo bun test`, or `unshare -Urn bun test` where /dev/net/tun has mode 0666";
  }
  try {
    accessSync("/dev/net/tun", constants.R_OK | constants.W_OK);
    return undefined;
  } catch {
    return "needs /dev/net/tun: run `sudo bun test`, after `sudo modprobe tun` if the file is missing";
  }
}

export const missing: string | undefined = obstacle();
export const skipIsFailure: boolean = process.env["BUN_TUNTAP_REQUIRE_ROOT"] === "1";

/** A `describe` that skips in sight, with the remedy in its name, where `reason` is given; CI makes a skip a failure. */
export function describeUnless(reason: string | undefined, name: string, tests: () => void): void {
  if (reason === undefined) describe(name, tests);
  else if (skipIsFailure) {
    test(name, () => {
      throw new Error(`Must not be skipped (BUN_TUNTAP_REQUIRE_ROOT=1), but it ${reason}`);
    });
  } else describe.skip(`${name} [skipped: ${reason}]`, tests);
}

/** Tests that make interfaces, inside the namespace of the preload. */
export function describePrivileged(name: string, tests: () => void): void {
  describeUnless(missing, name, tests);
}

/** Tests that make interfaces and run other programs. */
export function describeWithTools(name: string, tools: readonly string[], tests: () => void): void {
  const absent = tools.filter((tool) => Bun.which(tool) === null);
  const reason = absent.length > 0 ? `needs ${absent.join(", ")}: install with your package manager` : undefined;
  describeUnless(missing ?? reason, name, tests);
}
