/** The store of addresses in NATS: a bucket of JetStream's key-value store (NATS ADR-8). */
import type { JetStreamManager } from "@nats-io/jetstream";
import type { KV, KvEntry } from "@nats-io/kv";
import type { NatsConnection } from "@nats-io/transport-node";
import { ProgramError } from "../../../src/cli/program.ts";
import { ConflictError, type LeaseStore, type StoreEntry } from "./store.ts";

/** Options of {@link openNatsStore}. */
export interface NatsStoreOptions {
  readonly lan: string;
  readonly isConnected: () => boolean;
  readonly log: (line: string) => void;
  /** Ends the wait for a store that does not answer. */
  readonly stop?: AbortSignal | undefined;
}

const REPLICAS = 3;
/** A list of all addresses of the largest pool: 65,534 numbers. */
const VALUE_MAX = 512 * 1024;
/** Time for one answer of JetStream. */
const ANSWER_MS = 1000;
/** A cluster that has just started, or has just lost its leader, needs a moment for a new one. */
const START_MS = 10_000;
const START_AGAIN_MS = 250;
/** Time for the servers of a cluster to find each other: then there are fewer than three. */
const PEERS_MS = 3000;

/** Codes of JetStream's errors (nats-server server/errors.json). */
const Code = {
  CLUSTER_NOT_AVAILABLE: 10_008,
  CLUSTER_RESOURCES: 10_005,
  NO_PEERS: 10_004,
  STREAM_NAME_IN_USE: 10_058,
  WRONG_LAST_SEQUENCE: 10_071,
  WRONG_LAST_SEQUENCE_UNKNOWN: 10_164,
  REPLICAS_NOT_SUPPORTED: 10_074,
  NOT_ENABLED: 10_076,
  NOT_ENABLED_FOR_ACCOUNT: 10_039,
} as const;

/** Name of the bucket of a LAN. */
export function bucketOf(lan: string): string {
  return `bun-tuntap-${lan}`;
}

/**
 * Opens the bucket of a LAN, and makes it if there is none: three replicas where the server has them.
 *
 * @throws {ProgramError} If there is no JetStream, or it does not answer
 */
export async function openNatsStore(nats: NatsConnection, options: NatsStoreOptions): Promise<LeaseStore> {
  const [{ jetstream }, { Kvm }] = await Promise.all([import("@nats-io/jetstream"), import("@nats-io/kv")]);
  const began = performance.now();
  const client = jetstream(nats, { timeout: ANSWER_MS });
  const isCluster = nats.info?.cluster !== undefined;
  for (;;) {
    const passedMs = performance.now() - began;
    const manners = { isCluster, mayHaveFewer: !isCluster || passedMs > PEERS_MS };
    try {
      const manager = await client.jetstreamManager();
      const bucket = await openBucket(new Kvm(client), manager, { ...options, ...manners });
      return new NatsStore(bucket, options);
    } catch (error) {
      if (isDisabled(error)) throw new ProgramError(disabledText(nats.getServer()), { cause: error });
      if (options.stop?.aborted || passedMs > START_MS || !(isTemporary(error) || isTooMany(error)))
        throw unavailable(error);
      await Bun.sleep(START_AGAIN_MS);
    }
  }
}

interface BucketOptions extends NatsStoreOptions {
  readonly isCluster: boolean;
  /** True if fewer replicas will do. */
  readonly mayHaveFewer: boolean;
}

async function openBucket(
  kvm: { create(name: string, options: object): Promise<KV> },
  manager: JetStreamManager,
  { lan, log, isCluster, mayHaveFewer }: BucketOptions,
): Promise<KV> {
  const bucket = bucketOf(lan);
  // Reading past the leader could tell what was there a moment ago.
  const settings = { history: 1, allow_direct: false, maxValueSize: VALUE_MAX, description: `Addresses of ${lan}` };
  const create = (replicas: number): Promise<KV> => kvm.create(bucket, { ...settings, replicas });
  try {
    const kv = await create(REPLICAS);
    // A server alone takes more replicas for a bucket that is there, and cannot read it after its next start (2.9).
    if (isCluster) await raiseReplicas(manager, `KV_${bucket}`, log);
    return kv;
  } catch (error) {
    if (codeOf(error) === Code.STREAM_NAME_IN_USE) return await create(1);
    if (!isTooMany(error) || !mayHaveFewer) throw error;
    const kv = await create(1);
    log(`addresses: one replica of the store instead of ${REPLICAS}: ${reasonOf(error)}`);
    return kv;
  }
}

/** Gives a bucket that was made when there were fewer servers the replicas that it should have. */
async function raiseReplicas(manager: JetStreamManager, stream: string, log: (line: string) => void): Promise<void> {
  const { config } = await manager.streams.info(stream);
  if (config.num_replicas >= REPLICAS) return;
  try {
    await manager.streams.update(stream, { num_replicas: REPLICAS });
    log(`addresses: the store has ${REPLICAS} replicas now, it had ${config.num_replicas}`);
  } catch (error) {
    log(`addresses: the store has ${config.num_replicas} of ${REPLICAS} replicas: ${reasonOf(error)}`);
  }
}

class NatsStore implements LeaseStore {
  readonly #bucket: KV;
  readonly #options: NatsStoreOptions;
  #watching: { stop(): void } | undefined;
  /** Counts watches: only the last one is listened to. */
  #watches = 0;
  #closed = false;

  constructor(bucket: KV, options: NatsStoreOptions) {
    this.#bucket = bucket;
    this.#options = options;
  }

  get isConnected(): boolean {
    return this.#options.isConnected();
  }

  async write(key: string, value: string | undefined, expected: number | undefined, timeoutMs: number) {
    // A removed value is an empty one: the answer to a deletion does not tell the revision.
    const options = { timeout: timeoutMs, ...(expected !== undefined && { previousSeq: expected }) };
    try {
      return await this.#bucket.put(key, value ?? "", options);
    } catch (error) {
      const code = codeOf(error);
      if (code === Code.WRONG_LAST_SEQUENCE || code === Code.WRONG_LAST_SEQUENCE_UNKNOWN)
        throw new ConflictError(`Another hub has written ${key}`, { cause: error });
      throw troubleOf(error);
    }
  }

  async read(key: string, timeoutMs: number): Promise<StoreEntry | undefined> {
    const entry = await withTimeout(this.#bucket.get(key), timeoutMs).catch((error) => {
      throw troubleOf(error);
    });
    return entry === null ? undefined : entryOf(entry);
  }

  async watch(after: number, each: (entry: StoreEntry) => void): Promise<void> {
    this.#watching?.stop();
    const own = ++this.#watches;
    const from = after > 0 ? { resumeFromRevision: after + 1 } : {};
    const late = (entries: { stop(): void }): void => entries.stop();
    const entries = await withTimeout(this.#bucket.watch(from), 2 * ANSWER_MS, late).catch((error) => {
      throw troubleOf(error);
    });
    if (this.#closed || own !== this.#watches) {
      entries.stop();
      return;
    }
    this.#watching = entries;
    // One that was stopped may have entries left, and they would come before those that it has missed.
    void follow(entries, (entry) => own === this.#watches && each(entry));
  }

  close(): void {
    this.#closed = true;
    this.#watching?.stop();
  }
}

async function follow(entries: AsyncIterable<KvEntry>, each: (entry: StoreEntry) => unknown): Promise<void> {
  try {
    for await (const entry of entries) each(entryOf(entry));
  } catch {
    // The watch has ended with the connection: the next sign of life finds out.
  }
}

function entryOf({ key, value, operation, revision }: KvEntry): StoreEntry {
  const isThere = operation === "PUT" && value.length > 0;
  return { key, value: isThere ? new TextDecoder().decode(value) : undefined, revision };
}

async function withTimeout<T>(promise: Promise<T>, timeoutMs: number, late?: (result: T) => void): Promise<T> {
  const { promise: timeout, reject } = Promise.withResolvers<never>();
  let isOver = false;
  const timer = setTimeout(() => {
    isOver = true;
    reject(new Error("the store does not answer"));
  }, timeoutMs);
  promise.then((result) => isOver && late?.(result)).catch(() => {});
  return await Promise.race([promise, timeout]).finally(() => clearTimeout(timer));
}

/** The code of an error of JetStream. */
function codeOf(error: unknown): number | undefined {
  const { code } = Object(error) as { code?: unknown };
  return typeof code === "number" ? code : undefined;
}

function isTimeout(error: unknown): boolean {
  return error instanceof Error && error.name === "TimeoutError";
}

/** Nobody listens where JetStream would, or it says that it is not for this account. */
function isDisabled(error: unknown): boolean {
  const code = codeOf(error);
  if (code === Code.NOT_ENABLED || code === Code.NOT_ENABLED_FOR_ACCOUNT) return true;
  return error instanceof Error && error.name === "JetStreamNotEnabled";
}

/** A server alone, or a cluster of fewer. */
function isTooMany(error: unknown): boolean {
  const code = codeOf(error);
  return code === Code.REPLICAS_NOT_SUPPORTED || code === Code.CLUSTER_RESOURCES || code === Code.NO_PEERS;
}

function isTemporary(error: unknown): boolean {
  return isTimeout(error) || codeOf(error) === Code.CLUSTER_NOT_AVAILABLE;
}

/** Names an error that came while the store was in use: a cluster without a leader gives several. */
function troubleOf(error: unknown): Error {
  const isSilent = isTemporary(error) || isDisabled(error);
  return new Error(isSilent ? "the store does not answer" : reasonOf(error), { cause: error });
}

function disabledText(server: string): string {
  return `The NATS server ${server} has no JetStream, which keeps the addresses of --pool: put \`jetstream { store_dir: "/var/lib/nats" }\` into its configuration, or leave out --pool`;
}

function unavailable(error: unknown): ProgramError {
  return new ProgramError(`The addresses of --pool cannot be kept in JetStream: ${reasonOf(error)}`, { cause: error });
}

function reasonOf(error: unknown): string {
  if (isTimeout(error)) return "it does not answer";
  return (error instanceof Error ? error.message : String(error)).replace(/[^ -~]/g, "?");
}
