import type { Contender } from "./contender.ts";
import type { Kind } from "./measure/kind.ts";
import type { Network } from "./rig.ts";

/** The names of the cases, by which --only selects them. */
export type CaseName =
  | `tcp-${"tun" | "tap"}-${"ipv4" | "ipv6"}`
  | "tcp-advmss"
  | "flood"
  | "flood-tap-ipv6"
  | "gso"
  | "gso-tap-ipv6"
  | "rtt"
  | "devices"
  | "crossings"
  | "memory"
  | "startup"
  | `udp-${"send" | "receive"}-${64 | 512 | 1452}`
  | `udp-${"send" | "receive"}-peers-${64 | 512 | 1452}`
  | `udp-send-hub-${64 | 512 | 1452}`
  | `udp-send-turns-${64 | 512 | 1452}`
  | `tunnel-${"tcp" | "tcp-8" | "udp"}`
  | `wireguard-${1 | 8}`
  | "flows"
  | "watched"
  | "trial-tcp";

/** What is measured, in which network, and by whom. */
export interface Case {
  readonly name: CaseName;
  readonly title: string;
  readonly kind: Kind;
  readonly network: Network;
  readonly contenders: readonly Contender[];
  /** In every round, or in the first alone where it does not vary. */
  readonly once?: boolean;
  /** `--quick` leaves it out: each of its modes is in another case. */
  readonly slow?: boolean;
  /** Runs if it is asked for by its name only: what was tried, for bench/NOTES.md. */
  readonly trial?: boolean;
}
