/** Calls the handlers that users give, and deals with their exceptions. */

import type { TunTapError } from "../errors.ts";
import { throwUncaught } from "./ending.ts";
import { handlerError } from "./failures.ts";

/**
 * Calls the handlers of one device or socket. An exception goes to the `error` handler; without one it is an uncaught
 * exception, as on Bun's own sockets.
 */
export class HandlerCalls<O> {
  readonly #owner: O;
  readonly #error: ((owner: O, error: TunTapError) => void) | undefined;

  /** @param handlers is `this` in the calls of `error` */
  constructor(owner: O, handlers: { error?(owner: O, error: TunTapError): void }) {
    this.#owner = owner;
    const { error } = handlers;
    this.#error = error === undefined ? undefined : (owner, failure) => error.call(handlers, owner, failure);
  }

  /** Tells the error handler of a failure that no call can throw; undefined if there is none. */
  get onError(): ((error: TunTapError) => void) | undefined {
    const tell = this.#error;
    return tell && ((error) => this.call("error", () => tell(this.#owner, error)));
  }

  /** Calls the handler of that name, and deals with its exception. */
  call(name: string, handler: () => void): void {
    try {
      handler();
    } catch (cause) {
      this.threw(name, cause);
    }
  }

  /** Deals with an exception of the handler of that name. */
  threw(name: string, cause: unknown): void {
    if (this.#error === undefined || name === "error") throwUncaught(cause);
    else {
      const failure = handlerError(name, cause);
      try {
        this.#error(this.#owner, failure);
      } catch (uncaught) {
        throwUncaught(uncaught);
      }
    }
  }
}
