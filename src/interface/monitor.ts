import { TunTapError } from "../errors.ts";
import { runAll } from "../io/ending.ts";
import { reactor, type Watch } from "../io/reactor.ts";
import { RTM_DELLINK } from "../netlink/constants.ts";
import { decodeLink, type LinkInfo } from "../netlink/link.ts";
import { interfaceIndexOf, type Message } from "../netlink/message.ts";
import { Notifications } from "../netlink/notifications.ts";
import { EPOLLIN, EPOLLOUT, IFF_UP } from "../sys/constants.ts";
import { isInNamespaceOf, pollEvents } from "../sys/tun.ts";
import { ChangeTracker } from "./change-tracker.ts";
import { isUnreachable } from "./client.ts";
import type { Link } from "./link.ts";
import type { LinkChange } from "./types.ts";

/** Receives the changes of an interface. Must not throw. */
export interface Listener {
  change(change: LinkChange): void;
  /** No change will come any more. */
  end(): void;
}

/** The part of a device that its monitor uses. */
export interface MonitoredDevice {
  readonly link: Link;
  readonly fd: number;
  readonly closed: boolean;
  /** Checks whether the interface is still there; ends the device if not. */
  checkAlive(): void;
  /** Ends the device. */
  onFailure(error: TunTapError): void;
  /** Waits for other events if {@link Monitor.wantsWritable} has changed. */
  updateInterest(): void;
}

/**
 * The most times that the state is read anew because notifications came meanwhile: a namespace that never rests must
 * not hold the thread for ever.
 */
const READ_TRIES = 16;

/** Reports the changes of the interface of one device to listeners, in the kernel's order. */
export class Monitor {
  readonly #device: MonitoredDevice;
  readonly #listeners = new Set<Listener>();
  readonly #deliveries: { readonly listener: Listener; readonly change: LinkChange }[] = [];
  readonly #tracker: ChangeTracker;
  /** Undefined while the interface is where rtnetlink cannot be asked. */
  #source: { readonly notifications: Notifications; readonly watch: Watch } | undefined;
  #index = 0;
  #ended = false;
  #unread: Message[] = [];

  constructor(device: MonitoredDevice) {
    this.#device = device;
    this.#tracker = new ChangeTracker({ ...unknown, flags: isWritable(device.fd) ? IFF_UP : 0 }, []);
    try {
      this.#follow();
    } catch (error) {
      this.#leave();
      throw error;
    }
  }

  add(listener: Listener): void {
    // Changes before this moment are for the listeners of that time.
    this.#read();
    if (this.#source === undefined) this.#device.checkAlive();
    if (this.#ended || this.#device.closed) listener.end();
    else this.#listeners.add(listener);
  }

  remove(listener: Listener): void {
    this.#listeners.delete(listener);
  }

  /** Tells whether to wait for EPOLLOUT. Without rtnetlink it tells that the interface is up: the kernel takes frames then (tun_chr_poll()). */
  get wantsWritable(): boolean {
    return this.#source === undefined && !this.#tracker.up;
  }

  /** Asks the fd whether the interface is up, where rtnetlink cannot tell. No event tells when it goes down. */
  checkUp(): void {
    if (this.#source !== undefined || this.#device.closed) return;
    this.#tell(this.#tracker.setUp(isWritable(this.#device.fd)));
    this.#device.updateInterest();
  }

  /** Runs `move`, which moves the interface into the namespace of the fd `netns`, without missing a change. */
  moving(netns: number, move: () => void): void {
    const there = ifReachable(() => new Notifications(netns));
    try {
      move();
    } catch (error) {
      there?.close();
      throw error;
    }
    try {
      this.#drain();
      this.#leave();
      const { index } = this.#device.link.client;
      if (there !== undefined) this.#listenTo(there, index);
      this.#tell([{ type: "moved", index }]);
    } catch (error) {
      if (this.#source?.notifications !== there) there?.close();
      // The interface has moved all the same: the listeners hear of it, or of the end.
      this.#endOnError(() => this.#followOrEnd());
      throw error;
    }
  }

  /** Ends with the device; `deleted` tells whether that is because its interface has gone. */
  end(deleted: boolean): void {
    runAll(
      () => void this.#drain(),
      () => this.#leave(),
      () => this.#tell(deleted ? [{ type: "deleted" }] : []),
    );
    this.#ended = true;
    const listeners = [...this.#listeners];
    this.#listeners.clear();
    runAll(...listeners.map((listener) => () => listener.end()));
  }

  /** Reverses the constructor, for an open that fails. Tells no listener. */
  discard(): void {
    this.#listeners.clear();
    this.#leave();
  }

  #listenTo(notifications: Notifications, index: number): void {
    this.#index = index;
    try {
      const watch = reactor().watch(notifications.fd, EPOLLIN, {
        onEvents: () => this.#endOnError(() => this.#read()),
        onQuiet: () => {},
        onFailure: (error) => this.#device.onFailure(error),
      });
      // The device itself keeps the process alive, or lets it end.
      watch.setReferenced(false);
      this.#source = { notifications, watch };
    } catch (error) {
      notifications.close();
      throw error;
    }
  }

  #leave(): void {
    this.#source?.watch.end();
    this.#source?.notifications.close();
    this.#source = undefined;
    this.#unread = [];
  }

  /** Runs `step`; ends the device if it throws. */
  #endOnError(step: () => void): void {
    try {
      step();
    } catch (cause) {
      this.#device.onFailure(
        new TunTapError("ERR_TUNTAP_NATIVE", "the notifications about the interface could not be read", {
          hint: "report this with your kernel's version",
          cause,
        }),
      );
    }
  }

  /** Reports all changes so far; follows the interface if it has left the namespace. */
  #read(): void {
    if (this.#drain()) this.#followOrEnd();
  }

  #followOrEnd(): void {
    this.#device.checkAlive();
    if (!this.#device.closed) this.#follow();
  }

  /** Reports all changes so far, and returns whether the interface has left the namespace. */
  #drain(): boolean {
    // Read anew each time: a listener may close the device.
    while (this.#source !== undefined) {
      const message = this.#unread.shift();
      if (message !== undefined) {
        // Messages about other interfaces are not decoded: a malformed attribute of theirs is no concern of this device.
        if (interfaceIndexOf(message) !== this.#index) continue;
        if (message.type === RTM_DELLINK && decodeLink(message.body) !== null) return true;
        this.#tell(this.#tracker.take(message));
        continue;
      }
      const messages = this.#source.notifications.read();
      if (messages === null) return false;
      if (messages !== "lost") this.#unread.push(...messages);
      else if (!this.#readAll(this.#source.notifications)) return true;
    }
    return false;
  }

  /** Reads the whole state anew until nothing happens meanwhile; returns false if the interface is not there. */
  #readAll(notifications: Notifications): boolean {
    const { link } = this.#device;
    for (let tries = 1; ; tries++) {
      while (notifications.read() !== null);
      const found = ifReachable(() => ({ info: link.info(), addresses: link.addresses.list() }));
      // It may be that of another namespace by now, where the interface has come meanwhile.
      const hasMoved = isInNamespaceOf(this.#device.fd, notifications.fd) === false;
      if (found === undefined || hasMoved || found.info.index !== this.#index) return false;
      if (tries < READ_TRIES && notifications.read() !== null) continue;
      this.#tell(this.#tracker.reset(found.info, found.addresses));
      return true;
    }
  }

  /** Follows the interface into its namespace. What happened there before shows in the state that is read. */
  #follow(): void {
    this.#leave();
    const { client } = this.#device.link;
    const there = ifReachable(() => ({ index: client.index, notifications: client.notifications() }));
    if (there !== undefined) this.#listenTo(there.notifications, there.index);
    this.#tell([{ type: "moved", index: there?.index }]);
    if (this.#device.closed) return;
    if (there === undefined) this.checkUp();
    // It may have moved on before we listened.
    else if (!this.#readAll(there.notifications)) this.#followOrEnd();
  }

  #tell(changes: readonly LinkChange[]): void {
    for (const change of changes) for (const listener of this.#listeners) this.#deliveries.push({ listener, change });
    this.#deliver();
  }

  /** Delivers in order. A listener may close the device or cause further changes: the innermost call delivers what is left. */
  #deliver(): void {
    for (let next = this.#deliveries.shift(); next !== undefined; next = this.#deliveries.shift()) {
      if (this.#listeners.has(next.listener)) next.listener.change(next.change);
    }
  }
}

function isWritable(fd: number): boolean {
  return (pollEvents(fd, EPOLLOUT) & EPOLLOUT) !== 0;
}

function ifReachable<T>(look: () => T): T | undefined {
  try {
    return look();
  } catch (error) {
    if (isUnreachable(error)) return undefined;
    throw error;
  }
}

const unknown: LinkInfo = {
  index: 0,
  flags: 0,
  name: "",
  mtu: 0,
  txQueueLength: 0,
  mac: undefined,
  carrier: false,
  alias: undefined,
  master: undefined,
  addressMode: undefined,
  stats: undefined,
  tun: undefined,
};
