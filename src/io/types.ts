/** Frames, observers, offload and counters. */

/** A whole IP packet or Ethernet frame, as bytes. */
export type FrameSource = ArrayBuffer | SharedArrayBuffer | ArrayBufferView;

/** A direction, from the side of the program: it received the frames from the kernel, or sent them to it. */
export type Direction = "received" | "sent";

/** Observes the frames that pass a device. An exception that it throws goes to the `error` handler. */
export interface FrameObserver {
  /**
   * Called with frames, in order, before the program gets them ("received"), or after the kernel has taken them
   * ("sent"). Sent frames, and with `reuseBuffers` received ones, are valid only until this returns.
   */
  frames(frames: readonly Uint8Array[], direction: Direction): void;
  /** The device has closed. */
  close?(): void;
}

/** Options of segmentation offload. */
export interface OffloadOptions {
  /**
   * Keeps the 10-byte `struct virtio_net_hdr` before each frame, received and sent, and the super-packets of up to 64
   * KiB as they are: for relays, hypervisors and tunnels that carry them on. `parseVnetHeader` of `bun-tuntap/packet`
   * reads it. Default false: packets as without offload.
   */
  raw?: boolean;
  /** Offloads UDP, too (Linux 6.2). Default true; false on Linux 7.0, which damages checksums. */
  udp?: boolean;
}

/** Kinds of super-packets: TCP or UDP, over IPv4 or IPv6. */
export type SuperPacketKind = "tcp4" | "udp4" | "tcp6" | "udp6";

/** The segmentation offload in force. */
export interface OffloadInfo {
  /** Tells whether frames keep their virtio header, and super-packets stay whole. */
  readonly raw: boolean;
  /** Tells whether super-packets of UDP are received and sent. Those of TCP always are. */
  readonly udp: boolean;
  /**
   * Kinds of super-packets that this kernel has refused. They are sent packet
   * by packet since, and received as before. Always empty with `raw`.
   */
  readonly disabled: readonly SuperPacketKind[];
}

/** The cause for which the kernel refused a frame for good. */
export type RefusalCause = "malformed" | "down" | "other";

/**
 * Counters of one device, from the side of the program: frames and bytes received and sent, and frames that were
 * lost.
 */
export interface DeviceCounters {
  /** Frames that the program has received. */
  readonly framesReceived: number;
  /** Bytes of these frames. */
  readonly bytesReceived: number;
  /** Frames that the kernel has taken from the program. */
  readonly framesSent: number;
  /** Bytes of these frames. */
  readonly bytesSent: number;
  /** Received frames that the kernel cut, because they were longer than any frame can be. */
  readonly truncated: number;
  /** With `offload`: received frames that were dropped, as their virtio header did not agree with their bytes. */
  readonly malformed: number;
  /** Frames given to `send`, `sendMany` or `writable` that the kernel refused for good. */
  readonly refused: number;
  /**
   * Refused frames by cause: `malformed`, the bytes are no packet or frame (EINVAL); `down`, the interface was down
   * (EIO); `other`, any other error, such as ENOMEM.
   */
  readonly refusedBy: { readonly [C in RefusalCause]: number };
}
