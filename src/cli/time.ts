/** Times of day as text. */

/** Returns the local time of day: "17:04:05.123". */
export function clockTime(time: Date): string {
  const milliseconds = String(time.getMilliseconds()).padStart(3, "0");
  return `${secondsOf(time)}.${milliseconds}`;
}

/** Returns the local time of day of nanoseconds since 1970, as tcpdump prints it: "17:04:05.123456". */
export function packetTime(ns: bigint): string {
  const microseconds = String((ns / 1000n) % 1_000_000n).padStart(6, "0");
  return `${secondsOf(new Date(Number(ns / 1_000_000n)))}.${microseconds}`;
}

function secondsOf(time: Date): string {
  return [time.getHours(), time.getMinutes(), time.getSeconds()].map((part) => String(part).padStart(2, "0")).join(":");
}
