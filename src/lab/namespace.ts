import { TunTapError, withDetails } from "../errors.ts";
import { bringLoopbackUp, createNetns, enterNetns, openOwnNetns } from "../sys/netns.ts";
import { closeFd } from "../sys/tun.ts";

const { accessSync, constants } = process.getBuiltinModule("node:fs");

/** The two ways to run a test that makes labs. */
export const remedy = "run it with sudo, or without root by `bunx bun-tuntap lab -- COMMAND`";

/** Creates a network namespace with its loopback up, and returns an fd of it, which alone keeps it. */
export function openHostNetns(): number {
  let netns: number;
  try {
    netns = createNetns();
  } catch (error) {
    throw (error as TunTapError).code === "EPERM" ? withDetails(error, { hint: remedy }) : error;
  }
  try {
    bringLoopbackUp(netns);
    return netns;
  } catch (error) {
    closeFd(netns);
    throw error;
  }
}

/**
 * Calls `use` with this thread in the namespace `netns`, and comes back.
 *
 * @throws what `use` throws
 */
export function inNetns<T>(netns: number, use: () => T): T {
  const own = openOwnNetns();
  try {
    enterNetns(netns);
    try {
      return use();
    } finally {
      comeBack(own);
    }
  } finally {
    closeFd(own);
  }
}

/** Enters the namespace that the thread was in. If it cannot, the process ends: nothing else expects the thread where it is. */
function comeBack(own: number): void {
  try {
    enterNetns(own);
  } catch (error) {
    reportError(
      new TunTapError(
        "EPERM",
        "this thread cannot leave the host again: nothing it does from now on is where it should be",
        {
          hint: "start the process with the rights to its own network namespace (CAP_SYS_ADMIN in its user namespace)",
          cause: error,
        },
      ),
    );
    process.exit(1);
  }
}

/**
 * Moves this thread into a network namespace of its own, with loopback up: all
 * sockets, programs and Workers that it makes from now on are there. For the
 * preload of `bun test`, so that tests reach nothing of the machine. But for
 * `fetch`: its thread is there before the preload of `bun test`, and stays.
 *
 * @throws {TunTapError} `EPERM` without CAP_SYS_ADMIN
 */
export function isolate(): void {
  const netns = openHostNetns();
  try {
    enterNetns(netns);
  } finally {
    closeFd(netns);
  }
}

/**
 * Says why no lab can be made here, and what to type; undefined if one can.
 *
 * @example
 * ```ts
 * import { test } from "bun:test";
 * import { labObstacle } from "bun-tuntap/lab";
 *
 * test.skipIf(labObstacle() !== undefined)("a lab", async () => {});
 * ```
 */
export function labObstacle(): string | undefined {
  try {
    closeFd(openHostNetns());
  } catch (error) {
    const { code } = error as TunTapError;
    return code === "EPERM"
      ? `needs a network namespace: ${remedy}`
      : `no network namespace can be made: ${String(error)}`;
  }
  try {
    accessSync("/dev/net/tun", constants.R_OK | constants.W_OK);
    return undefined;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "ENOENT"
      ? "needs /dev/net/tun, which is not there: `sudo modprobe tun`, or `--device /dev/net/tun` for a container"
      : "needs /dev/net/tun, and its mode keeps this user out: `sudo chmod 0666 /dev/net/tun`, outside of any user namespace";
  }
}
