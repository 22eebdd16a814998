/** The protocol between client and switch, beside the frames. */
import { isIPv4 } from "node:net";

/** Request of a client, in the URL of its WebSocket. */
export interface Hello {
  /** Name of the client, the same for each connection. */
  readonly id: string;
  /** Name of the process: tells a second process with the same id from a reconnection. */
  readonly run: string;
  /** Number of the connection, of all that this process has made: the newest one counts. */
  readonly sequence: number;
  /** Address that the client has by other means. */
  readonly claim: string | undefined;
  /** Address that the client was given earlier. */
  readonly wish: string | undefined;
  /** True if the client looks at the switch's {@link HubState} first, and then says {@link JOIN_MESSAGE}. */
  readonly hold: boolean;
}

/** The switch's answer to a client that joins, as JSON in a text message; frames follow. */
export interface Welcome {
  readonly mtu: number;
  /** Address with prefix length; absent if the switch has none to give. */
  readonly address?: string;
  /** The reason why there is no address, for a client that asked for one. */
  readonly noAddress?: string;
}

/**
 * State of a hub, as JSON in a text message: to a client that holds at once, to those that have joined when it changes.
 */
export interface HubState {
  /** True while the hub is cut off from the other hubs of its LAN. */
  readonly isolated: boolean;
}

/** Text by which a client that has held joins. */
export const JOIN_MESSAGE = "join";

/** Reads a text message of a switch as its state. Returns null if it is something else. */
export function parseHubState(message: string): HubState | null {
  const { isolated } = parseObject(message);
  return typeof isolated === "boolean" ? { isolated } : null;
}

/** Prefix lengths that make sense in a LAN of two hosts or more. */
const PREFIX_MAX = 30;

/**
 * Reads the first message of a switch, which the client does not trust: an address with a short prefix would take over
 * routes that have nothing to do with the LAN, "/1" half of IPv4.
 *
 * @param shortestPrefix The shortest prefix length that the user allows
 * @throws {RangeError} If the message is no {@link Welcome}, or gives an address that the client does not accept
 */
export function parseWelcome(message: string, shortestPrefix: number): Welcome {
  const { mtu, address, noAddress } = parseObject(message);
  if (typeof mtu !== "number") throw new RangeError(`The switch gives no MTU: ${quoted(message)}`);
  if (address === undefined) return typeof noAddress === "string" ? { mtu, noAddress: plainText(noAddress) } : { mtu };
  const [, ip = "", digits] = /^([\d.]+)\/(\d{1,2})$/.exec(String(address)) ?? [];
  const prefix = Number(digits);
  if (isIPv4(ip) && prefix >= shortestPrefix && prefix <= PREFIX_MAX) return { mtu, address: `${ip}/${prefix}` };
  throw new RangeError(
    `The switch gives the address ${quoted(String(address))}, wanted IPv4 with a prefix of ${shortestPrefix} to ${PREFIX_MAX}: allow shorter ones with --shortest-prefix, or choose an --address`,
  );
}

/** The most characters of another machine's words that go to the log. */
const WORDS_MAX = 200;

/** Makes the words of another machine fit for the log: control characters are replaced, and the rest is short. */
export function plainText(text: string): string {
  return text.slice(0, WORDS_MAX).replace(/[^ -~]/g, "?");
}

function quoted(text: string): string {
  return `"${plainText(text)}"`;
}

function parseObject(message: string): Record<string, unknown> {
  try {
    return Object(JSON.parse(message));
  } catch (error) {
    throw new RangeError(`The switch welcomes with ${quoted(message)}, wanted JSON`, { cause: error });
  }
}

/** Path of the WebSocket of clients. */
export const JOIN_PATH = "/lan";

/** Reasons for which the switch closes a connection, as WebSocket close codes (RFC 6455 section 7.4: 4000 and above are free). */
export const Close = {
  UNSUPPORTED_DATA: 1003,
  INVALID_DATA: 1007,
  REPLACED: 4001,
  ADDRESS_TAKEN: 4002,
  FULL: 4003,
  SUPERSEDED: 4004,
  TOO_LATE: 4005,
  /** An address was given to another, or cannot be given now: another hub, or a moment later, may do. */
  UNAVAILABLE: 4006,
} as const;

/** Characters of an id: plain ones, as ids are printed and logged. */
export const ID_PATTERN: RegExp = /^[\w.:/@-]{1,64}$/;

/** Formats the request of a client as a query, which {@link parseHello} reads. */
export function helloQuery({ id, run, sequence, claim, wish, hold }: Hello): string {
  const query = new URLSearchParams({ id, run, seq: `${sequence}`, ...(hold && { hold: "1" }) });
  if (claim !== undefined) query.set("claim", claim);
  if (wish !== undefined) query.set("wish", wish);
  return query.toString();
}

/** Tells whether a text is an IPv4 address, with or without its prefix length. */
function isAddress(text: string): boolean {
  const [, ip = "", digits = "32"] = /^([\d.]+)(?:\/(\d{1,2}))?$/.exec(text) ?? [];
  return isIPv4(ip) && Number(digits) <= 32;
}

/** Reads the request of a client. Returns null if its id, or an address in it, is none. */
export function parseHello(query: URLSearchParams): Hello | null {
  const id = query.get("id") ?? "";
  const addresses = [query.get("claim"), query.get("wish")];
  if (!ID_PATTERN.test(id) || addresses.some((text) => text !== null && !isAddress(text))) return null;
  const run = query.get("run") ?? "";
  return {
    id,
    // Other hubs are told: not longer than ids, and plain.
    run: ID_PATTERN.test(run) ? run : "",
    sequence: Number(/^\d{1,9}$/.exec(query.get("seq") ?? "")?.[0] ?? 0),
    claim: query.get("claim") ?? undefined,
    wish: query.get("wish") ?? undefined,
    hold: query.get("hold") === "1",
  };
}
