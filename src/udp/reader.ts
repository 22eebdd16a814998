import { type BlockMemory, FrameBlock, type Places, placesFor } from "../io/frame-block.ts";
import type { Reader, Take } from "../io/receiver.ts";
import { EAGAIN, EBADF, ENOTSOCK } from "../sys/constants.ts";
import { udpNative } from "../sys/native.ts";
import type { Peer, Peers } from "./peers.ts";
import type { UdpState } from "./state.ts";
import type { DatagramRun, Ecn } from "./types.ts";

/**
 * Returns whether a negative errno means that somebody else closed the socket's fd, or that its number is something
 * else now.
 */
export function isGone(errno: number): boolean {
  return errno === -EBADF || errno === -ENOTSOCK;
}

/** The most datagrams of one wake-up, which keeps timers on time under a flood. */
const BATCH = 1024;
/** The size of a slab, which holds 15 super-datagrams. */
const SLAB_BYTES = 1024 * 1024;
/**
 * The place of the first datagram in a slab. A view that does not begin at 0 certainly has a buffer (see `gather` in
 * io/batch.ts).
 */
const SLAB_START = 8;
/** The room that native/udp_receive.c wants for each message. */
const MESSAGE_ROOM = 65_536;
/** Numbers of a record: offset, bytes, bytes of each datagram but the last, and peer with the ECN bits above it. */
const RECORD = 4;
const ECN_SHIFT = 17;
const PEER_MASK = (1 << ECN_SHIFT) - 1;
/** The most datagrams of one block: those of a batch, and of one more message that the kernel has merged. */
const PLACES = BATCH + 128;

/**
 * The most reads in a row that may fail. Each ICMP error about a sent datagram fails one read, and the kernel may be
 * out of memory for a moment; but retrying for ever would keep the processor busy.
 */
const FAILURES_MAX = 100;

/** The messages of one read. They are taken over before the next one, so all sockets of a thread share them. */
let records: Int32Array | undefined;

interface Message {
  readonly offset: number;
  readonly bytes: number;
  readonly segment: number;
  readonly from: Peer;
  readonly ecn: Ecn;
}

/** Receives datagrams as views of slabs, several messages a read, and gives them out by sender. */
export class DatagramReader implements Reader {
  readonly batchMax: number = BATCH;
  readonly #state: UdpState;
  readonly #peers: Peers;
  readonly #reuse: boolean;
  #fd: number;
  #slab: Uint8Array = empty;
  #offset = SLAB_START;
  /** The place at which the last read began. */
  #start = SLAB_START;
  /** Tells whether anybody has a view of what was read last. */
  #seen = true;
  /** Places of the last block. */
  #places: Places | undefined;
  /** Messages that were read and have not been taken. */
  #messages: Message[] = [];
  #next = 0;
  #crowded = false;
  /** With reused buffers, the list of datagrams that is returned each time, and the views of the last reads. */
  readonly #list: Uint8Array[] = [];
  readonly #views: (Uint8Array | undefined)[] = [];
  #viewed = 0;
  #from: Peer | undefined;
  #datagrams = 0;
  #bytes = 0;
  /** The number of reads in a row that have failed. */
  #failures = 0;
  onFailed: (errno: number) => void = () => {};

  constructor(fd: number, state: UdpState, peers: Peers, reuse: boolean) {
    this.#fd = fd;
    this.#state = state;
    this.#peers = peers;
    this.#reuse = reuse;
  }

  counters(): { datagramsReceived: number; bytesReceived: number } {
    return { datagramsReceived: this.#datagrams, bytesReceived: this.#bytes };
  }

  /** The sender of the last run that was taken. */
  get from(): Peer {
    return this.#from as Peer;
  }

  get buffered(): boolean {
    return this.#next < this.#messages.length;
  }

  get crowded(): boolean {
    return this.buffered || this.#crowded;
  }

  /** Returns the datagrams of the next sender, about `limit` of them at most; null if none is waiting. */
  readRun(limit: number): DatagramRun | null {
    if (!this.#hasNext() && !this.#read(limit)) return null;
    const { from, ecn } = this.#messages[this.#next] as Message;
    const datagrams = this.#reuse ? this.#list : [];
    datagrams.length = 0;
    do this.#cut(this.#messages[this.#next++] as Message, datagrams);
    while (this.#continues(from, ecn) && datagrams.length < limit);
    this.#from = from;
    this.#datagrams += datagrams.length;
    return { datagrams, from, ecn };
  }

  /** Returns the datagrams of the next sender as {@link readRun} does, as one block. */
  readBlock(limit: number): DatagramBlock | null {
    if (!this.#hasNext() && !this.#read(limit)) return null;
    const { from, ecn } = this.#messages[this.#next] as Message;
    let places = this.#places ?? placesFor(PLACES);
    let count = 0;
    do {
      const message = this.#messages[this.#next] as Message;
      const end = count + countOf(message);
      if (end > places.lengths.length) {
        if (count > 0) break;
        places = placesFor(end);
      }
      place(message, places, count);
      count = end;
      this.#next++;
    } while (this.#continues(from, ecn) && count < limit);
    this.#places = places;
    this.#from = from;
    this.#datagrams += count;
    return new DatagramBlock(count, this.#placed(places), from);
  }

  /**
   * Tells whether a message waits to be taken. All of them are gone with their slab if the user has transferred the
   * buffer of a datagram before them.
   */
  #hasNext(): boolean {
    if (this.#slab.byteLength === 0) this.#messages.length = 0;
    return this.buffered;
  }

  #placed(places: Places): BlockMemory {
    const view = (i: number): Uint8Array => this.#view(places.offsets[i] as number, places.lengths[i] as number);
    return { memory: this.#slab, places, view };
  }

  end(): void {
    this.#fd = -1;
  }

  /** Tells whether the next message is of that run. */
  #continues(from: Peer, ecn: Ecn): boolean {
    const next = this.#messages[this.#next];
    return next !== undefined && next.from === from && next.ecn === ecn;
  }

  /** Reads messages; false if there is none. */
  #read(limit: number): boolean {
    records ??= new Int32Array(BATCH * RECORD);
    this.#viewed = 0;
    this.#prepareSlab();
    this.#start = this.#offset;
    const result = udpNative().udp_read(
      this.#fd,
      this.#state.bytes,
      this.#slab,
      this.#offset,
      SLAB_BYTES,
      records,
      Math.min(limit, BATCH),
    );
    if (result < 0) {
      this.#failures = result === -EAGAIN ? 0 : this.#failures + 1;
      if (result !== -EAGAIN && (isGone(result) || this.#failures === FAILURES_MAX)) this.onFailed(result);
      return false;
    }
    this.#failures = 0;
    this.#note(records, result);
    return result > 0;
  }

  #prepareSlab(): void {
    if (this.#reuse) this.#offset = SLAB_START;
    // Nobody has a view of what was read last: its place is free again.
    else if (!this.#seen) this.#offset = this.#start;
    this.#seen = false;
    // byteLength is 0 if the user transferred the buffer of a datagram.
    if (SLAB_BYTES - this.#offset >= MESSAGE_ROOM && this.#slab.byteLength > 0) return;
    const { buffer, byteOffset } = Buffer.allocUnsafeSlow(SLAB_BYTES);
    this.#slab = new Uint8Array(buffer, byteOffset, SLAB_BYTES);
    this.#offset = SLAB_START;
    this.#views.length = 0;
  }

  /** Takes over the messages of a read. The numbers of peers are valid only until the next read. */
  #note(read: Int32Array, count: number): void {
    this.#messages = [];
    this.#next = 0;
    for (let i = 0; i < count; i++) {
      const at = i * RECORD;
      const offset = read[at] as number;
      const bytes = read[at + 1] as number;
      const peer = read[at + 3] as number;
      this.#messages.push({
        offset,
        bytes,
        segment: read[at + 2] as number,
        from: this.#peers.at(peer & PEER_MASK),
        ecn: (peer >>> ECN_SHIFT) as Ecn,
      });
      this.#bytes += bytes;
      this.#offset = offset + ((bytes + 7) & ~7);
    }
    this.#crowded = SLAB_BYTES - this.#offset < MESSAGE_ROOM;
  }

  /** Splits a message into the datagrams of which it was merged. */
  #cut({ offset, bytes, segment }: Message, datagrams: Uint8Array[]): void {
    if (segment === bytes) {
      datagrams.push(this.#view(offset, bytes));
      return;
    }
    for (let at = 0; at < bytes; at += segment) datagrams.push(this.#view(offset + at, Math.min(segment, bytes - at)));
  }

  /** Returns a view. With reuse it is the one of the last time, if that is the same: traffic repeats itself. */
  #view(offset: number, length: number): Uint8Array {
    this.#seen = true;
    const start = this.#slab.byteOffset + offset;
    if (!this.#reuse) return new Uint8Array(this.#slab.buffer, start, length);
    const i = this.#viewed++;
    let view = this.#views[i];
    if (view?.byteOffset !== start || view.byteLength !== length) {
      view = new Uint8Array(this.#slab.buffer, start, length);
      this.#views[i] = view;
    }
    return view;
  }
}

/** Takes the datagrams of one sender. */
export const datagramRun: Take<DatagramReader, DatagramRun> = {
  take: (reader, budget) => reader.readRun(budget),
  countOf: ({ datagrams }) => datagrams.length,
  framesOf: ({ datagrams }) => datagrams,
};

/** The datagrams of one sender as one block. */
export class DatagramBlock extends FrameBlock {
  readonly from: Peer;

  constructor(count: number, within: BlockMemory, from: Peer) {
    super(count, within);
    this.from = from;
  }
}

/** Takes the datagrams of one sender, without views of them. */
export const datagramBlock: Take<DatagramReader, DatagramBlock> = {
  take: (reader, budget) => reader.readBlock(budget),
  countOf: ({ count }) => count,
  framesOf: (block) => block.frames(),
};

/** Counts the datagrams of a message. */
function countOf({ bytes, segment }: Message): number {
  return segment === bytes ? 1 : Math.ceil(bytes / segment);
}

/** Writes where the datagrams of a message are, from number `i` on. */
function place({ offset, bytes, segment }: Message, { offsets, lengths }: Places, i: number): void {
  let at = 0;
  do {
    offsets[i] = offset + at;
    lengths[i++] = Math.min(segment, bytes - at);
    at += segment;
  } while (at < bytes);
}

const empty = new Uint8Array(0);
