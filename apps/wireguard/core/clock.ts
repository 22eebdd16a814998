/** Milliseconds since 1970 at which the monotonic clock began, as far as it is known. */
let origin = performance.timeOrigin;

/**
 * Milliseconds since 1970 that never go back, whatever is done to the system's clock meanwhile. Where that is set
 * forward they follow: it was wrong when the machine had started, and peers take no timestamp that is earlier than one
 * of a former run; or the machine has slept, and the keys have aged.
 */
export function now(): number {
  const wall = Date.now();
  const elapsed = performance.now();
  origin = Math.max(origin, wall - elapsed);
  return origin + elapsed;
}
