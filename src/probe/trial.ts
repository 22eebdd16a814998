import { withOpenHint } from "../device/open-hints.ts";
import { DEFAULT_PATH } from "../device/options.ts";
import { TunTapError } from "../errors.ts";
import { withHint } from "../hints.ts";
import type { Kind } from "../interface/checks.ts";
import type { ProbeFailure, ProbeTrial } from "./report.ts";

/** The requested name; the kernel adds a number. */
export const PROBE_NAME = "probe%d";

/** The result if something could not be tried. */
export const untried: ProbeTrial = { works: null, failure: null };

/** Returns whether `call` throws, and the failure. */
export function trial(call: () => void, kind: Kind = "tun"): ProbeTrial {
  try {
    call();
    return { works: true, failure: null };
  } catch (error) {
    return { works: false, failure: failureOf(error, kind) };
  }
}

/** Returns the error as openTun() or openTap() would throw it, with its hint. */
export function failureOf(error: unknown, kind: Kind = "tun"): ProbeFailure {
  const request = { kind, name: PROBE_NAME, path: DEFAULT_PATH, exclusive: false };
  const explained = withOpenHint(withHint(error), request, undefined);
  if (!(explained instanceof TunTapError)) {
    const { name, message } = explained instanceof Error ? explained : { name: "Error", message: String(explained) };
    return { code: name, message, errno: null, syscall: null, hint: null };
  }
  const { code, errno = null, syscall = null, hint = null } = explained;
  const message = hint === null ? explained.message : explained.message.slice(0, -`: ${hint}`.length);
  return { code, message, errno, syscall, hint };
}
