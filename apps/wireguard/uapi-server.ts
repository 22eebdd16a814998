import { existsSync, type FSWatcher, mkdirSync, rmSync, watch } from "node:fs";
import type { Socket, UnixSocketListener } from "bun";
import { ProgramError } from "../../src/cli/program.ts";
import { TunTapError } from "../../src/index.ts";
import type { Log } from "./core/log.ts";
import type { Tunnel } from "./core/tunnel.ts";
import { formatTunnel, parseSettings, UapiErrno, UapiError } from "./uapi.ts";
import { serverOf, UAPI_FOLDER, uapiPath } from "./uapi-path.ts";

/** Characters of one request: room for some 10,000 peers. */
const REQUEST_MAX = 16 * 1024 * 1024;
/** Bytes of answers that a client has not read; one that asks on beyond them is left. */
const UNREAD_MAX = 1024 * 1024;

/** State of one connection. */
interface Connection {
  /** Received text that is not a whole request yet. */
  received: string;
  readonly decoder: TextDecoder;
  /** Text of the answer that the kernel has not taken yet. */
  pending: Uint8Array;
}

/** Serves the UAPI of a tunnel on its Unix socket until it is disposed of. */
export class UapiServer implements Disposable {
  readonly #path: string;
  readonly #listener: UnixSocketListener<Connection>;
  readonly #watcher: FSWatcher;

  /**
   * @param removed Called when somebody removes the socket's file, which asks the tunnel to end.
   * @throws {ProgramError} If another process serves that name
   */
  constructor(tunnel: Tunnel, name: string, log: Log, removed: () => void) {
    this.#path = uapiPath(name);
    mkdirSync(UAPI_FOLDER, { recursive: true, mode: 0o755 });
    const server = serverOf(this.#path);
    if (server !== undefined) {
      throw new ProgramError(
        `${this.#path} is served by process ${server}, perhaps for an interface of the same name in another network namespace: choose another name`,
      );
    }
    // What is there was left by a process that has gone.
    rmSync(this.#path, { force: true });
    // The mode is that of the file from its first moment on.
    const mask = process.umask(0o177);
    try {
      this.#listener = Bun.listen<Connection>({
        unix: this.#path,
        socket: {
          open: (socket) => {
            socket.data = { received: "", decoder: new TextDecoder(), pending: new Uint8Array(0) };
          },
          data: (socket, bytes) => received(tunnel, log, socket, bytes),
          drain: (socket) => flush(socket),
        },
      });
    } finally {
      process.umask(mask);
    }
    try {
      this.#watcher = watch(UAPI_FOLDER, { persistent: false }, () => {
        if (!existsSync(this.#path)) removed();
      });
    } catch (error) {
      // A user may have no more than fs.inotify.max_user_instances of them (inotify(7)).
      this.#stop();
      throw error;
    }
  }

  #stop(): void {
    this.#listener.stop(true);
    rmSync(this.#path, { force: true });
  }

  [Symbol.dispose](): void {
    this.#watcher.close();
    this.#stop();
  }
}

function received(tunnel: Tunnel, log: Log, socket: Socket<Connection>, bytes: Uint8Array): void {
  const connection = socket.data;
  connection.received += connection.decoder.decode(bytes, { stream: true });
  if (connection.received.length > REQUEST_MAX) {
    socket.end();
    return;
  }
  for (;;) {
    const end = connection.received.indexOf("\n\n");
    if (end < 0) return;
    if (connection.pending.length > UNREAD_MAX) {
      socket.terminate();
      return;
    }
    const request = connection.received.slice(0, end);
    connection.received = connection.received.slice(end + 2);
    reply(socket, answer(tunnel, log, request));
  }
}

/** Returns the answer to one request, which ends with the number of an error or 0, and an empty line. */
export function answer(tunnel: Tunnel, log: Log, request: string): string {
  const [operation, ...lines] = request.split("\n");
  try {
    if (operation === "get=1") {
      if (lines.length > 0) throw new UapiError("get=1 takes no lines");
      return `${formatTunnel(tunnel)}errno=0\n\n`;
    }
    if (operation !== "set=1") throw new UapiError("a request begins with get=1 or set=1");
    tunnel.apply(parseSettings(lines));
    return "errno=0\n\n";
  } catch (error) {
    log.error(`a request of the configuration socket was refused: ${(error as Error).message}`);
    return `errno=${errnoOf(error)}\n\n`;
  }
}

function errnoOf(error: unknown): number {
  // Of the library: the endpoint's interface ("fe80::1%eth0") is not there.
  if (error instanceof UapiError || error instanceof RangeError) return UapiErrno.invalid;
  return error instanceof TunTapError && error.errno !== undefined ? error.errno : UapiErrno.io;
}

function reply(socket: Socket<Connection>, text: string): void {
  const { pending } = socket.data;
  const bytes = new TextEncoder().encode(text);
  const all = new Uint8Array(pending.length + bytes.length);
  all.set(pending);
  all.set(bytes, pending.length);
  socket.data.pending = all;
  flush(socket);
}

function flush(socket: Socket<Connection>): void {
  const { pending } = socket.data;
  if (pending.length === 0) return;
  const written = socket.write(pending);
  socket.data.pending = pending.subarray(Math.max(0, written));
}
