/** Frames for one subject that are published together at the end of the turn. */
import { eachFrame } from "../framing.ts";

/** Lengths of a message. */
export interface OutboxLimits {
  /** Length up to which frames are joined. */
  readonly usual: number;
  /** Length that a single frame may need. */
  readonly most: number;
}

/** Gathers messages of frames, and joins them up to a limit. */
export class Outbox {
  /** Frames that no message of the backbone can hold. */
  tooLong = 0;
  #parts: Uint8Array[] = [];
  #bytes = 0;
  readonly #limits: OutboxLimits;
  readonly #send: (parts: readonly Uint8Array[], bytes: number) => void;

  constructor(limits: OutboxLimits, send: (parts: readonly Uint8Array[], bytes: number) => void) {
    this.#limits = limits;
    this.#send = send;
  }

  /** Bytes that have been added. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Adds a message of whole frames, a view that nobody changes in this turn. */
  add(message: Uint8Array): void {
    if (message.length <= Math.min(this.#limits.usual, this.#limits.most)) this.#addWhole(message);
    else for (const piece of this.#cut(message)) this.#addWhole(piece);
  }

  #addWhole(message: Uint8Array): void {
    if (this.#bytes + message.length > Math.min(this.#limits.usual, this.#limits.most)) this.flush();
    this.#parts.push(message);
    this.#bytes += message.length;
  }

  /** Sends what has been added. */
  flush(): void {
    if (this.#parts.length === 0) return;
    const [parts, bytes] = [this.#parts, this.#bytes];
    this.clear();
    this.#send(parts, bytes);
  }

  /** Forgets what has been added. */
  clear(): void {
    this.#parts = [];
    this.#bytes = 0;
  }

  /** Cuts a message between frames into pieces of the usual length, or of one frame. */
  #cut(message: Uint8Array): Uint8Array[] {
    const { usual, most } = this.#limits;
    const pieces: Uint8Array[] = [];
    let [begin, last] = [0, 0];
    const cut = (): void => {
      if (last - begin > most) this.tooLong++;
      else if (last > begin) pieces.push(message.subarray(begin, last));
      begin = last;
    };
    eachFrame(message, (_start, end) => {
      if (end - begin > Math.min(usual, most)) cut();
      last = end;
    });
    cut();
    return pieces;
  }
}
