/** A device goes from one process to another: its fd travels over a Unix socket (unix(7), SCM_RIGHTS). */

import { adopt } from "../device/adopt.ts";
import { checkAdoptOptions } from "../device/options.ts";
import type { AdoptOptions, Device, Tap, Tun } from "../device/types.ts";
import { TunTapError } from "../errors.ts";
import { withHint } from "../hints.ts";
import { closedError } from "../io/failures.ts";
import { EPOLLERR, EPOLLET, EPOLLIN, EPOLLOUT } from "../sys/constants.ts";
import { native } from "../sys/native.ts";
import { closeFd } from "../sys/tun.ts";
import { getPeer, type Received, receiveFd, sendFd } from "../sys/unix.ts";
import { waitFor } from "./fd-wait.ts";
import type { HandOverOptions, Peer } from "./types.ts";
import { accept, checkPath, connect, isAbstract, listen, type Socket } from "./unix-socket.ts";

/** See `handOver` of ../handover.ts. */
export async function handOver(device: Device, options: HandOverOptions): Promise<Peer> {
  checkDevice(device);
  checkHandOver(options);
  const { path, mode = 0o600, signal } = options;
  signal?.throwIfAborted();
  assertOpen(device);
  try {
    using end = endOf(device, signal);
    using listener = listen(path, mode);
    for (;;) {
      using connection = await waitFor(listener.fd, EPOLLIN, end.signal, () => accept(listener));
      const peer = getPeer(connection.fd);
      if (!isAllowed(options, peer) || !(await give(device, connection, end.signal))) continue;
      device.close();
      return peer;
    }
  } catch (error) {
    throw withHint(error);
  }
}

/** See `takeOver` of ../handover.ts. */
export async function takeOver(path: string, options: AdoptOptions<Tun | Tap> = {}): Promise<Tun | Tap> {
  checkPath(path, '"path"');
  checkAdoptOptions(options, undefined);
  options.signal?.throwIfAborted();
  const fd = await receive(path, options.signal);
  try {
    const device = adopt(fd, options);
    // The caller's to close then, and not the end of this thread's.
    if (options.closeFd === false) native().fd_disown(fd);
    return device;
  } catch (error) {
    closeFd(fd);
    throw error;
  }
}

async function receive(path: string, signal: AbortSignal | undefined): Promise<number> {
  try {
    using connection = connect(path);
    return await waitFor(connection.fd, EPOLLIN, signal, () => fdOf(receiveFd(connection.fd), path));
  } catch (error) {
    throw withHint(error);
  }
}

function fdOf(received: Received, path: string): number | undefined {
  switch (received) {
    case "nothing yet":
      return undefined;
    case "the end":
      throw new TunTapError("ERR_TUNTAP_HANDOVER", `the other end of ${path} has closed without handing over an fd`, {
        hint: "it may have ended, or not allow this process to have one: see who may in its `allow` option",
      });
    case "no fd":
    case "several fds":
      throw new TunTapError("ERR_TUNTAP_HANDOVER", `${received} came from ${path}`, {
        hint: "what listens there must send one byte, and with it one fd (SCM_RIGHTS), as handOver() does",
      });
    default:
      return received;
  }
}

/** False if the other end has gone away without having received it. */
async function give(device: Device, connection: Socket, signal: AbortSignal): Promise<boolean> {
  let sent = false;
  try {
    // Edge-triggered: the socket is writable at first, and again when what was sent has been received.
    return await waitFor(connection.fd, EPOLLOUT | EPOLLET, signal, (events) => {
      // ECONNRESET: it was thrown away unread (net/unix/af_unix.c unix_release_sock()).
      if (sent) return (events & EPOLLERR) === 0;
      assertOpen(device);
      sent = sendFd(connection.fd, device.fd);
      return sent ? undefined : false;
    });
  } catch (error) {
    if (sent) return true;
    throw error;
  }
}

function assertOpen(device: Device): void {
  if (device.closed) throw closedError(device.closeReason);
}

/** How often to look whether the device has closed. */
const CLOSED_LOOK_MS = 100;

/** Aborted when `signal` is, or when the device has closed. */
function endOf(device: Device, signal: AbortSignal | undefined): { readonly signal: AbortSignal } & Disposable {
  const closed = new AbortController();
  const timer = setInterval(() => {
    if (device.closed) closed.abort(closedError(device.closeReason));
  }, CLOSED_LOOK_MS).unref();
  return {
    signal: signal === undefined ? closed.signal : AbortSignal.any([signal, closed.signal]),
    [Symbol.dispose]: () => clearInterval(timer),
  };
}

function isAllowed(options: HandOverOptions, peer: Peer): boolean {
  const answer: unknown = options.allow === undefined ? true : options.allow(peer);
  // A promise would be taken for a yes.
  if (typeof answer !== "boolean") throw wrong("allow", "a function that returns true or false", answer);
  return answer;
}

const checks: { readonly [K in keyof Required<HandOverOptions>]: (value: unknown) => void } = {
  path: (value) => checkPath(value, 'Option "path"'),
  mode: (value) => {
    if (typeof value !== "number" || !Number.isInteger(value)) throw wrong("mode", "a whole number", value);
    if (value < 0 || value > 0o777) {
      throw new RangeError(`Option "mode" must be 0 to 0o777, got ${value < 0 ? value : `0o${value.toString(8)}`}`);
    }
  },
  allow: (value) => {
    if (typeof value !== "function") throw wrong("allow", "a function", value);
  },
  signal: (value) => {
    if (!(value instanceof AbortSignal)) throw wrong("signal", "an AbortSignal", value);
  },
};

/** What is no fd would become one on its way to the kernel: 0, which is the standard input. */
function checkDevice(device: Device): void {
  if (typeof device === "object" && device !== null && Number.isInteger(device.fd)) return;
  throw new TypeError(`"device" must be a Tun or a Tap, got ${Bun.inspect(device)}`);
}

function checkHandOver(options: HandOverOptions): void {
  if (typeof options !== "object" || options === null) throw wrong("options", "an object", options);
  for (const option in options) {
    const check = Object.hasOwn(checks, option) ? checks[option as keyof HandOverOptions] : undefined;
    if (check === undefined) {
      throw new TypeError(`Unknown option "${option}": known are ${Object.keys(checks).sort().join(", ")}`);
    }
    const value = options[option as keyof HandOverOptions];
    if (value !== undefined) check(value);
  }
  checks.path(options.path);
  if (!isAbstract(options.path)) return;
  if (options.mode !== undefined) throw new TypeError('Option "mode" is for a file: an abstract name has none');
  if (options.allow === undefined) {
    throw new TypeError('Option "allow" must be given with an abstract name: nothing else keeps others out');
  }
}

function wrong(option: string, wanted: string, value: unknown): TypeError {
  return new TypeError(`Option "${option}" must be ${wanted}, got ${Bun.inspect(value)}`);
}
