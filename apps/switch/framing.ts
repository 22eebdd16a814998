/** Frames in WebSocket messages: several in each, with a length of two bytes (big-endian) before each frame. */

/** Addresses and EtherType: less is no Ethernet frame. */
export const ETHERNET_HEADER_LENGTH = 14;
/** Bytes of the length before each frame. */
export const PREFIX_LENGTH = 2;
/** The largest message, which a frame of 65,535 bytes fits into. */
export const MESSAGE_MAX: number = 128 * 1024;

const FRAME_MAX = 0xffff;
const scratch = new Uint8Array(MESSAGE_MAX);

/**
 * Packs frames into as few messages as hold them, in order. A message is valid
 * until `send` returns.
 *
 * @returns how many frames were left out, for having more than 65,535 bytes
 */
export function pack(
  frames: readonly Uint8Array[],
  send: (message: Uint8Array<ArrayBuffer>, frames: number) => void,
): number {
  let [end, count, tooLong] = [0, 0, 0];
  const flush = (): void => {
    if (count > 0) send(scratch.subarray(0, end), count);
    [end, count] = [0, 0];
  };
  for (const frame of frames) {
    const { length } = frame;
    if (length > FRAME_MAX) {
      tooLong++;
      continue;
    }
    if (end + PREFIX_LENGTH + length > MESSAGE_MAX) flush();
    scratch[end] = length >> 8;
    scratch[end + 1] = length & 0xff;
    scratch.set(frame, end + PREFIX_LENGTH);
    end += PREFIX_LENGTH + length;
    count++;
  }
  flush();
  return tooLong;
}

/**
 * Calls `each` with where every frame begins and ends; its length is before it.
 *
 * @returns false if what follows the last whole frame is not a frame
 */
export function eachFrame(message: Uint8Array, each: (start: number, end: number) => void): boolean {
  const { length } = message;
  let at = 0;
  while (at + PREFIX_LENGTH <= length) {
    const start = at + PREFIX_LENGTH;
    const end = start + (((message[at] as number) << 8) | (message[at + 1] as number));
    if (end > length) return false;
    each(start, end);
    at = end;
  }
  return at === length;
}

/** Returns how many whole frames a message has. */
export function countFrames(message: Uint8Array): number {
  let frames = 0;
  eachFrame(message, () => void frames++);
  return frames;
}

/** The frames of a message, as views of it; null if it is not made of whole frames. */
export function unpack(message: Uint8Array): Uint8Array[] | null {
  const frames: Uint8Array[] = [];
  return eachFrame(message, (start, end) => void frames.push(message.subarray(start, end))) ? frames : null;
}
