/** The sign of life of a hub, as JSON, and its checks: others wrote it. */
import { isName } from "./subjects.ts";

/** Messages of frames between a hub and another one, by the first one's count. */
export interface Report {
  readonly hub: string;
  /** Number of the last message to that hub alone. */
  readonly sent: number;
  /** Number of the newest message from it to the first one alone. */
  readonly newest: number;
  /** Messages from it that came, and that did not. */
  readonly received: number;
  readonly lost: number;
}

/** Content of a sign of life. */
export interface Hello {
  /** Milliseconds since the hub began. */
  readonly ageMs: number;
  readonly clients: number;
  /** Addresses of its clients, and the number of its last announcement of them. */
  readonly macs: number;
  readonly version: number;
  /** Number of its last message of frames to all. */
  readonly flooded: number;
  /** True if the others are to answer with theirs at once. */
  readonly asks: boolean;
  /** About some of the other hubs; about the rest next time. */
  readonly reports: readonly Report[];
}

/** Reports in one message: with more hubs, they take turns. */
export const REPORTS_MAX = 64;

const BODY_MAX = 16 * 1024;
const COUNT_MAX = 2 ** 48;

/** Formats a sign of life. */
export function formatHello({ reports, ...rest }: Hello): Buffer {
  const rows = reports.map(({ hub, sent, newest, received, lost }) => [hub, sent, newest, received, lost]);
  return Buffer.from(JSON.stringify({ ...rest, reports: rows }));
}

/** Reads a sign of life; null if it is none. */
export function parseHello(body: Uint8Array): Hello | null {
  if (body.length > BODY_MAX) return null;
  const { ageMs, clients, macs, version, flooded, asks, reports } = parseObject(body);
  const counts = [ageMs, clients, macs, version, flooded];
  if (!counts.every(isCount) || !Array.isArray(reports) || reports.length > REPORTS_MAX) return null;
  const rows = reports.map(parseReport);
  if (rows.includes(null)) return null;
  return { ageMs, clients, macs, version, flooded, asks: asks === true, reports: rows as Report[] } as Hello;
}

function parseReport(row: unknown): Report | null {
  if (!Array.isArray(row)) return null;
  const [hub, sent, newest, received, lost] = row;
  if (typeof hub !== "string" || !isName(hub) || ![sent, newest, received, lost].every(isCount)) return null;
  return { hub, sent, newest, received, lost };
}

function isCount(value: unknown): value is number {
  return typeof value === "number" && Number.isFinite(value) && value >= 0 && value <= COUNT_MAX;
}

function parseObject(body: Uint8Array): Record<string, unknown> {
  try {
    return Object(JSON.parse(new TextDecoder().decode(body)));
  } catch {
    return {};
  }
}
