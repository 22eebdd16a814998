import { check, type TunTapError } from "../errors.ts";
import { EPOLLIN } from "../sys/constants.ts";
import { native } from "../sys/native.ts";
import { closeFd } from "../sys/tun.ts";
import { reactor, type Watch, type Watcher } from "./reactor.ts";

/** The thread of the shim that closes fds (native/closer.c), and the promises that wait for it. */
class Closer implements Watcher {
  readonly #wake = check(native().closer_open(), "pthread_create");
  /** The promises in the order of the queue, in which the thread closes. */
  #waiting: (() => void)[] = [];
  #watch: Watch | undefined;

  close(fd: number): Promise<void> {
    // Keeps the event loop alive until the fd is closed, and not longer.
    this.#watch ??= reactor().watch(this.#wake, EPOLLIN, this);
    const pushed = native().closer_push(fd);
    if (pushed < 0) this.#rest();
    check(pushed, "write");
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  onEvents(): void {
    const count = native().closer_count(this.#wake);
    if (count > 0) this.#resolve(count);
  }

  onQuiet(): void {}

  /** The thread goes on closing, but no event tells of it any more: resolving is better than waiting for ever. */
  onFailure(_error: TunTapError): void {
    this.#resolve(this.#waiting.length);
  }

  #resolve(count: number): void {
    for (const resolve of this.#waiting.splice(0, count)) resolve();
    this.#rest();
  }

  /** Lets the event loop end, unless somebody waits. */
  #rest(): void {
    if (this.#waiting.length > 0) return;
    this.#watch?.end();
    this.#watch = undefined;
  }
}

let shared: Closer | undefined;

/**
 * Closes an fd of a TUN or TAP interface in a thread, because the kernel takes
 * tens of milliseconds for it, and resolves when that is done. Closes it at
 * once where there can be no thread, or where 16,384 fds wait already.
 */
export async function closeInThread(fd: number): Promise<void> {
  try {
    shared ??= new Closer();
    await shared.close(fd);
  } catch {
    closeFd(fd);
  }
}
