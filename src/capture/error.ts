/** Bytes that are no pcapng, or not the pcapng that they claim to be. */
export class CaptureError extends RangeError {
  /** `"CaptureError"`. */
  override readonly name = "CaptureError";
  /** The place in the file at which the trouble starts, in bytes. */
  readonly offset: number;

  constructor(offset: number, message: string) {
    super(`Cannot read the capture at byte ${offset}: ${message}`);
    this.offset = offset;
  }

  /** Returns what `JSON.stringify` shows: the message too, which that leaves out of other errors. */
  toJSON(): object {
    return { ...this, name: this.name, message: this.message };
  }
}
