/** Keeps the addresses of a switch: in one hub alone, or in the store that all hubs share. */

import type { AddressStatus } from "../status.ts";

/** A client that asks for an address, and the time. It is in milliseconds from any start. */
export interface Applicant {
  readonly id: string;
  /** Process of the client; empty if it does not say. */
  readonly run?: string;
  /** Number of the connection, of all that the process has made. */
  readonly sequence?: number;
  /** The machine that the client connects from. One owner cannot use up the addresses of all. */
  readonly owner: string;
  readonly now: number;
}

/** The addresses of a LAN: one for each client id, kept for it while it is away. */
export interface AddressBook {
  /** The reason why no new address is given at the moment. */
  readonly trouble: string | undefined;
  /** Leases an address, with prefix length; undefined if there is none. `wish` is tried first. */
  lease(client: Applicant, wish?: string): string | undefined | Promise<string | undefined>;
  /** Books an address that the client has by other means; false if that is not possible. */
  claim(client: Applicant, address: string): boolean | Promise<boolean>;
  /** The client has left: its address is kept for a while. */
  release(id: string, now: number): void;
  /** For the status. */
  status(): AddressStatus;
  /** More for the details of the status. */
  details?(): object;
}

/** Limits of an address book. */
export interface LeaseOptions {
  /** Milliseconds for which the address of a client that has left is kept for it. */
  readonly keepMs: number;
  /** The most addresses that clients of one owner hold, those that have left included. */
  readonly perOwnerMax: number;
}
