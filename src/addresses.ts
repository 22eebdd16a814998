import type { Address, AddressLike } from "./link-types.ts";
import { addressAttributes, addressBody, addressDumpBody, decodeAddress, parseAddress } from "./netlink/address.ts";
import { NLM_F_CREATE, NLM_F_EXCL, NLM_F_REPLACE, RTM_DELADDR, RTM_GETADDR, RTM_NEWADDR } from "./netlink/constants.ts";
import type { Message } from "./netlink/message.ts";
import type { Reach } from "./reach.ts";

/** The addresses of one interface. */
export class Addresses {
  readonly #reach: Reach;

  constructor(reach: Reach) {
    this.#reach = reach;
  }

  add(like: AddressLike): void {
    this.#change("RTM_NEWADDR", RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, like);
  }

  replace(like: AddressLike): void {
    this.#change("RTM_NEWADDR", RTM_NEWADDR, NLM_F_CREATE | NLM_F_REPLACE, like);
  }

  remove(like: AddressLike): void {
    this.#change("RTM_DELADDR", RTM_DELADDR, 0, like);
  }

  list(): Address[] {
    return this.dump().map(({ address }) => address);
  }

  /** With the messages that said so, which put them back just as they were. */
  dump(): { address: Address; message: Message }[] {
    const { index } = this.#reach;
    return (
      this.#reach
        .dump("RTM_GETADDR", RTM_GETADDR, addressDumpBody, () => [])
        .map((message) => ({ ...decodeAddress(message.body), message }))
        // Kernels before 4.20 know no filter and list every interface.
        .filter((found): found is { index: number; address: Address; message: Message } => found.index === index)
    );
  }

  restore({ body }: Message): void {
    this.#reach.request(
      "RTM_NEWADDR",
      RTM_NEWADDR,
      NLM_F_CREATE | NLM_F_EXCL,
      () => body,
      () => [],
    );
  }

  #change(call: string, type: number, flags: number, like: AddressLike): void {
    const address = parseAddress(like);
    const what = typeof like === "string" ? like : like.address;
    this.#reach.request(
      call,
      type,
      flags,
      (index) => addressBody(index, address),
      () => addressAttributes(address),
      what,
    );
  }
}

/** What tells the addresses of an interface apart; one of IPv6 may be given another peer (net/ipv6/addrconf.c inet6_addr_modify()). */
export function addressKey({ address, peer = "" }: Pick<Address, "address" | "peer">): string {
  return address.includes(":") ? address : `${address} ${peer}`;
}
