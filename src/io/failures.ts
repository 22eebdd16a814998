/** Errors that say why a device or a socket has ended. */

import { systemError, TunTapError } from "../errors.ts";
import { EBADF, EBADFD, EFAULT } from "../sys/constants.ts";

/** Returns whether a negative errno means that the fd has no interface any more. */
export function isGone(errno: number): boolean {
  return errno === -EBADFD || errno === -EBADF;
}

/** Returns whether a device ended because its interface was deleted, and not because somebody else closed its fd. */
export function wasDeleted(reason: TunTapError | undefined): boolean {
  return reason?.code === "EBADFD" || reason?.code === "EFAULT";
}

/** Makes the error of a device whose interface is gone. */
export function goneError(errno: number, syscall: string): TunTapError {
  if (errno === -EBADF) {
    return systemError(errno, syscall, {
      detail: "the fd was closed behind the device's back",
      hint: "close a device with close(), and do not close its fd yourself",
    });
  }
  if (errno === -EBADFD || errno === -EFAULT) {
    return systemError(errno, syscall, {
      detail: "the interface was deleted, or the network namespace that it was in has ended",
      hint: "open the device again",
    });
  }
  return systemError(errno, syscall);
}

/** Makes the error of calls on a closed device or socket. */
export function closedError(reason: TunTapError | undefined, noun = "device"): TunTapError {
  return new TunTapError("ERR_TUNTAP_CLOSED", `the ${noun} is closed`, {
    hint: reason === undefined ? "open a new one, or check `closed` first" : `it ended because of ${reason.message}`,
    cause: reason,
  });
}

/** Makes the error of a device or socket whose signal was aborted. */
export function abortedError(cause: unknown, noun = "device"): TunTapError {
  return new TunTapError("ERR_TUNTAP_ABORTED", `the ${noun}'s signal was aborted`, { cause });
}

/** Makes the error that the `error` handler receives when another handler throws. */
export function handlerError(name: string, cause: unknown): TunTapError {
  const what = cause instanceof Error ? `${cause.name}: ${cause.message}` : Bun.inspect(cause);
  return new TunTapError("ERR_TUNTAP_HANDLER", `the ${name} handler threw ${what}`, { cause });
}
