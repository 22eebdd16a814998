/** Reads the status that another hub tells of itself. It is checked as whatever comes from elsewhere. */
import {
  type AddressStatus,
  type BackboneStatus,
  CLIENTS_MAX,
  type ClientStatus,
  clip,
  type HubStatus,
  type LinkStatus,
  MACS_MAX,
  present,
  type Traffic,
} from "./status.ts";
import type { Totals } from "./status-totals.ts";

/** The most links to other hubs that are read of one hub. */
const LINKS_MAX = 1024;

type Json = { readonly [name: string]: unknown };

/** Thrown where a text is no status, which is no error of this hub. */
class Broken extends Error {}

/**
 * Reads a status. Members that are not known are left out, and texts are made short.
 *
 * @param hub Name of the hub that it came from, whatever it calls itself
 * @returns null if it is no status
 */
export function readHubStatus(text: string, hub: string): HubStatus | null {
  try {
    return hubStatus(object(JSON.parse(text)), clip(hub));
  } catch (error) {
    if (error instanceof Broken || error instanceof SyntaxError) return null;
    throw error;
  }
}

function hubStatus(from: Json, hub: string): HubStatus {
  return {
    hub,
    uptimeSeconds: count(from["uptimeSeconds"]),
    rssBytes: count(from["rssBytes"]),
    mtu: count(from["mtu"]),
    macAddresses: count(from["macAddresses"]),
    clientCount: count(from["clientCount"]),
    clientsMax: count(from["clientsMax"]),
    matched: count(from["matched"]),
    clients: list(from["clients"], CLIENTS_MAX).map(client),
    totals: totals(from["totals"]),
    queuedBytes: count(from["queuedBytes"]),
    ...present("traffic", optional(from["traffic"], traffic)),
    ...present("addresses", optional(from["addresses"], addresses)),
    ...present("backbone", optional(from["backbone"], backbone)),
    links: list(from["links"], LINKS_MAX).map(link),
  };
}

function client(value: unknown): ClientStatus {
  const from = object(value);
  return {
    id: text(from["id"]),
    from: text(from["from"]),
    ...present("address", optional(from["address"], text)),
    connectedSeconds: count(from["connectedSeconds"]),
    ...totals(from),
    queuedBytes: count(from["queuedBytes"]),
    macs: list(from["macs"], MACS_MAX).map(text),
    macCount: count(from["macCount"]),
    ...present("traffic", optional(from["traffic"], traffic)),
  };
}

function totals(value: unknown): Totals {
  const from = object(value);
  const dropped = object(from["dropped"]);
  return {
    framesIn: count(from["framesIn"]),
    bytesIn: count(from["bytesIn"]),
    framesOut: count(from["framesOut"]),
    bytesOut: count(from["bytesOut"]),
    dropped: {
      short: count(dropped["short"]),
      long: count(dropped["long"]),
      source: count(dropped["source"]),
      circle: count(dropped["circle"]),
      backPressure: count(dropped["backPressure"]),
    },
    unlearned: count(from["unlearned"]),
  };
}

function traffic(value: unknown): Traffic {
  const from = object(value);
  return {
    inBitsPerSecond: count(from["inBitsPerSecond"]),
    outBitsPerSecond: count(from["outBitsPerSecond"]),
    inFramesPerSecond: count(from["inFramesPerSecond"]),
    outFramesPerSecond: count(from["outFramesPerSecond"]),
  };
}

function addresses(value: unknown): AddressStatus {
  const from = object(value);
  return { given: count(from["given"]), size: count(from["size"]), available: from["available"] === true };
}

function backbone(value: unknown): BackboneStatus {
  const from = object(value);
  return {
    connected: from["connected"] === true,
    droppedFrames: count(from["droppedFrames"]),
    refusedMessages: count(from["refusedMessages"]),
    flaps: count(from["flaps"]),
  };
}

function link(value: unknown): LinkStatus {
  const from = object(value);
  return {
    from: text(from["from"]),
    messages: count(from["messages"]),
    lost: count(from["lost"]),
    reordered: count(from["reordered"]),
    ...present(
      "recentLoss",
      optional(from["recentLoss"], (value) => Math.min(1, count(value))),
    ),
  };
}

function optional<Value>(value: unknown, read: (value: unknown) => Value): Value | undefined {
  return value === undefined ? undefined : read(value);
}

function object(value: unknown): Json {
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as Json;
  throw new Broken();
}

function list(value: unknown, max: number): readonly unknown[] {
  if (Array.isArray(value)) return value.slice(0, max);
  throw new Broken();
}

/** A number of things, or of seconds or bytes: none is below 0. */
function count(value: unknown): number {
  if (typeof value === "number" && value >= 0 && value <= Number.MAX_SAFE_INTEGER) return value;
  throw new Broken();
}

function text(value: unknown): string {
  if (typeof value === "string") return clip(value);
  throw new Broken();
}
