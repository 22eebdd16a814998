/** The object that users hold, a device or a socket, and the end of its channel: by the collector, or by a signal. */

import { type AnyChannel, showChannel } from "./channel.ts";

/** Closes the channels of owners that were dropped without close(). */
const dropped = new FinalizationRegistry<AnyChannel>((channel) => channel.close());

/**
 * Gives a channel, whose opening is complete, to the object that users hold: it closes when that is collected, or when
 * `signal` is aborted. Must be called last, so that an opening that fails leaves no listener behind.
 */
export function giveToOwner(owner: object, channel: object, signal: AbortSignal | undefined): void {
  const open = showChannel(owner, channel);
  dropped.register(owner, open, open);
  closeOnAbort(open, signal);
}

/** A function of its own: a closure beside `owner` would keep that alive, through the signal and the channel. */
function closeOnAbort(channel: AnyChannel, signal: AbortSignal | undefined): void {
  const abort = (): void => channel.abort(signal?.reason);
  signal?.addEventListener("abort", abort, { once: true });
  channel.onClose(() => {
    dropped.unregister(channel);
    signal?.removeEventListener("abort", abort);
  });
}
