/**
 * Bytes that are not a well-formed message of the protocol they were parsed as.
 *
 * Thrown by the `parse…` functions only, for what came from the network. Wrong
 * arguments of the `write…` and `build…` functions are a `TypeError` or a plain
 * `RangeError`, for they are the caller's own.
 */
export class PacketError extends RangeError {
  /** `"PacketError"`. */
  override readonly name = "PacketError";
  /** Whose rule was broken: "Ethernet", "ARP", "IPv4", "IPv6", "UDP", "TCP", "ICMP", "ICMP echo", "ICMPv6" or "virtio-net header". */
  readonly protocol: string;
  /** The place in the parsed bytes at which the trouble starts; their length if they end too early. */
  readonly offset: number;

  constructor(protocol: string, offset: number, found: string, wanted: string) {
    super(`Cannot parse ${protocol} at byte ${offset}: found ${found}, wanted ${wanted}`);
    this.protocol = protocol;
    this.offset = offset;
  }

  /** Returns what `JSON.stringify` shows: the message too, which that leaves out of other errors. */
  toJSON(): object {
    return { ...this, name: this.name, message: this.message };
  }
}
