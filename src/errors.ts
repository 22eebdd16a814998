/** Codes of errors that this library itself reports, beside the errno names of the kernel. */
export type TunTapErrorCode =
  /** The device is closed. `cause` says why, where there is a reason. */
  | "ERR_TUNTAP_CLOSED"
  /** The device's `signal` was aborted; `cause` is the signal's reason. */
  | "ERR_TUNTAP_ABORTED"
  /** Somebody else is receiving from the device already. */
  | "ERR_TUNTAP_BUSY"
  /** A handler threw; `cause` is what it threw. */
  | "ERR_TUNTAP_HANDLER"
  /** This platform or kernel cannot do what was asked. */
  | "ERR_TUNTAP_UNSUPPORTED"
  /** A peer sent something else than one file descriptor over a Unix socket. */
  | "ERR_TUNTAP_HANDOVER"
  /** A persistent interface without owner and group, to which every user could attach, was not asked for by name. */
  | "ERR_TUNTAP_OWNERLESS"
  /** The C shim could not be compiled or linked. */
  | "ERR_TUNTAP_NATIVE";

/** Details of a {@link TunTapError}. */
export interface TunTapErrorDetails {
  /** The kernel's answer, negative, as in Bun's own errors. */
  errno?: number | undefined;
  /** The call that failed: `open`, `ioctl(TUNSETIFF)`, `write`. */
  syscall?: string | undefined;
  /** Details beyond the errno: the words of the kernel, or the arguments of the call. */
  detail?: string | undefined;
  /** One sentence: what to do next. */
  hint?: string | undefined;
  /** Error or value that led to this error. */
  cause?: unknown;
  /** For `sendMany`: the index of the frame that was refused. */
  frameIndex?: number | undefined;
  /** The option that could not be applied, such as `routes[1]`, if opening failed. */
  option?: string | undefined;
}

/**
 * Everything that goes wrong outside of wrong arguments, which are `TypeError`
 * or `RangeError`.
 *
 * @example
 * ```ts
 * try {
 *   openTun();
 * } catch (error) {
 *   if (error instanceof TunTapError && error.code === "EPERM") console.error(error.hint);
 *   else throw error;
 * }
 * ```
 */
export class TunTapError extends Error {
  /** `"TunTapError"`. */
  override readonly name = "TunTapError";
  /** The errno's name ("EPERM"), or one of {@link TunTapErrorCode}. Stable. */
  readonly code: TunTapErrorCode | (string & {});
  /** The errno, negative; undefined where no system call failed. */
  readonly errno: number | undefined;
  /** The system call that failed, if one did. */
  readonly syscall: string | undefined;
  /** Details beyond the errno: the words of the kernel, or the arguments of the call. */
  readonly detail: string | undefined;
  /** Advice on what to do next, in one sentence. */
  readonly hint: string | undefined;
  /** For `sendMany`: the index of the frame that was refused; those before it were taken. */
  readonly frameIndex: number | undefined;
  /** The option that could not be applied, such as `routes[1]`, if opening failed. */
  readonly option: string | undefined;

  constructor(code: TunTapErrorCode | (string & {}), text: string, details: TunTapErrorDetails = {}) {
    const { syscall, hint, errno, detail, frameIndex, option } = details;
    const where = syscall === undefined ? "" : `, ${syscall}`;
    const said = [option === undefined ? undefined : `option ${option}`, detail].filter((text) => text !== undefined);
    const more = said.length === 0 ? "" : ` (${said.join(": ")})`;
    super(
      `${code}: ${text}${more}${where}${hint === undefined ? "" : `: ${hint}`}`,
      details.cause === undefined ? undefined : { cause: details.cause },
    );
    this.code = code;
    this.errno = errno;
    this.syscall = syscall;
    this.detail = detail;
    this.hint = hint;
    this.frameIndex = frameIndex;
    this.option = option;
    // An error is shown with all that it has: not with what is undefined.
    for (const [key, value] of Object.entries(this)) {
      if (value === undefined) Object.defineProperty(this, key, { enumerable: false });
    }
  }

  /** Returns what `JSON.stringify` shows: the message too, which that leaves out of other errors. */
  toJSON(): object {
    return { ...this, name: this.name, message: this.message };
  }
}

/** The error for `-errno` as the kernel returned it from `syscall`. */
export function systemError(errno: number, syscall: string, details: TunTapErrorDetails = {}): TunTapError {
  const [code, text] = describeErrno(errno);
  return new TunTapError(code, text, { ...details, errno, syscall });
}

/** Returns the error of a system call with more details, or an error of another kind unchanged. */
export function withDetails(error: unknown, more: TunTapErrorDetails): unknown {
  if (!(error instanceof TunTapError) || error.errno === undefined) return error;
  const { errno, syscall = "", detail, hint, frameIndex, option, cause } = error;
  return systemError(errno, syscall, { detail, hint, frameIndex, option, cause, ...more });
}

/** Returns `result`. @throws {TunTapError} if it is `-errno` */
export function check(result: number, syscall: string, detail?: string): number {
  if (result < 0) throw systemError(result, syscall, { detail });
  return result;
}

/** Returns name and text of a negative errno. */
export function describeErrno(errno: number): [code: string, text: string] {
  return (
    unlisted[errno] ??
    // Loaded at the first error, not at import: it costs more than the rest of the library.
    process.getBuiltinModule("node:util").getSystemErrorMap().get(errno) ?? [`E${-errno}`, "unknown error"]
  );
}

/** Errors that Node's table lacks, or calls by another name than Linux (include/uapi/asm-generic/errno.h). */
const unlisted: Readonly<Record<number, [string, string]>> = {
  [-95]: ["EOPNOTSUPP", "operation not supported"],
  [-77]: ["EBADFD", "file descriptor in bad state"],
};
