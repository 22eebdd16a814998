/** Unix sockets by their paths, with hints for their errors. */

import { type TunTapError, withDetails } from "../errors.ts";
import { removeFile, type SocketFile, setMode, socketFileAt } from "../sys/socket-file.ts";
import { closeFd } from "../sys/tun.ts";
import * as unix from "../sys/unix.ts";

/** The longest path: `sun_path` of struct sockaddr_un (include/uapi/linux/un.h) has 108 bytes, the last of them a NUL. */
const PATH_MAX_BYTES = 107;

/** The most connections that wait to be accepted. */
const BACKLOG = 16;

/** An fd that is closed by `using`. */
export interface Socket extends Disposable {
  readonly fd: number;
}

/** Returns whether the path is an abstract name, without a file. */
export function isAbstract(path: string): boolean {
  return path.startsWith("@");
}

/** @param what names the argument */
export function checkPath(path: unknown, what: string): void {
  if (typeof path !== "string" || !/^[^\0]+$/.test(path)) {
    throw new TypeError(
      `${what} must be the path of a Unix socket, or "@" and an abstract name, got ${Bun.inspect(path)}`,
    );
  }
  const { length } = encoder.encode(path);
  if (length <= PATH_MAX_BYTES) return;
  throw new RangeError(`${what} must have at most ${PATH_MAX_BYTES} bytes, got ${length}: "${path}"`);
}

/**
 * Listens on `path`. The file has `mode` before anybody can connect, and is removed with the socket. Never replaces
 * an existing file.
 *
 * @throws {TunTapError}
 */
export function listen(path: string, mode: number): Socket {
  const fd = unix.openUnix();
  let file: SocketFile | undefined;
  const end = (): void => {
    if (file !== undefined) removeFile(file);
    closeFd(fd);
  };
  try {
    unix.bindUnix(fd, addressOf(path));
    if (!isAbstract(path)) {
      // An absolute path, so that it is found again from another working directory.
      file = socketFileAt(process.getBuiltinModule("node:path").resolve(path));
      setMode(file, mode);
    }
    unix.listenUnix(fd, BACKLOG);
  } catch (error) {
    end();
    throw explainPath(error, "bind", path, bindHint);
  }
  return { fd, [Symbol.dispose]: end };
}

/** Accepts the next connection that waits, if there is one. */
export function accept(listener: Socket): Socket | undefined {
  const fd = unix.acceptUnix(listener.fd);
  return fd === undefined ? undefined : owning(fd);
}

/** @throws {TunTapError} */
export function connect(path: string): Socket {
  const socket = owning(unix.openUnix());
  try {
    unix.connectUnix(socket.fd, addressOf(path));
    return socket;
  } catch (error) {
    socket[Symbol.dispose]();
    throw explainPath(error, "connect", path, connectHint);
  }
}

function owning(fd: number): Socket {
  return { fd, [Symbol.dispose]: () => closeFd(fd) };
}

const encoder = new TextEncoder();

function addressOf(path: string): Uint8Array {
  return encoder.encode(isAbstract(path) ? path.replace("@", "\0") : path);
}

function explainPath(
  error: unknown,
  syscall: string,
  path: string,
  hintFor: (code: string, path: string) => string | undefined,
): unknown {
  const { code = "", syscall: failed } = error as Partial<TunTapError>;
  return failed === syscall ? withDetails(error, { detail: path, hint: hintFor(code, path) }) : error;
}

function bindHint(code: string, path: string): string | undefined {
  switch (code) {
    case "EADDRINUSE":
      return isAbstract(path)
        ? "another socket has that name: choose another one"
        : `there is a file already: if it is the socket of a program that has ended, \`rm ${path}\``;
    case "ENOENT":
    case "ENOTDIR":
      return "make the folder first";
    case "EACCES":
      return "this user may not make files in that folder: use one in /run, or $XDG_RUNTIME_DIR";
    default:
      return undefined;
  }
}

function connectHint(code: string, path: string): string | undefined {
  switch (code) {
    case "ENOENT":
    case "ENOTDIR":
      return `there is no such socket: the helper is not listening yet on ${path}`;
    case "ECONNREFUSED":
      return isAbstract(path)
        ? `nobody in this network namespace has that name: the helper is not listening yet on ${path}`
        : `nobody listens there: the helper is not listening yet on ${path}, or has ended without removing it`;
    case "EACCES":
      return "the mode of the socket or of a folder above keeps this user out: see the `mode` option of handOver(), and let the user search the folder";
    case "EAGAIN":
      return "too many others are waiting there: try again later";
    case "EPROTOTYPE":
      return "that is a socket of another type: SOCK_STREAM is wanted";
    default:
      return undefined;
  }
}
