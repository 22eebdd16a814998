import { type Tun, TunTapError } from "../../src";
import type { Host } from "./host";

/** Sees the packets on their way, and returns those that pass. */
export type Gate = (packets: Uint8Array[], direction: "to the host" | "from the host") => Uint8Array[];

/** Carries packets between the interface and the host, and wakes the host when something is due, until `tun` closes. */
export async function attach(tun: Tun, host: Host, gate: Gate = (packets) => packets): Promise<void> {
  let timer: Timer | undefined;
  const send = (packets: Uint8Array[]): void => {
    sendOrLose(tun, gate(packets, "from the host"));
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

/** What the kernel has no room for is lost, as on any link: whoever minds sends again. So it is while the interface is down. */
export function sendOrLose(tun: Tun, packets: readonly Uint8Array[]): void {
  try {
    tun.sendMany(packets);
  } catch (error) {
    if (!(error instanceof TunTapError) || (error.code !== "EIO" && error.code !== "ERR_TUNTAP_CLOSED")) throw error;
  }
}
