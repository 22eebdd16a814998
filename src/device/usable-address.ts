import { systemError, type TunTapError } from "../errors.ts";
import { addressKey } from "../interface/addresses.ts";
import { closedError } from "../io/failures.ts";
import { formatAddress, parseAddress } from "../netlink/address.ts";
import type { Address, AddressLike } from "../netlink/types.ts";
import { EADDRINUSE, EADDRNOTAVAIL } from "../sys/constants.ts";
import type { DeviceInterface } from "./interface-types.ts";
import type { Device } from "./types.ts";

/**
 * Adds an address and waits for the end of duplicate address detection.
 *
 * @throws {TunTapError} as the last overload of {@link Device.addAddress} says
 */
export async function untilUsable(
  device: DeviceInterface & Pick<Device, "closeReason">,
  like: AddressLike,
  signal: AbortSignal | undefined,
): Promise<Address> {
  const wanted = addressKey(formatAddress(parseAddress(like)));
  // Listens before the address is added, so that no change is missed.
  const changes = device.changes(signal && { signal });
  try {
    device.addAddress(like);
    const now = device.addresses().find((address) => addressKey(address) === wanted);
    if (now !== undefined && isUsable(now)) return now;
    for await (const change of changes) {
      if (!("address" in change) || addressKey(change.address) !== wanted) continue;
      const { address, type } = change;
      if (type === "address-removed") {
        // Throws if the interface has gone, and the address with it.
        device.info();
        // If another host has the address, the kernel removes one with a lifetime (net/ipv6/addrconf.c
        // addrconf_dad_stop()).
        if (address.tentative && address.validLifetime !== undefined) throw failure(EADDRINUSE, address, inUse);
        throw failure(EADDRNOTAVAIL, address, "somebody has removed it: add it again");
      }
      if (address.duplicate) {
        device.removeAddress(address);
        throw failure(EADDRINUSE, address, inUse);
      }
      if (isUsable(address)) return address;
    }
    throw closedError(device.closeReason);
  } finally {
    changes.return?.();
  }
}

const inUse = "another host on the link has this address: give another one";

function isUsable({ tentative, duplicate }: Address): boolean {
  return !tentative && !duplicate;
}

function failure(errno: number, { address }: Address, hint: string): TunTapError {
  return systemError(-errno, "netlink(RTM_NEWADDR)", { detail: address, hint });
}
