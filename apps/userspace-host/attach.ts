import type { Tun } from "../../src/index.ts";
import type { Host } from "./host.ts";

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
