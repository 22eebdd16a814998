import type { Network } from "./rig.ts";

/** A program under test, with the options that it is started with. */
export interface Contender {
  readonly name: string;
  readonly program: "c" | "ours";
  readonly options: readonly string[];
  /** A command that takes the place of that program. */
  readonly command?: readonly string[];
  /** What differs from the network of its case. */
  readonly network?: Network;
  /** What it is held against, in the same case. */
  readonly against?: Contender;
}

/** Command lines, to which options and interfaces are added. */
export interface Programs {
  readonly relay: Readonly<Record<Contender["program"], readonly string[]>>;
  readonly echo: Readonly<Record<Contender["program"], readonly string[]>>;
  readonly udp: Readonly<Record<Contender["program"], readonly string[]>>;
  readonly tunnel: Readonly<Record<Contender["program"], readonly string[]>>;
  readonly wireguard: Readonly<Record<Contender["program"], readonly string[]>>;
  /** Tools that measure. */
  readonly flood: readonly string[];
  readonly rtt: readonly string[];
  readonly calls: readonly string[];
  readonly startup: readonly string[];
  readonly flows: readonly string[];
}
