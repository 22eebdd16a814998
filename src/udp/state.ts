import { udpNative } from "../sys/native.ts";
import { PEER_BYTES } from "../sys/udp.ts";

/** The bytes of `struct udp` (native/udp.c), and the numbers that it begins with. */
export class UdpState {
  readonly bytes: Uint8Array = new Uint8Array(udpNative().udp_state_size());
  readonly #numbers: Uint32Array = new Uint32Array(this.bytes.buffer, 0, HEAD);

  constructor(family: number) {
    const [seed = 0] = crypto.getRandomValues(new Uint32Array(1));
    udpNative().udp_init(this.bytes, family, seed);
  }

  /** Datagrams that the writer has and has not sent. */
  get pending(): number {
    return this.#numbers[0] as number;
  }

  get sendCalls(): number {
    return this.#numbers[1] as number;
  }

  get receiveCalls(): number {
    return this.#numbers[2] as number;
  }

  /** Datagrams that found no room in the socket's queue. */
  get lost(): number {
    return this.#numbers[3] as number;
  }

  get truncated(): number {
    return this.#numbers[4] as number;
  }

  /** ICMP errors. */
  get unreachable(): number {
    return this.#numbers[5] as number;
  }

  /** Times that a path refused segmentation. */
  get segmentationRefusals(): number {
    return this.#numbers[6] as number;
  }

  /** Returns the `struct peer` that is kept under a number. */
  peer(id: number): Uint8Array {
    const start = HEAD * 4 + id * PEER_BYTES;
    return this.bytes.subarray(start, start + PEER_BYTES);
  }
}

/** 32-bit numbers before the peers. */
const HEAD = 8;
