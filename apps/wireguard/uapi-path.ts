/** Path of the configuration socket of a tunnel, and the process that serves it. */
import type { TunTapError } from "../../src/index.ts";
import { closeFd } from "../../src/sys/tun.ts";
import { connectUnix, getPeer, openUnix } from "../../src/sys/unix.ts";

/** Folder in which `wg` looks for the sockets of userspace implementations. */
export const UAPI_FOLDER = "/var/run/wireguard";

/** Returns the path of the configuration socket of an interface. */
export function uapiPath(name: string): string {
  return `${UAPI_FOLDER}/${name}.sock`;
}

/** Returns the process that serves a Unix socket, as the kernel knows it; undefined if nobody does. */
export function serverOf(path: string): number | undefined {
  const fd = openUnix();
  try {
    connectUnix(fd, new TextEncoder().encode(path));
    return getPeer(fd).pid;
  } catch (error) {
    const { code } = error as TunTapError;
    if (code === "ENOENT" || code === "ECONNREFUSED") return undefined;
    throw error;
  } finally {
    closeFd(fd);
  }
}
