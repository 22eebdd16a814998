import { TunTapError } from "./errors";
import { addressAttributes, addressBody, addressDumpBody, decodeAddress, parseAddress } from "./netlink/address";
import {
  NLM_F_CREATE,
  NLM_F_EXCL,
  RTM_DELADDR,
  RTM_GETADDR,
  RTM_GETLINK,
  RTM_NEWADDR,
  RTM_NEWLINK,
} from "./netlink/constants";
import { decodeLink, type LinkInfo, linkBody, linkMtu, linkName, linkTxQueueLength } from "./netlink/link";
import type { Attribute } from "./netlink/message";
import type { RouteSocket } from "./netlink/socket";
import { IFF_UP } from "./sys/constants";
import type { Address, AddressLike, LinkStats } from "./types";

/**
 * The control plane of one interface, by its index: an index survives a
 * rename, where a name would mean another interface.
 */
export class Link {
  readonly #socket: RouteSocket;
  readonly index: number;

  constructor(socket: RouteSocket, index: number) {
    this.#socket = socket;
    this.index = index;
  }

  close(): void {
    this.#socket.close();
  }

  info(): LinkInfo {
    return findLink(this.#socket, linkBody(this.index));
  }

  setUp(on: boolean): void {
    this.#change(linkBody(this.index, on ? IFF_UP : 0, IFF_UP));
  }

  setMtu(bytes: number): void {
    this.#change(linkBody(this.index), linkMtu(bytes));
  }

  setTxQueueLength(frames: number): void {
    this.#change(linkBody(this.index), linkTxQueueLength(frames));
  }

  rename(name: string): void {
    this.#change(linkBody(this.index), linkName(name));
  }

  addAddress(like: AddressLike): void {
    const address = parseAddress(like);
    this.#socket.request(
      "RTM_NEWADDR",
      RTM_NEWADDR,
      NLM_F_CREATE | NLM_F_EXCL,
      addressBody(this.index, address),
      addressAttributes(address),
    );
  }

  removeAddress(like: AddressLike): void {
    const address = parseAddress(like);
    this.#socket.request("RTM_DELADDR", RTM_DELADDR, 0, addressBody(this.index, address), addressAttributes(address));
  }

  addresses(): Address[] {
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

  #change(body: Uint8Array, ...attributes: Attribute[]): void {
    this.#socket.request("RTM_NEWLINK", RTM_NEWLINK, 0, body, attributes);
  }
}

/** The interface of that name in the socket's namespace. @throws {TunTapError} `ENODEV` if there is none */
export function linkByName(socket: RouteSocket, name: string): LinkInfo {
  return findLink(socket, linkBody(0), linkName(name));
}

function findLink(socket: RouteSocket, body: Uint8Array, ...attributes: Attribute[]): LinkInfo {
  const [message] = socket.request("RTM_GETLINK", RTM_GETLINK, 0, body, attributes);
  return decodeLink((message as { body: Uint8Array }).body);
}
