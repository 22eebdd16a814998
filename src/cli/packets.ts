/** Packets as lines: what `read` and `dump` have in common. */

import type { CapturedFrame } from "../capture/index.ts";
import { LinkType } from "../capture/index.ts";
import { describe } from "../packet/index.ts";
import type { Option } from "./command.ts";
import type { Output } from "./output.ts";
import { packetTime } from "./time.ts";
import { parseInteger } from "./values.ts";

/** Options of the commands that print packets. */
export const packetOptions: {
  readonly exclude: Option & { readonly type: "string"; readonly multiple: true };
  readonly count: Option & { readonly type: "string" };
  readonly json: Option & { readonly type: "boolean" };
} = {
  exclude: {
    type: "string",
    short: "x",
    multiple: true,
    value: "WORD",
    about: "leave out packets with that word; may be repeated",
  },
  count: { type: "string", short: "n", value: "NUMBER", about: "end after so many packets" },
  json: { type: "boolean", about: "print one JSON object a line" },
};

/** Values of {@link packetOptions}. */
export interface PacketValues {
  readonly exclude?: readonly string[];
  readonly count?: string;
  readonly json?: boolean;
}

/** Prints the packets that a person asked for. */
export class PacketPrinter {
  /** Packets that were printed. */
  printed = 0;
  readonly #output: Output;
  readonly #isWanted: (line: string) => boolean;
  readonly #most: number;
  readonly #json: boolean;

  constructor(output: Output, words: readonly string[], { exclude, json }: PacketValues, most: number) {
    this.#output = output;
    this.#isWanted = wordFilter(words, exclude ?? []);
    this.#most = most;
    this.#json = json ?? false;
  }

  /** Tells whether as many were printed as were asked for. */
  get isDone(): boolean {
    return this.printed >= this.#most;
  }

  /** Prints a packet, if it is wanted. @returns whether it is time to await `output.flush()` */
  print(captured: CapturedFrame): boolean {
    const text = textOf(captured);
    if (this.isDone || !this.#isWanted(text)) return false;
    this.printed++;
    const { timestampNs: time, direction, frame, originalLength } = captured;
    if (this.#json) {
      const bytes = Buffer.from(frame.buffer, frame.byteOffset, frame.length).toString("hex");
      const isoTime = time === undefined ? null : new Date(Number(time / 1_000_000n)).toISOString();
      const { name } = captured.interface;
      const times = { time: isoTime, timestampNs: time?.toString() ?? null };
      return this.#output.json({
        ...times,
        interface: name,
        direction: direction ?? null,
        originalLength,
        text,
        bytes,
      });
    }
    const { paint } = this.#output;
    const at = time === undefined ? "" : `${paint("dim", packetTime(time))} `;
    const way = direction === undefined ? "" : paint(ways[direction].style, ways[direction].word);
    return this.#output.line(`${at}${way}${text}`);
  }
}

/** Directions as seen from the host whose interface it is. */
const ways = { inbound: { style: "green", word: "in  " }, outbound: { style: "cyan", word: "out " } } as const;

/** Reads the number of packets to print at most. @throws {RangeError} */
export function mostOf({ count }: PacketValues): number {
  if (count === undefined) return Number.POSITIVE_INFINITY;
  return parseInteger("count", count, { min: 1, max: Number.MAX_SAFE_INTEGER });
}

/** LINKTYPE_IPV4 and LINKTYPE_IPV6 of tcpdump.org/linktypes.html. */
const [LINKTYPE_IPV4, LINKTYPE_IPV6] = [228, 229];

function textOf({ frame, originalLength, interface: { linkType } }: CapturedFrame): string {
  const isPacket = linkType === LinkType.RAW || linkType === LINKTYPE_IPV4 || linkType === LINKTYPE_IPV6;
  const cut = frame.length < originalLength ? ` [${originalLength - frame.length} bytes were not kept]` : "";
  if (!isPacket && linkType !== LinkType.ETHERNET) return `link type ${linkType}, length ${originalLength}`;
  return describe(frame, isPacket ? "tun" : "tap") + cut;
}

/**
 * Returns a filter of lines: all of `words` must stand in a line and none of `excluded`, in small or capital letters.
 * A word is found whole: "192.0.2.1" is in "192.0.2.1.80", whose last part is a port, and not in "192.0.2.10".
 */
export function wordFilter(words: readonly string[], excluded: readonly string[]): (line: string) => boolean {
  const [all, none] = [words.map(pattern), excluded.map(pattern)];
  return (line) => all.every((word) => word.test(line)) && !none.some((word) => word.test(line));
}

function pattern(word: string): RegExp {
  const escaped = word.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
  // Behind a colon an IPv6 address goes on. A word of other characters, such as ">", stands by itself.
  const before = /^\w/.test(word) ? "(?<!\\w|\\w:)" : "";
  const behind = /\w$/.test(word) ? "(?!\\w|::?\\w)" : "";
  return new RegExp(before + escaped + behind, "i");
}
