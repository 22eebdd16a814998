/** Both ends of a hand-over: an fd travels over a Unix socket (unix(7), SCM_RIGHTS). */

import { type Check, checkOptions, handler, integer, signal, wrong } from "../checks.ts";
import { adopt } from "../device/adopt.ts";
import type { AdoptOptions } from "../device/option-types.ts";
import { checkAdoptOptions } from "../device/options.ts";
import type { Device, Tap, Tun } from "../device/types.ts";
import { TunTapError } from "../errors.ts";
import { withHint } from "../hints.ts";
import { closedError } from "../io/failures.ts";
import { EPOLLIN } from "../sys/constants.ts";
import { native } from "../sys/native.ts";
import { closeFd } from "../sys/tun.ts";
import { type Received, receiveFd } from "../sys/unix.ts";
import { waitFor } from "./fd-wait.ts";
import { giveToOne } from "./serving.ts";
import type { HandOverOptions, Peer } from "./types.ts";
import { checkPath, connect, isAbstract, listen } from "./unix-socket.ts";

/** Implements `handOver` of ./index.ts. */
export async function handOver(device: Device, options: HandOverOptions): Promise<Peer> {
  checkDevice(device);
  checkHandOver(options);
  const { path, mode = 0o600, signal } = options;
  signal?.throwIfAborted();
  if (device.closed) throw closedError(device.closeReason);
  try {
    using end = endOf(device, signal);
    using listener = listen(path, mode);
    const peer = await giveToOne(device, listener, options, end.signal);
    device.close();
    return peer;
  } catch (error) {
    throw withHint(error);
  }
}

/** Implements `takeOver` of ./index.ts. */
export async function takeOver(path: string, options: AdoptOptions<Tun | Tap> = {}): Promise<Tun | Tap> {
  checkPath(path, '"path"');
  checkAdoptOptions(options, undefined);
  options.signal?.throwIfAborted();
  const fd = await receive(path, options.signal);
  try {
    const device = adopt(fd, options);
    // The caller closes it then, and not the end of this thread.
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

/** Makes a signal that is aborted with `signal`, or when the device closes, of which its observers learn. */
function endOf(device: Device, signal: AbortSignal | undefined): { readonly signal: AbortSignal } & Disposable {
  const closed = new AbortController();
  const close = (): void => closed.abort(closedError(device.closeReason));
  const observer = device.observe({ frames() {}, close });
  return {
    signal: signal === undefined ? closed.signal : AbortSignal.any([signal, closed.signal]),
    [Symbol.dispose]: () => observer[Symbol.dispose](),
  };
}

const checks: { readonly [K in keyof Required<HandOverOptions>]: Check } = {
  path: (value) => checkPath(value, 'Option "path"'),
  mode: (value) => {
    if (typeof value !== "number" || !Number.isInteger(value)) throw wrong("mode", "a whole number", value);
    if (value < 0 || value > 0o777) {
      throw new RangeError(`Option "mode" must be 0 to 0o777, got ${value < 0 ? value : `0o${value.toString(8)}`}`);
    }
  },
  allow: handler,
  peerTimeoutMs: (value, option) => integer(value, option, 1, 0x7fff_ffff),
  signal,
};

/** Checks that `device` is one: a value without an fd would become fd 0 on its way to the kernel. */
function checkDevice(device: Device): void {
  const isDevice = typeof device === "object" && device !== null && Number.isInteger(device.fd);
  // A UDP socket has an fd, too.
  if (isDevice && (device.kind === "tun" || device.kind === "tap") && typeof device.observe === "function") return;
  throw new TypeError(`"device" must be a Tun or a Tap, got ${Bun.inspect(device)}`);
}

function checkHandOver(options: HandOverOptions): void {
  checkOptions(options, checks, undefined);
  checkPath(options.path, 'Option "path"');
  if (!isAbstract(options.path)) return;
  if (options.mode !== undefined) throw new TypeError('Option "mode" is for a file: an abstract name has none');
  if (options.allow === undefined) {
    throw new TypeError('Option "allow" must be given with an abstract name: nothing else keeps others out');
  }
}
