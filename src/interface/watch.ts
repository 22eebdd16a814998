/** Tells the changes of an interface by its name, without being attached to it: for programs that hold no device. */

import type { TunTapError } from "../errors.ts";
import { withHint } from "../hints.ts";
import { reactor, type Watch } from "../io/reactor.ts";
import { RTM_DELLINK } from "../netlink/constants.ts";
import { decodeLink, type LinkInfo } from "../netlink/link.ts";
import { interfaceIndexOf, type Message } from "../netlink/message.ts";
import { Notifications } from "../netlink/notifications.ts";
import type { RouteSocket } from "../netlink/socket.ts";
import type { Address } from "../netlink/types.ts";
import { EPOLLIN } from "../sys/constants.ts";
import { changesOf, type Teller } from "./change-queue.ts";
import { ChangeTracker } from "./change-tracker.ts";
import { checkName } from "./checks.ts";
import { linkByIndex } from "./client.ts";
import { addressesIn, requireLink } from "./look.ts";
import type { Listener } from "./monitor.ts";
import { withRouteSocket } from "./route-socket.ts";
import type { LinkChange } from "./types.ts";

/**
 * Iterates over the changes of any interface of this network namespace, from now on. Ends with `deleted` when the
 * interface is deleted, or moves to another namespace: from here the two look alike.
 *
 * @throws {TunTapError} `ENODEV` if there is none
 * @throws `signal.reason`, from the iteration
 */
export function watchInterface(name: string, signal?: AbortSignal): AsyncIterableIterator<LinkChange> {
  checkName(name, false);
  signal?.throwIfAborted();
  try {
    const watch = new InterfaceWatch(name);
    return iterate(watch, changesOf(watch, watch, signal));
  } catch (error) {
    throw withHint(error);
  }
}

async function* iterate(
  watch: InterfaceWatch,
  changes: AsyncIterableIterator<LinkChange>,
): AsyncGenerator<LinkChange, void, undefined> {
  try {
    yield* changes;
    if (watch.failure !== undefined) throw watch.failure;
  } finally {
    watch.close();
  }
}

/** The most times that the state is read anew because notifications came meanwhile, as in ./monitor.ts. */
const READ_TRIES = 16;

class InterfaceWatch implements Teller {
  /** The reason why no change comes any more, unless the interface has gone. */
  failure: TunTapError | undefined;
  readonly #index: number;
  readonly #tracker: ChangeTracker;
  readonly #notifications: Notifications = new Notifications();
  readonly #watch: Watch;
  readonly #listeners = new Set<Listener>();

  constructor(name: string) {
    try {
      // Behind the notifications: what changes while this is read is told as well.
      const { link, addresses } = look((socket) => requireLink(socket, name));
      this.#index = link.index;
      this.#tracker = new ChangeTracker(link, addresses);
      this.#watch = reactor().watch(this.#notifications.fd, EPOLLIN, {
        onEvents: () => this.#read(),
        onQuiet: () => {},
        onFailure: (error) => this.#end(error),
      });
    } catch (error) {
      this.#notifications.close();
      throw error;
    }
  }

  add(listener: Listener): void {
    this.#listeners.add(listener);
  }

  remove(listener: Listener): void {
    this.#listeners.delete(listener);
  }

  close(): void {
    this.#watch.end();
    this.#notifications.close();
  }

  #read(): void {
    for (let news = this.#notifications.read(); news !== null; news = this.#notifications.read()) {
      if (news === "lost") this.#readAnew();
      else for (const message of news) this.#take(message);
      // A socket that has been closed cannot be read.
      if (this.#notifications.fd < 0) return;
    }
  }

  #take(message: Message): void {
    if (interfaceIndexOf(message) !== this.#index) return;
    const isGone = message.type === RTM_DELLINK && decodeLink(message.body) !== null;
    if (isGone) this.#gone();
    else this.#tell(this.#tracker.take(message));
  }

  /**
   * Notifications were lost: tells what has come of it all. Those that are left are older than the state that is read
   * behind them, and would be told as the newest.
   */
  #readAnew(): void {
    let found: State | undefined;
    let tries = 0;
    do {
      while (this.#notifications.read() !== null);
      found = lookAgain(this.#index);
    } while (found !== undefined && ++tries < READ_TRIES && this.#notifications.read() !== null);
    if (found === undefined) this.#gone();
    else this.#tell(this.#tracker.reset(found.link, found.addresses));
  }

  #gone(): void {
    this.#tell([{ type: "deleted" }]);
    this.#end();
  }

  #tell(changes: readonly LinkChange[]): void {
    for (const change of changes) for (const listener of this.#listeners) listener.change(change);
  }

  #end(failure?: TunTapError): void {
    this.failure = failure;
    this.close();
    for (const listener of [...this.#listeners]) listener.end();
  }
}

/** The state of an interface. */
interface State {
  readonly link: LinkInfo;
  readonly addresses: readonly Address[];
}

/** Reads the state of the interface of that index; undefined if there is none any more. */
function lookAgain(index: number): State | undefined {
  try {
    return look((socket) => linkByIndex(socket, index));
  } catch (error) {
    if ((error as TunTapError).code === "ENODEV") return undefined;
    throw error;
  }
}

function look(find: (socket: RouteSocket) => LinkInfo): State {
  return withRouteSocket(undefined, (socket) => {
    const link = find(socket);
    return { link, addresses: addressesIn(socket, link.index).map(({ address }) => address) };
  });
}
