import { systemError } from "./errors.ts";

const EMFILE = 24;

/**
 * A module that `require` loads when it is first used.
 *
 * @throws {TunTapError} `EMFILE` where its file cannot be opened: Bun's own error for that is no system error
 */
export function lazy<T>(require: () => T): T {
  try {
    return require();
  } catch (cause) {
    if (/\bEMFILE\b/.test(String(cause))) throw systemError(-EMFILE, "open", { cause });
    throw cause;
  }
}
