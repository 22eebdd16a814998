import { BlockWriter, packetRoom } from "./blocks.ts";
import type { Sink } from "./sinks.ts";

/** Settings of an outbox. */
export interface OutboxOptions {
  /** Bytes that each file begins with. */
  readonly header: Uint8Array;
  /** Returns the bytes that a file ends with; called at its end. */
  readonly trailer: () => Uint8Array;
  /** Bytes that may wait, all together. */
  readonly capacity: number;
  /** Bytes in a file at most. */
  readonly fileBytes: number;
}

/** Bytes that go to the sink in one write: room for three frames of the greatest length at least. */
const CHUNK_BYTES = 256 * 1024;
/** Bytes that are kept free for the trailer, in each chunk and in each file. */
const TRAILER_ROOM = 128;

class Chunk extends BlockWriter {
  /** True for a chunk that begins a file. */
  isBeginning = false;

  constructor() {
    super(new Uint8Array(CHUNK_BYTES));
  }

  hasRoom(bytes: number): boolean {
    return this.length + bytes + TRAILER_ROOM <= CHUNK_BYTES;
  }
}

/**
 * Blocks on their way to a sink. Never waits and never grows: what comes while
 * the sink is busy fills the next chunk, and when all are full there is no
 * room.
 */
export class Outbox {
  readonly #sink: Sink;
  readonly #options: OutboxOptions;
  readonly #settled: PromiseWithResolvers<void> = Promise.withResolvers<void>();
  readonly #free: Chunk[] = [];
  /** The oldest first. */
  readonly #full: Chunk[] = [];
  #filling: Chunk | undefined;
  /** Chunks that may still be made. */
  #unmade: number;
  /** Bytes in the file that is being filled. */
  #fileBytes = 0;
  #isClosed = false;
  #isSending = false;

  constructor(sink: Sink, options: OutboxOptions) {
    this.#sink = sink;
    this.#options = options;
    this.#unmade = Math.max(3, Math.floor(options.capacity / CHUNK_BYTES));
    // A program does not end because its capture did, also if nobody waits for this promise.
    this.finished.catch(() => {});
    this.#begin(this.#spare() as Chunk);
    this.send();
  }

  /** Resolves when the sink has all, and is closed; rejects with what it threw. */
  get finished(): Promise<void> {
    return this.#settled.promise;
  }

  /** Returns where to write a packet, at once, of which so many bytes are kept; undefined if there is no room. */
  roomFor(captured: number): BlockWriter | undefined {
    if (this.#isClosed) return undefined;
    const room = packetRoom(captured);
    const { header, fileBytes } = this.#options;
    const isFirst = this.#fileBytes === header.length;
    if (!isFirst && this.#fileBytes + room + TRAILER_ROOM > fileBytes) {
      if (!this.#nextFile()) return undefined;
    } else if (this.#filling?.hasRoom(room) !== true && !this.#nextChunk()) return undefined;
    this.#fileBytes += room;
    return this.#filling;
  }

  /** Sends what has been written, or has it sent as soon as the sink takes it. */
  send(): void {
    if (!this.#isSending) void this.#sendAll();
  }

  /** Sends the rest, and closes the sink. Takes no packets from then on. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#sink.stopWaiting?.();
    this.send();
  }

  #begin(chunk: Chunk): void {
    const { header } = this.#options;
    chunk.isBeginning = true;
    chunk.copy(header);
    this.#filling = chunk;
    this.#fileBytes = header.length;
  }

  #nextFile(): boolean {
    const last = this.#filling ?? this.#spare();
    this.#filling = last;
    const first = this.#spare();
    if (last === undefined || first === undefined) return false;
    last.copy(this.#options.trailer());
    this.#full.push(last);
    this.#begin(first);
    return true;
  }

  #nextChunk(): boolean {
    const next = this.#spare();
    if (next === undefined) return false;
    if (this.#filling !== undefined) this.#full.push(this.#filling);
    this.#filling = next;
    return true;
  }

  #spare(): Chunk | undefined {
    const chunk = this.#free.pop();
    if (chunk !== undefined || this.#unmade === 0) return chunk;
    this.#unmade--;
    return new Chunk();
  }

  async #sendAll(): Promise<void> {
    this.#isSending = true;
    try {
      for (let chunk = this.#next(); chunk !== undefined; chunk = this.#next()) {
        await this.#sink.write(chunk.bytes, chunk.isBeginning);
        chunk.length = 0;
        chunk.isBeginning = false;
        this.#free.push(chunk);
      }
      this.#isSending = this.#isClosed;
      if (!this.#isClosed) return;
      await this.#sink.write(this.#options.trailer(), false);
      await this.#sink.close();
      this.#settled.resolve();
    } catch (error) {
      this.#isClosed = true;
      this.#isSending = true;
      this.#full.length = 0;
      this.#settled.reject(error);
      await this.#sink.close().catch(() => {});
    }
  }

  /** Takes the next chunk to send: full ones first, then the one that is being filled. */
  #next(): Chunk | undefined {
    const chunk = this.#full.shift();
    if (chunk !== undefined || this.#filling === undefined || this.#filling.length === 0) return chunk;
    const filled = this.#filling;
    this.#filling = undefined;
    return filled;
  }
}
