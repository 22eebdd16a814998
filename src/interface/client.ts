import { systemError, TunTapError } from "../errors.ts";
import { lazy } from "../lazy.ts";
import { RTM_GETLINK } from "../netlink/constants.ts";
import { decodeLink, type LinkInfo, linkBody, linkName } from "../netlink/link.ts";
import type { Attribute, Message } from "../netlink/message.ts";
import type { Notifications } from "../netlink/notifications.ts";
import { RouteSocket } from "../netlink/socket.ts";
import { tryOrUndefined } from "../rollback.ts";
import { ENODEV, IFF_TAP } from "../sys/constants.ts";
import { closeFd, getDevNetns, getHwaddr, getIff, isInNamespaceOf } from "../sys/tun.ts";

/** The most times that an interface is looked for: a program that moves it without rest must not hold this one for ever. */
const MOVE_TRIES = 8;

/**
 * Sends rtnetlink requests about one interface: holds a socket in the namespace of the interface, and its index
 * there. The index survives a rename, after which the name may mean another interface. Both follow the interface into
 * another namespace.
 */
export class InterfaceClient {
  /** The fd that is attached to the interface, and stays with it in every namespace. */
  readonly fd: number;
  #socket: RouteSocket;
  /** The index; 0 before it is first asked for. */
  #index = 0;

  /** @param socket in the namespace where the interface should be */
  constructor(fd: number, socket: RouteSocket) {
    this.fd = fd;
    this.#socket = socket;
  }

  /** @throws {TunTapError} `ENODEV` if the interface is out of reach */
  get index(): number {
    return this.info().index;
  }

  info(): LinkInfo {
    return this.#asking((socket, found) => found ?? getLink(socket, linkBody(this.#index)));
  }

  /** Sends a request about the interface: see {@link RouteSocket.request}. */
  request(
    call: string,
    type: number,
    flags: number,
    body: (index: number) => Uint8Array,
    attributes: (index: number) => readonly Attribute[],
    what?: string,
  ): void {
    this.#asking((socket) => socket.request(call, type, flags, body(this.#index), attributes(this.#index), what));
  }

  /** Lists objects of the interface: see {@link RouteSocket.dump}. */
  dump(
    call: string,
    type: number,
    body: (index: number) => Uint8Array,
    attributes: (index: number) => readonly Attribute[],
  ): Message[] {
    return this.#asking((socket) => socket.dump(call, type, body(this.#index), attributes(this.#index)));
  }

  /** Returns the index of another interface of the same namespace. @throws {TunTapError} `ENODEV` */
  indexOf(name: string): number {
    this.#find();
    return linkByName(this.#socket, name).index;
  }

  /** Subscribes to the notifications of the namespace that the interface is in. */
  notifications(): Notifications {
    const { Notifications } = lazy((): typeof import("../netlink/notifications.ts") =>
      require("../netlink/notifications.ts"),
    );
    return this.openThere((netns) => new Notifications(netns));
  }

  /**
   * Opens something in the namespace that the interface is in. If that is this thread's namespace, none is entered,
   * which would take CAP_SYS_ADMIN.
   *
   * @param open Receives an fd of the namespace, or undefined for this thread's.
   */
  openThere<T extends { readonly fd: number; close(): void }>(open: (netns?: number) => T): T {
    let opened = open();
    // Checked after opening: from then on the opened socket reports if the interface leaves.
    for (let tries = 1; tries < MOVE_TRIES && isInNamespaceOf(this.fd, opened.fd) === false; tries++) {
      opened.close();
      const netns = getDevNetns(this.fd);
      try {
        opened = open(netns);
      } finally {
        closeFd(netns);
      }
    }
    return opened;
  }

  /**
   * Follows the interface into its namespace.
   *
   * @param socket in its namespace
   * @throws {TunTapError} `ENODEV`, or `EPERM`, if that is out of reach (see {@link isUnreachable})
   */
  follow(socket: RouteSocket = this.openThere((netns) => new RouteSocket(netns))): LinkInfo {
    let found: LinkInfo;
    try {
      found = locate(socket, this.fd);
    } catch (error) {
      socket.close();
      throw error;
    }
    this.#socket.close();
    this.#socket = socket;
    this.#index = found.index;
    return found;
  }

  close(): void {
    this.#socket.close();
  }

  /**
   * Asks again if there is no such interface: it may have been moved meanwhile, or moved and back, where it has
   * another index.
   *
   * @param ask Receives the state of the interface, too, if that has just been asked for.
   */
  #asking<T>(ask: (socket: RouteSocket, found: LinkInfo | undefined) => T): T {
    for (let tries = 1; ; tries++) {
      try {
        const found = this.#find();
        return ask(this.#socket, found);
      } catch (error) {
        if (tries === MOVE_TRIES || (error as TunTapError).code !== "ENODEV") throw error;
        if (isInNamespaceOf(this.fd, this.#socket.fd) === true) tryOrUndefined(() => this.#locate());
      }
    }
  }

  #locate(): LinkInfo {
    const found = locate(this.#socket, this.fd);
    this.#index = found.index;
    return found;
  }

  /** Sees to it that socket and index are those of the interface. Returns its state, if that took a request. */
  #find(): LinkInfo | undefined {
    const isHere = isInNamespaceOf(this.fd, this.#socket.fd);
    if (isHere === false) return this.follow();
    // Without an answer the interface of that index may be another one by now.
    return isHere === undefined || this.#index === 0 ? this.#locate() : undefined;
  }
}

const enteringCalls: ReadonlySet<string | undefined> = new Set(["setns(CLONE_NEWNET)", "ioctl(TUNGETDEVNETNS)"]);

/**
 * Returns whether the error means that the interface is in a namespace that this process cannot enter or see, or that
 * it has gone.
 */
export function isUnreachable(error: unknown): boolean {
  if (!(error instanceof TunTapError)) return false;
  if (error.code === "ENODEV" || error.code === "EBADFD") return true;
  return error.code === "EPERM" && enteringCalls.has(error.syscall);
}

/**
 * Finds the interface of `fd` by its name. If the namespaces cannot be compared, another interface may have the name,
 * so everything else that the fd reports must agree.
 */
function locate(socket: RouteSocket, fd: number): LinkInfo {
  const { name, flags } = getIff(fd);
  const found = linkByName(socket, name);
  const kind = (flags & IFF_TAP) !== 0 ? "tap" : "tun";
  const agrees = found.tun?.kind === kind && (kind === "tun" || found.mac?.toHex() === getHwaddr(fd).toHex());
  if (!agrees) throw systemError(-ENODEV, "netlink(RTM_GETLINK)", { detail: name });
  return found;
}

/** Finds the interface of that name in the socket's namespace. @throws {TunTapError} `ENODEV` if there is none */
export function linkByName(socket: RouteSocket, name: string): LinkInfo {
  return getLink(socket, linkBody(0), linkName(name));
}

/** Finds the interface of that index in the socket's namespace. @throws {TunTapError} `ENODEV` if there is none */
export function linkByIndex(socket: RouteSocket, index: number): LinkInfo {
  return getLink(socket, linkBody(index));
}

/** Finds an interface by its name; undefined if there is none, or the name is a pattern. */
export function findLink(socket: RouteSocket, name: string): LinkInfo | undefined {
  try {
    return name.includes("%") ? undefined : linkByName(socket, name);
  } catch (error) {
    if ((error as { code?: string }).code === "ENODEV") return undefined;
    throw error;
  }
}

function getLink(socket: RouteSocket, body: Uint8Array, ...attributes: Attribute[]): LinkInfo {
  const [message] = socket.request("RTM_GETLINK", RTM_GETLINK, 0, body, attributes);
  return decodeLink((message as { body: Uint8Array }).body) as LinkInfo;
}
