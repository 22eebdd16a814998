import { type AddressSettings, type OpenOptions, openTun, type Tun, type TunTapError } from "../../src/index.ts";
import type { Host } from "./host.ts";

/** Refusals of an IPv6 address by a kernel that has no IPv6, and by one where it is switched off. */
const WITHOUT_IPV6: ReadonlySet<string> = new Set(["EOPNOTSUPP", "EACCES"]);

/** Opens the interface to a host. Where the system has no IPv6, which is told, the host is reached by IPv4 alone. */
export function openTunTo(ipv4: AddressSettings, ipv6: AddressSettings, options: OpenOptions<never> = {}): Tun {
  const tun = openTun({ ...options, addresses: [ipv4], ipv6: false });
  try {
    tun.addAddress({ ...ipv6, noDad: true });
  } catch (error) {
    const { code, message } = error as TunTapError;
    if (!WITHOUT_IPV6.has(code)) {
      tun.close();
      throw error;
    }
    console.error(`Without IPv6: ${message}`);
  }
  return tun;
}

/** Sees the packets on their way, and returns those that pass. */
export type Gate = (packets: Uint8Array[], direction: "to the host" | "from the host") => Uint8Array[];

/** Carries packets between the interface and the host, and wakes the host when something is due, until `tun` closes. */
export async function attach(tun: Tun, host: Host, gate: Gate = (packets) => packets): Promise<void> {
  let timer: Timer | undefined;
  const send = (packets: Uint8Array[]): void => {
    // What the kernel does not take is lost, as on any link: whoever minds sends again.
    if (!tun.closed) tun.sendMany(gate(packets, "from the host"));
    clearTimeout(timer);
    const { deadline } = host;
    if (deadline === Number.POSITIVE_INFINITY) return;
    const wait = Math.max(1, Math.ceil(deadline - performance.now()));
    timer = setTimeout(() => send(host.tick(performance.now())), wait);
  };
  for await (const packets of tun.batches()) {
    send(host.receive(gate(packets, "to the host"), performance.now()));
  }
  clearTimeout(timer);
}
