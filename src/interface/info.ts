import type { LinkInfo } from "../netlink/link.ts";
import type { InterfaceInfo } from "../netlink/types.ts";
import { formatMac } from "../packet/address-text.ts";
import { IFF_ALLMULTI, IFF_MULTICAST, IFF_PROMISC, IFF_UP } from "../sys/constants.ts";

/** Returns the information for users about a TUN or TAP interface; undefined for another kind. */
export function interfaceInfo(link: LinkInfo): InterfaceInfo | undefined {
  const { flags, mac, index, name, mtu, txQueueLength, carrier, alias, master, tun } = link;
  return (
    tun && {
      ...tun,
      name,
      index,
      mac: mac && formatMac(mac, 0),
      mtu,
      txQueueLength,
      alias,
      master,
      up: (flags & IFF_UP) !== 0,
      carrier,
      promiscuous: (flags & IFF_PROMISC) !== 0,
      allMulticast: (flags & IFF_ALLMULTI) !== 0,
      multicast: (flags & IFF_MULTICAST) !== 0,
    }
  );
}
