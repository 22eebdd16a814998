/** A key-value store as shared leases need it: NATS JetStream, or a simulation of it. */

/** A value as it is in the store. */
export interface StoreEntry {
  readonly key: string;
  /** Undefined once it has been removed. */
  readonly value: string | undefined;
  /** Grows with each write to the store, whichever the key. */
  readonly revision: number;
}

/** The key had another revision than was expected: somebody else has written it. */
export class ConflictError extends Error {
  override readonly name = "ConflictError";
}

/** A store of all hubs. Its functions reject if the store does not answer in time. */
export interface LeaseStore {
  /** True while there is a connection. */
  readonly isConnected: boolean;
  /**
   * Writes a value, or removes it; resolves to the new revision. A write that is rejected may have been done.
   *
   * @param expected Revision that the key must have; 0: it was never written. Undefined: any
   * @throws {ConflictError} If the key has another revision
   */
  write(key: string, value: string | undefined, expected: number | undefined, timeoutMs: number): Promise<number>;
  /** Resolves to the newest entry of a key; undefined if there never was one. */
  read(key: string, timeoutMs: number): Promise<StoreEntry | undefined>;
  /**
   * Calls `each` for the newest entry of every key that was written after a revision, and for all that come, in order
   * of their revisions, until it is called again.
   */
  watch(after: number, each: (entry: StoreEntry) => void): Promise<void>;
  /** Ends the watch. */
  close(): void;
}
