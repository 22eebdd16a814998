/** Frames, and how they are moved. */

/** A whole IP packet or Ethernet frame, as bytes. */
export type FrameSource = ArrayBuffer | SharedArrayBuffer | ArrayBufferView;

/** A direction, from the side of the program: it received the frames from the kernel, or sent them to it. */
export type Direction = "received" | "sent";

/** Receives a look at the frames that pass a device. An exception that it throws goes to the `error` handler. */
export interface FrameObserver {
  /**
   * Frames that the program is about to get ("received"), or that the kernel
   * has taken from it ("sent"), in order. With `reuseBuffers`, and where they
   * are sent, they are valid only until this returns.
   */
  frames(frames: readonly Uint8Array[], direction: Direction): void;
  /** The device has closed. */
  close?(): void;
}

/** How frames are moved with segmentation offload. */
export interface OffloadOptions {
  /**
   * Keep the 10-byte `struct virtio_net_hdr` before each frame, both ways, and
   * the super-packets of up to 64 KiB as they are: for relays, hypervisors and
   * tunnels that carry them on. `parseVnetHeader` of `bun-tuntap/packet` reads
   * it. Default false: packets as without offload.
   */
  raw?: boolean;
  /** UDP too (Linux 6.2). Default true, but on Linux 7.0, which damages checksums. */
  udp?: boolean;
}

/** TCP or UDP, over IPv4 or IPv6. */
export type SuperPacketKind = "tcp4" | "udp4" | "tcp6" | "udp6";

/** The segmentation offload in force. */
export interface OffloadInfo {
  readonly raw: boolean;
  /** Whether the kernel hands over and takes super-packets of UDP. Those of TCP it always does. */
  readonly udp: boolean;
  /**
   * Kinds of super-packets that this kernel has refused. They are sent packet
   * by packet since, and received as before. Always empty with `raw`.
   */
  readonly disabled: readonly SuperPacketKind[];
}

/** Why the kernel refused a frame for good. */
export type RefusalCause = "malformed" | "down" | "other";

/** Counters of one device: frames and bytes both ways, and frames that were lost. */
export interface DeviceCounters {
  readonly framesReceived: number;
  readonly bytesReceived: number;
  readonly framesSent: number;
  readonly bytesSent: number;
  /** Received frames that the kernel cut. */
  readonly truncated: number;
  /** With `offload`: received frames that were dropped, as their virtio header did not agree with their bytes. */
  readonly malformed: number;
  /** Frames given to `send`, `sendMany` or `writable` that the kernel refused for good. */
  readonly refused: number;
  /**
   * Refused frames by cause: `malformed`, no packet or frame (EINVAL); `down`, the
   * interface was down (EIO); `other`, any other error, such as ENOMEM.
   */
  readonly refusedBy: { readonly [C in RefusalCause]: number };
}
