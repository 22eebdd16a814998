/** One of super-packets.json; bytes are hexadecimal. */
export interface Golden {
  readonly name: string;
  /** `uname -r` of the kernel that made it. */
  readonly kernel: string;
  readonly ethernet: boolean;
  /** The struct virtio_net_hdr. */
  readonly header: string;
  readonly frame: string;
  /** The same, split by that kernel. */
  readonly packets: readonly string[];
}
