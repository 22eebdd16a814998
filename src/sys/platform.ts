import { TunTapError } from "../errors.ts";

/**
 * The lowest version of Bun that the tests pass on. The bundler of 1.4.0 makes
 * a file of this library that does not load. 1.3.14 opens devices, but its
 * unref() does nothing and its Workers leave devices open. 1.3.0 does not
 * compile the shim.
 */
export const MINIMUM_BUN = "1.4.1";

/** Tells whether this library works on a version of Bun. */
export function isBunSupported(version: string): boolean {
  // A debug or canary build of a version behaves as the version.
  return Bun.semver.order(version.replace(/-.*/, ""), MINIMUM_BUN) >= 0;
}

/** @throws {TunTapError} `ERR_TUNTAP_UNSUPPORTED` on another system, another architecture or an older Bun */
export function assertSupported(version: string = Bun.version): void {
  const { platform, arch } = process;
  if (platform !== "linux") {
    throw unsupported(
      `TUN/TAP interfaces are not supported on ${platform}`,
      "run this on Linux: bun-tuntap drives the Linux TUN driver and no other",
    );
  }
  if (arch !== "x64" && arch !== "arm64") {
    throw unsupported(`the ${arch} architecture is not supported`, "use an x64 or arm64 machine");
  }
  if (!isBunSupported(version)) {
    throw unsupported(
      `Bun ${version} is not supported, bun-tuntap needs ${MINIMUM_BUN}`,
      `install Bun ${MINIMUM_BUN} or newer: run \`bun upgrade\``,
    );
  }
}

function unsupported(message: string, hint: string): TunTapError {
  return new TunTapError("ERR_TUNTAP_UNSUPPORTED", message, { hint });
}
