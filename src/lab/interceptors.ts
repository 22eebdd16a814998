import type { Delayed, Interceptor, LinkDirection, Verdict } from "./types.ts";

/** Takes one frame that is to go on, and the milliseconds that it is to be later. */
export type Onward = (frame: Uint8Array, delayMs: number) => void;

const MS_MAX = 3_600_000;

/** The interceptors of a link, asked in the order in which they came. */
export class Interceptors {
  readonly #list: Interceptor[] = [];
  readonly #link: string;
  readonly #onError: (error: unknown) => void;

  constructor(link: string, onError: (error: unknown) => void) {
    this.#link = link;
    this.#onError = onError;
  }

  get isEmpty(): boolean {
    return this.#list.length === 0;
  }

  add(interceptor: Interceptor): Disposable {
    if (typeof interceptor !== "function") {
      throw new TypeError(`"interceptor" must be a function, got ${Bun.inspect(interceptor)}`);
    }
    // One function may be there twice.
    const own: Interceptor = (frame, direction) => interceptor(frame, direction);
    this.#list.push(own);
    return {
      [Symbol.dispose]: () => {
        const index = this.#list.indexOf(own);
        if (index >= 0) this.#list.splice(index, 1);
      },
    };
  }

  /** Asks about a frame; `onward` gets all that is to go on. */
  run(frame: Uint8Array, direction: LinkDirection, onward: Onward): void {
    this.#ask([...this.#list], 0, frame, 0, direction, onward);
  }

  #ask(
    list: readonly Interceptor[],
    index: number,
    frame: Uint8Array,
    delayMs: number,
    direction: LinkDirection,
    onward: Onward,
  ): void {
    const interceptor = list[index];
    if (interceptor === undefined) {
      onward(frame, delayMs);
      return;
    }
    for (const part of this.#partsOf(interceptor, frame, direction)) {
      if (part instanceof Uint8Array) this.#ask(list, index + 1, part, delayMs, direction, onward);
      else this.#ask(list, index + 1, part.frame ?? frame, delayMs + part.delay, direction, onward);
    }
  }

  /** Returns what is to go on in place of `frame`: the frame itself if the interceptor fails. */
  #partsOf(interceptor: Interceptor, frame: Uint8Array, direction: LinkDirection): readonly (Uint8Array | Delayed)[] {
    try {
      return parts(interceptor(frame, direction), frame, this.#link);
    } catch (error) {
      this.#tell(error);
      return [frame];
    }
  }

  #tell(error: unknown): void {
    try {
      this.#onError(error);
    } catch (thrown) {
      reportError(thrown);
    }
  }
}

function parts(verdict: Verdict, frame: Uint8Array, link: string): readonly (Uint8Array | Delayed)[] {
  if (verdict === undefined || verdict === "pass") return [frame];
  if (verdict === "drop") return [];
  const list = Array.isArray(verdict) ? verdict : [verdict];
  for (const part of list) if (!isPart(part)) throw wrongVerdict(verdict, link);
  return list;
}

function isPart(part: unknown): boolean {
  if (part instanceof Uint8Array) return isFrame(part);
  if (typeof part !== "object" || part === null) return false;
  const { frame, delay } = part as Partial<Delayed>;
  const isTime = typeof delay === "number" && delay >= 0 && delay <= MS_MAX;
  return isTime && (frame === undefined || (frame instanceof Uint8Array && isFrame(frame)));
}

/** A frame that a TAP can take: a header of Ethernet, and at most 64 KiB. */
function isFrame({ length }: Uint8Array): boolean {
  return length >= 14 && length <= 65_535;
}

function wrongVerdict(verdict: unknown, link: string): TypeError {
  return new TypeError(
    `An interceptor of the link "${link}" returned ${Bun.inspect(verdict)}, wanted undefined, "pass", "drop", ` +
      "a frame of 14 to 65535 bytes, { frame?, delay } in milliseconds, or a list of these two",
  );
}
