import { systemError, TunTapError } from "./errors.ts";
import { addressAttributes, addressBody, addressDumpBody, decodeAddress, parseAddress } from "./netlink/address.ts";
import {
  NLM_F_CREATE,
  NLM_F_EXCL,
  RTM_DELADDR,
  RTM_GETADDR,
  RTM_GETLINK,
  RTM_NEWADDR,
  RTM_NEWLINK,
} from "./netlink/constants.ts";
import { decodeLink, type LinkInfo, linkBody, linkMtu, linkName, linkTxQueueLength } from "./netlink/link.ts";
import type { Attribute } from "./netlink/message.ts";
import type { RouteSocket } from "./netlink/socket.ts";
import { ENODEV, IFF_UP } from "./sys/constants.ts";
import { isInNamespaceOf } from "./sys/tun.ts";
import type { Address, AddressLike, LinkStats } from "./types.ts";

/**
 * The control plane of one interface, by its index: an index survives a
 * rename, where a name would mean another interface.
 */
export class Link {
  readonly #socket: RouteSocket;
  readonly #fd: number;
  readonly index: number;

  /** @param fd attached to the interface: the one thing that stays with it wherever it goes */
  constructor(socket: RouteSocket, fd: number, index: number) {
    this.#socket = socket;
    this.#fd = fd;
    this.index = index;
  }

  close(): void {
    this.#socket.close();
  }

  /**
   * An index belongs to a namespace: in another one, it may be another interface's.
   *
   * @throws {TunTapError} `ENODEV` if the interface is not in the socket's namespace
   */
  assertHere(): void {
    if (isInNamespaceOf(this.#fd, this.#socket.fd) === false) throw systemError(-ENODEV, "ioctl(TUNGETDEVNETNS)");
  }

  info(): LinkInfo {
    this.assertHere();
    return getLink(this.#socket, linkBody(this.index));
  }

  setUp(on: boolean): void {
    this.#change(on ? "up" : "down", linkBody(this.index, on ? IFF_UP : 0, IFF_UP));
  }

  setMtu(bytes: number): void {
    this.#change(`MTU ${bytes}`, linkBody(this.index), linkMtu(bytes));
  }

  setTxQueueLength(frames: number): void {
    this.#change(`queue length ${frames}`, linkBody(this.index), linkTxQueueLength(frames));
  }

  rename(name: string): void {
    this.#change(`name ${name}`, linkBody(this.index), linkName(name));
  }

  addAddress(like: AddressLike): void {
    const address = parseAddress(like);
    this.assertHere();
    this.#socket.request(
      "RTM_NEWADDR",
      RTM_NEWADDR,
      NLM_F_CREATE | NLM_F_EXCL,
      addressBody(this.index, address),
      addressAttributes(address),
      textOf(like),
    );
  }

  removeAddress(like: AddressLike): void {
    const address = parseAddress(like);
    this.assertHere();
    this.#socket.request(
      "RTM_DELADDR",
      RTM_DELADDR,
      0,
      addressBody(this.index, address),
      addressAttributes(address),
      textOf(like),
    );
  }

  addresses(): Address[] {
    this.assertHere();
    return (
      this.#socket
        .dump("RTM_GETADDR", RTM_GETADDR, addressDumpBody(this.index))
        .map(({ body }) => decodeAddress(body))
        // Kernels before 4.20 know no filter and list every interface.
        .filter((found) => found?.index === this.index)
        .map((found) => (found as { address: Address }).address)
    );
  }

  stats(): LinkStats {
    const { stats } = this.info();
    if (stats === undefined) throw new TunTapError("ERR_TUNTAP_UNSUPPORTED", "the kernel gave no IFLA_STATS64");
    return stats;
  }

  #change(what: string, body: Uint8Array, ...attributes: Attribute[]): void {
    this.assertHere();
    this.#socket.request("RTM_NEWLINK", RTM_NEWLINK, 0, body, attributes, what);
  }
}

function textOf(like: AddressLike): string {
  return typeof like === "string" ? like : like.address;
}

/** The interface of that name in the socket's namespace. @throws {TunTapError} `ENODEV` if there is none */
export function linkByName(socket: RouteSocket, name: string): LinkInfo {
  return getLink(socket, linkBody(0), linkName(name));
}

/** As {@link linkByName}, or undefined if there is none, or the name is a pattern. */
export function findLink(socket: RouteSocket, name: string): LinkInfo | undefined {
  try {
    return name.includes("%") ? undefined : linkByName(socket, name);
  } catch (error) {
    if ((error as TunTapError).code === "ENODEV") return undefined;
    throw error;
  }
}

function getLink(socket: RouteSocket, body: Uint8Array, ...attributes: Attribute[]): LinkInfo {
  const [message] = socket.request("RTM_GETLINK", RTM_GETLINK, 0, body, attributes);
  return decodeLink((message as { body: Uint8Array }).body);
}
