/** The file of a Unix socket, in a folder that may belong to another user. */

import { systemError, TunTapError } from "../errors.ts";
import { O_PATH } from "./constants.ts";

/** The file of a socket that is bound to a path. */
export interface SocketFile {
  readonly path: string;
  readonly device: bigint;
  readonly inode: bigint;
}

/** Returns the file that bind(2) has just made. @throws {TunTapError} */
export function socketFileAt(path: string): SocketFile {
  const found = fileSystem(path, ({ lstatSync }) => lstatSync(path, { bigint: true }));
  return { path, device: found.dev, inode: found.ino };
}

/**
 * Sets the mode of the socket and of no other file: the owner of the folder may have put a link in its place
 * meanwhile.
 *
 * @throws {TunTapError}
 */
export function setMode(file: SocketFile, mode: number): void {
  fileSystem(file.path, ({ openSync, fstatSync, chmodSync, closeSync }) => {
    const fd = openSync(file.path, O_PATH);
    try {
      const found = fstatSync(fd, { bigint: true });
      if (!found.isSocket() || found.dev !== file.device || found.ino !== file.inode) throw replaced(file.path);
      chmodSync(`/proc/self/fd/${fd}`, mode);
    } finally {
      closeSync(fd);
    }
  });
}

/**
 * Removes the file, if it is still that one. Must be called before the socket is closed: until then no other file can
 * have the inode's number.
 */
export function removeFile({ path, device, inode }: SocketFile): void {
  const { lstatSync, unlinkSync } = process.getBuiltinModule("node:fs");
  try {
    const found = lstatSync(path, { bigint: true });
    if (found.dev === device && found.ino === inode) unlinkSync(path);
  } catch {
    // Another process has removed it, or its folder.
  }
}

function replaced(path: string): TunTapError {
  return new TunTapError("ERR_TUNTAP_HANDOVER", `somebody has put another file in the place of the socket ${path}`, {
    hint: "use a folder that no other user may write to",
  });
}

type FileSystem = ReturnType<typeof process.getBuiltinModule<"node:fs">>;

/** Turns errors of node:fs into those of this library. */
function fileSystem<T>(path: string, use: (fs: FileSystem) => T): T {
  try {
    return use(process.getBuiltinModule("node:fs"));
  } catch (error) {
    const { errno, syscall } = error as { errno?: number; syscall?: string };
    if (error instanceof TunTapError || errno === undefined || syscall === undefined) throw error;
    throw systemError(errno, syscall, { detail: path });
  }
}
