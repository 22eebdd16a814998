import { TunTapError } from "../errors.ts";
import {
  addressAttributes,
  addressBody,
  addressDumpBody,
  decodeAddress,
  formatAddress,
  parseAddress,
} from "../netlink/address.ts";
import { scopeName } from "../netlink/checks.ts";
import {
  NLM_F_CREATE,
  NLM_F_EXCL,
  NLM_F_REPLACE,
  RTM_DELADDR,
  RTM_GETADDR,
  RTM_NEWADDR,
} from "../netlink/constants.ts";
import type { Message } from "../netlink/message.ts";
import type { Address, AddressLike, AddressSettings } from "../netlink/types.ts";
import type { InterfaceClient } from "./client.ts";

/** The addresses of one interface. */
export class Addresses {
  readonly #client: InterfaceClient;

  constructor(client: InterfaceClient) {
    this.#client = client;
  }

  add(like: AddressLike): void {
    this.#change("RTM_NEWADDR", RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, like);
  }

  replace(like: AddressLike): void {
    this.#change("RTM_NEWADDR", RTM_NEWADDR, NLM_F_CREATE | NLM_F_REPLACE, like);
    // The kernel leaves some settings of an existing address unchanged, without an error (net/ipv4/devinet.c
    // inet_rtm_newaddr(), net/ipv6/addrconf.c inet6_addr_modify()).
    const kept = keptOf(like, this.list());
    if (kept === undefined) return;
    throw new TunTapError(
      "EEXIST",
      `the interface has ${textOf(like)} already, and the kernel does not change its ${kept}`,
      {
        hint: "removeAddress() the one that is there, then addAddress() this one",
      },
    );
  }

  remove(like: AddressLike): void {
    this.#change("RTM_DELADDR", RTM_DELADDR, 0, like);
  }

  list(): Address[] {
    return this.dump().map(({ address }) => address);
  }

  /** Lists the addresses with the messages that reported them, which can restore them unchanged. */
  dump(): { address: Address; message: Message }[] {
    const { index } = this.#client;
    return (
      this.#client
        .dump("RTM_GETADDR", RTM_GETADDR, addressDumpBody, () => [])
        .map((message) => ({ ...decodeAddress(message.body), message }))
        // Kernels before 4.20 know no filter, and list the addresses of every interface.
        .filter((found): found is { index: number; address: Address; message: Message } => found.index === index)
    );
  }

  restore({ body }: Message): void {
    this.#client.request(
      "RTM_NEWADDR",
      RTM_NEWADDR,
      NLM_F_CREATE | NLM_F_EXCL,
      () => body,
      () => [],
    );
  }

  #change(call: string, type: number, flags: number, like: AddressLike): void {
    const address = parseAddress(like);
    this.#client.request(
      call,
      type,
      flags,
      (index) => addressBody(index, address),
      () => addressAttributes(address),
      textOf(like),
    );
  }
}

function textOf(like: AddressLike): string {
  return typeof like === "string" ? like : like.address;
}

/** Returns a setting of `like` that none of the addresses has although it was set. */
function keptOf(like: AddressLike, addresses: readonly Address[]): string | undefined {
  const parsed = parseAddress(like);
  const { address, peer } = formatAddress(parsed);
  const now = addresses.find((each) => each.address === address && each.peer === peer);
  if (now === undefined) return "prefix length or peer";
  const { broadcast, scope, noPrefixRoute }: Partial<AddressSettings> = typeof like === "string" ? {} : like;
  if (broadcast !== undefined && broadcast !== now.broadcast) return "broadcast address";
  if (scope !== undefined && now.family === 4 && scopeName(parsed.scope) !== now.scope) return "scope";
  return noPrefixRoute === undefined || noPrefixRoute === (now.noPrefixRoute ?? false) ? undefined : "noPrefixRoute";
}

/**
 * Returns the key that identifies an address of an interface. It leaves out the peer of an IPv6 address, which may
 * change (net/ipv6/addrconf.c inet6_addr_modify()).
 */
export function addressKey({ address, peer = "" }: Pick<Address, "address" | "peer">): string {
  return address.includes(":") ? address : `${address} ${peer}`;
}
