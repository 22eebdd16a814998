import { checkOptions, handler, wrong } from "../checks.ts";
import type { TunTapError } from "../errors.ts";
import { HandlerCalls } from "../io/handlers.ts";
import { showByFields } from "../packet/show.ts";
import { Direction } from "./direction.ts";
import { type End, endOf } from "./end.ts";
import type { Relay, RelayEnd, RelayOptions } from "./types.ts";

/** Implements `relay` of ./index.ts. */
export function join(a: RelayEnd, b: RelayEnd, options: RelayOptions): Relay {
  const [first, second] = [endOf(a, "a"), endOf(b, "b")];
  if (first.channel === second.channel) throw new TypeError('"a" and "b" must be two, got the same one twice');
  checkOptions(
    options,
    {
      forward: handler,
      back: handler,
      full: (value, option) => {
        if (value !== "pause" && value !== "drop") throw wrong(option, '"pause" or "drop"', value);
      },
      error: handler,
    },
    undefined,
  );
  first.channel.assertOpen();
  second.channel.assertOpen();
  assertUsable(first, second, options);
  return new Joined(first, second, options);
}

/**
 * Refuses devices that cannot use each other's frames, unless both ways have a transform: a TUN would refuse each
 * Ethernet frame, and a TAP takes the beginning of an IP packet for MAC addresses.
 */
function assertUsable({ frames: of }: End, { frames: to }: End, { forward, back }: RelayOptions): void {
  if (of === undefined || to === undefined || of === to || (forward !== undefined && back !== undefined)) return;
  throw new TypeError(
    `"a" carries ${of}, and "b" ${to}: join two that carry the same, or give a \`forward\` and a \`back\` that make one of the other`,
  );
}

class Joined implements Relay {
  static {
    showByFields(Joined.prototype, "Relay");
  }

  readonly #forward: Direction;
  readonly #back: Direction;
  readonly #finished = Promise.withResolvers<TunTapError | undefined>();
  /** Functions that remove the listeners by which the channels refer to the relay. */
  readonly #forget: readonly (() => void)[];
  #closed = false;

  constructor(a: End, b: End, options: RelayOptions) {
    const { forward, back, full = "pause", error } = options;
    const calls = new HandlerCalls<Relay>(
      this,
      error === undefined ? {} : { error: (_, failure) => error.call(options, failure) },
    );
    const towards = (transform: RelayOptions["forward"], name: string) => ({
      transform: transform && ((frames: Uint8Array[]) => transform.call(options, frames)),
      full,
      onThrown: (cause: unknown) => calls.threw(name, cause),
    });
    this.#forward = new Direction(a, b, towards(forward, "forward"));
    this.#back = new Direction(b, a, towards(back, "back"));
    try {
      this.#forward.start();
      this.#back.start();
      // One whose fd cannot be watched for frames has ended by now.
      for (const { channel } of [a, b]) channel.assertOpen();
    } catch (error) {
      this.#forward.end();
      this.#back.end();
      throw error;
    }
    this.#forget = [a, b].map(({ channel }) => channel.onClose((reason) => this.#end(reason)));
  }

  get closed(): boolean {
    return this.#closed;
  }

  get finished(): Promise<TunTapError | undefined> {
    return this.#finished.promise;
  }

  counters(): ReturnType<Relay["counters"]> {
    return { forward: this.#forward.counters(), back: this.#back.counters() };
  }

  toJSON(): Record<string, unknown> {
    return { closed: this.#closed, ...this.counters() };
  }

  close(): void {
    this.#end(undefined);
  }

  [Symbol.dispose](): void {
    this.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.close();
  }

  #end(reason: TunTapError | undefined): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#forward.end();
    this.#back.end();
    for (const forget of this.#forget) forget();
    this.#finished.resolve(reason);
  }
}
