/** Opens the address book that a hub shares with the others of its LAN. */
import type { Entered } from "../backbone/enter.ts";
import { runText } from "../backbone/summary.ts";
import type { LeaseOptions } from "./book.ts";
import { openNatsStore } from "./nats-store.ts";
import { SharedLeases, type SharedLeasesOptions } from "./shared-leases.ts";

/** Options of {@link openSharedLeases}. */
export interface OpenOptions
  extends LeaseOptions,
    Pick<SharedLeasesOptions, "pool" | "log" | "moved" | "lost" | "recovered" | "stop"> {}

/** Opens the address book. @throws {ProgramError} If there is no store, or it is that of another pool */
export async function openSharedLeases({ connection, backbone }: Entered, options: OpenOptions): Promise<SharedLeases> {
  const { hub, lan, run, clock } = backbone.link;
  const isConnected = (): boolean => connection.isConnected;
  const log = (line: string): void => options.log(line);
  const store = await openNatsStore(connection.nats, { lan, isConnected, log, stop: options.stop });
  const leases = await SharedLeases.open(store, { ...options, hub, run: runText(run), clock }).catch((error) => {
    store.close();
    throw error;
  });
  connection.onEvent(({ type }) => {
    if (type === "disconnected" || type === "reconnected") leases.connectionChanged();
  });
  return leases;
}
