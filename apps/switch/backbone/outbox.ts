/** Frames for one subject that are published together at the end of the turn. */
import { eachFrame } from "../framing.ts";

/** Gathers messages of frames, and joins them up to a limit. */
export class Outbox {
  /** Frames that no message of the backbone can hold. */
  tooLong = 0;
  #parts: Uint8Array[] = [];
  #bytes = 0;
  readonly #limit: () => number;
  readonly #send: (parts: readonly Uint8Array[], bytes: number) => void;

  /** @param limit Returns the largest number of bytes that go in one message */
  constructor(limit: () => number, send: (parts: readonly Uint8Array[], bytes: number) => void) {
    this.#limit = limit;
    this.#send = send;
  }

  /** Bytes that have been added. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Adds a message of whole frames, a view that nobody changes in this turn. */
  add(message: Uint8Array): void {
    const limit = this.#limit();
    if (message.length > limit) {
      for (const piece of this.#cut(message, limit)) this.add(piece);
      return;
    }
    if (this.#bytes + message.length > limit) this.flush();
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

  /** Cuts a message between frames into pieces of at most `limit` bytes. */
  #cut(message: Uint8Array, limit: number): Uint8Array[] {
    const pieces: Uint8Array[] = [];
    let [begin, last] = [0, 0];
    const cutBefore = (next: number): void => {
      if (last > begin) pieces.push(message.subarray(begin, last));
      begin = next;
    };
    eachFrame(message, (_start, end) => {
      if (end - begin > limit) cutBefore(last);
      if (end - begin > limit) {
        this.tooLong++;
        begin = end;
      }
      last = end;
    });
    cutBefore(last);
    return pieces;
  }
}
