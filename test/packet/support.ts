/** Bytes from hexadecimal text; blanks are for the reader. */
export function hex(text: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.fromHex(text.replaceAll(/\s/g, ""));
}

/** A buffer in which an octet that a writer forgot shows. */
export function dirty(lengthBytes: number): Uint8Array<ArrayBuffer> {
  return new Uint8Array(lengthBytes).fill(0xa5);
}

/** A copy of `bytes` in the middle of a larger buffer that holds `sentinel` all around it. */
export function surround(bytes: Uint8Array, sentinel: number): Uint8Array {
  const margin = 67;
  const buffer = new Uint8Array(bytes.length + 2 * margin).fill(sentinel);
  buffer.set(bytes, margin);
  return buffer.subarray(margin, margin + bytes.length);
}

/** Reads every property of a view, inherited ones included, by name; subarrays as arrays. Throws if one lies outside of `bytes`. */
export function readAll(view: object, bytes: Uint8Array): Record<string, unknown> {
  const names = Object.keys(view);
  for (let at = Object.getPrototypeOf(view); at !== Object.prototype; at = Object.getPrototypeOf(at)) {
    names.push(...Object.getOwnPropertyNames(at));
  }
  const readable = names.filter((name) => name !== "constructor" && typeof Reflect.get(view, name) !== "function");
  return Object.fromEntries(readable.map((name) => [name, plain(name, Reflect.get(view, name), bytes)]));
}

/** A value whose subarrays of `bytes` are arrays, at any depth; a copy of them is an error. */
function plain(name: string, value: unknown, bytes: Uint8Array): unknown {
  if (value instanceof Uint8Array) {
    const start = value.byteOffset - bytes.byteOffset;
    if (value.buffer !== bytes.buffer) throw new Error(`"${name}" is a copy`);
    if (start < 0 || start + value.length > bytes.length) throw new Error(`"${name}" is outside of the bytes`);
    return [...value];
  }
  if (Array.isArray(value)) return value.map((item) => plain(name, item, bytes));
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, plain(key, item, bytes)]));
}

/** RFC 1071 in the plainest way, with 16-bit one's complement additions. */
export function referenceChecksum(bytes: Uint8Array): number {
  let sum = 0;
  for (let i = 0; i < bytes.length; i += 2) {
    sum += (bytes[i] ?? 0) * 256 + (bytes[i + 1] ?? 0);
    if (sum > 0xffff) sum -= 0xffff;
  }
  return 0xffff - sum;
}

type CapturedName =
  | "arpRequest"
  | "arpReply"
  | "echoRequest"
  | "echoReply"
  | "echoRequestRecordRoute"
  | "echoReplyRecordRoute";

/**
 * Frames of a Linux 6.18 kernel, captured with tcpdump on a veth pair: an ARP exchange, then
 * `ping -s 16`, then `ping -R -s 3` with its record route option.
 */
export const captured: Record<CapturedName, Uint8Array<ArrayBuffer>> = {
  arpRequest: hex(`ffffffffffff 02005e005301 0806
    000108000604000102005e005301c0000201000000000000c0000202`),
  arpReply: hex(`02005e005301 02005e005302 0806
    000108000604000202005e005302c000020202005e005301c0000201`),
  echoRequest: hex(`02005e005302 02005e005301 0800
    4500002c1a34400040019c99c0000201c0000202
    080018381e73000107e8036b00000000a7000f0000000000`),
  echoReply: hex(`02005e005301 02005e005302 0800
    4500002cdd9300004001193ac0000202c0000201
    000020381e73000107e8036b00000000a7000f0000000000`),
  echoRequestRecordRoute: hex(`02005e005302 02005e005301 0800
    4f0000471a3540004001a86cc0000201c0000202
    01072708c00002010000000000000000000000000000000000000000000000000000000000000000
    0800d7891e740001000102`),
  echoReplyRecordRoute: hex(`02005e005301 02005e005302 0800
    4f000047dd9400004001f0b0c0000202c0000201
    072710c0000201c0000202c000020200000000000000000000000000000000000000000000000000
    0000df891e740001000102`),
};
