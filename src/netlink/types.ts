/** Addresses, routes and the state of an interface, as users give them and as the kernel reports them. */

/** The range in which an IPv4 address or route is valid (ip-address(8)). The kernel derives that of an IPv6 address from the address. */
export type Scope = "global" | "site" | "link" | "host" | "nowhere" | number;

/**
 * An address with its prefix length: `"192.0.2.1/24"`, `"2001:db8::1/64"`.
 * Without a prefix length it is a host address (/32, /128), as in `ip address add`: no route to a network comes with
 * it. It is not refused, because a `peer`, a router's own address and a WireGuard configuration are written so.
 */
export type AddressLike = string | AddressSettings;

/**
 * An address with further settings. Members that only {@link Address} has are ignored, so that a listed address can
 * be given back.
 */
export interface AddressSettings {
  /** `"192.0.2.1/24"`, or with a `peer` `"192.0.2.1"`. */
  readonly address: string;
  /** The other end of a point-to-point address; the prefix length then belongs to it. */
  readonly peer?: string;
  /** IPv4 only. */
  readonly broadcast?: string;
  /** IPv4 only. Default `"global"`. */
  readonly scope?: Scope;
  /** Seconds until the kernel removes the address. Default Infinity. */
  readonly validLifetime?: number;
  /** Seconds until it is used for no new connections; at most `validLifetime`, which is the default. */
  readonly preferredLifetime?: number;
  /** IPv6 only: usable at once, without duplicate address detection (RFC 4862 section 5.4). */
  readonly noDad?: boolean;
  /** Adds no route to the address's prefix. Default false. */
  readonly noPrefixRoute?: boolean;
}

/** An address as the kernel has it. */
export interface Address {
  /** With prefix length, in RFC 5952 form: `"2001:db8::1/64"`. */
  readonly address: string;
  /** The other end of a point-to-point address, without prefix length. */
  readonly peer?: string;
  /** The version of IP. */
  readonly family: 4 | 6;
  /** The range in which the address is valid. */
  readonly scope: Scope;
  /** The broadcast address of IPv4. */
  readonly broadcast?: string;
  /** Seconds that are left; absent if it stays for ever. */
  readonly validLifetime?: number;
  /** Seconds that are left; absent if it stays preferred for ever. */
  readonly preferredLifetime?: number;
  /** Tells whether it was added without duplicate address detection. */
  readonly noDad?: boolean;
  /** Tells whether it brings no route to its prefix with it. */
  readonly noPrefixRoute?: boolean;
  /** Tells whether duplicate address detection is still running: the address cannot be used yet. */
  readonly tentative?: boolean;
  /** Tells whether another host on the link has the address: it cannot be used. */
  readonly duplicate?: boolean;
  /** Tells whether the preferred lifetime is over. */
  readonly deprecated?: boolean;
}

/**
 * A route through the interface: its destination, `"198.51.100.0/24"`,
 * `"2001:db8:1::/48"`, `"default"` (IPv4; `"::/0"` is that of IPv6).
 */
export type RouteLike = string | RouteSettings;

/**
 * A route with further settings. Members that only {@link Route} has are ignored, so that a listed route can be given
 * back.
 */
export interface RouteSettings {
  /** The destination, in the form of {@link RouteLike}; `"default"` takes its family from `via`. */
  readonly to: string;
  /** The gateway. An IPv4 route may have an IPv6 one (RTA_VIA, Linux 5.2). */
  readonly via?: string;
  /** Lower is better. Default 0 for IPv4, 1024 for IPv6. */
  readonly metric?: number;
  /** Default 254, the main table. */
  readonly table?: number;
  /** The source address of packets that have none yet. */
  readonly source?: string;
  /** Takes the gateway to be on this link, even if no address says so. Default false. */
  readonly onLink?: boolean;
  /** IPv4 only. Default `"link"` without a gateway, else `"global"`. */
  readonly scope?: Scope;
  /** Bytes: the largest packet for this destination. */
  readonly mtu?: number;
  /** Bytes: the TCP segment size advertised to this destination. */
  readonly advmss?: number;
}

/** The maker of a route or a rule (RTPROT_* of include/uapi/linux/rtnetlink.h); programs may have numbers of their own, 0 to 255. */
export type RouteProtocol = "kernel" | "boot" | "static" | "ra" | "dhcp" | number;

/** A route as the kernel has it. */
export interface Route {
  /** `"198.51.100.0/24"`, in RFC 5952 form; `"0.0.0.0/0"` or `"::/0"` is the default route. */
  readonly to: string;
  /** The version of IP. */
  readonly family: 4 | 6;
  /** The gateway; absent if the destination is on the link. */
  readonly via?: string;
  /** Absent if it is 0. */
  readonly metric?: number;
  /** The routing table: 254 is the main one. */
  readonly table: number;
  /** The address that packets get that have none yet. */
  readonly source?: string;
  /** Treats the gateway as on this link even if no address says so. */
  readonly onLink?: boolean;
  /** The distance of the destination. */
  readonly scope: Scope;
  /** The maker: `"static"` for routes made here, `"kernel"` for those that follow from an address. */
  readonly protocol: RouteProtocol;
  /** Bytes: the largest packet for this destination. */
  readonly mtu?: number;
  /** Bytes: the TCP segment size advertised to this destination. */
  readonly advmss?: number;
}

/** The fate of the packets that a rule selects: they are looked up in its table, or refused. */
export type RuleAction = "lookup" | "blackhole" | "unreachable" | "prohibit";

/**
 * A policy rule (ip-rule(8)): which packets it selects, and the table that has
 * their routes. A member that is left out selects nothing by itself. Members
 * that {@link Rule} has beside are ignored, so that one can be given back.
 */
export interface RuleSettings {
  /** Default: that of `from` and `to`, else 4. A rule is for one family. */
  readonly family?: 4 | 6;
  /** The source, `"192.0.2.0/24"`; without a prefix length one address. */
  readonly from?: string;
  /** The destination, in the same form. */
  readonly to?: string;
  /** The mark of a packet (SO_MARK, or set by a packet filter), 0 to 4294967295. */
  readonly mark?: number;
  /** The bits of `mark` that count, 0 to 4294967295. Default: all of them. */
  readonly mask?: number;
  /** Selects the packets for which the members above and the interfaces do not hold. Default false. */
  readonly not?: boolean;
  /** The name of the interface that packets come in by; `"lo"` selects those of this host. It need not be there yet. */
  readonly incomingInterface?: string;
  /** The name of the interface that packets are sent by, of sockets that are bound to it. */
  readonly outgoingInterface?: string;
  /** The table to look in, 1 to 4294967295. Default 254, the main table. */
  readonly table?: number;
  /** Ignores routes of the table whose prefix is this long or shorter, 0 to 128: 0 ignores default routes. */
  readonly suppressPrefixLength?: number;
  /**
   * The place of the rule, 0 to 4294967295: lower numbers come first. Default: one below the lowest that exists, 0
   * left aside.
   */
  readonly priority?: number;
  /** Default `"lookup"`. The others have no table. */
  readonly action?: RuleAction;
  /** The maker of the rule. Default `"static"`. */
  readonly protocol?: RouteProtocol;
}

/** A policy rule as the kernel has it. */
export interface Rule {
  /** The version of IP. */
  readonly family: 4 | 6;
  /** In RFC 5952 form, with prefix length; absent if every source is selected. */
  readonly from?: string;
  /** In the same form; absent if every destination is selected. */
  readonly to?: string;
  /** Absent if the mark does not matter. */
  readonly mark?: number;
  /** Absent if all bits of the mark count, or none. */
  readonly mask?: number;
  /** Selects the packets for which the rest does not hold. */
  readonly not?: boolean;
  /** The name of the interface that packets come in by. */
  readonly incomingInterface?: string;
  /** The name of the interface that sockets are bound to. */
  readonly outgoingInterface?: string;
  /** Absent if the action looks in no table. */
  readonly table?: number;
  /** Routes of the table with a prefix as long as this or shorter do not count. */
  readonly suppressPrefixLength?: number;
  /** The kernel's own rule for the local table has 0, those for the main and the default table 32766 and 32767. */
  readonly priority: number;
  /** A number (FR_ACT_* of include/uapi/linux/fib_rules.h) where it is none of those that can be given, such as "goto". */
  readonly action: RuleAction | number;
  /** The maker of the rule. */
  readonly protocol: RouteProtocol;
  /**
   * Tells whether the rule selects by something that has no member here, such as ports or users. Such a rule cannot be
   * given back.
   */
  readonly incomplete?: boolean;
}

/**
 * The kernel's counters of an interface (`struct rtnl_link_stats64`), from its
 * side: received is what programs sent into the interface, and transmitted is
 * what it handed to them. `DeviceCounters` has the program's side.
 *
 * All counters of this library are numbers: exact up to 2^53, which are nine
 * petabytes, and without an allocation for each frame.
 */
export interface LinkStats {
  /** Frames that the interface received: those that programs sent. */
  readonly rxPackets: number;
  /** Frames that the interface transmitted: those that programs received. */
  readonly txPackets: number;
  /** Bytes of the frames that the interface received: those that programs sent. */
  readonly rxBytes: number;
  /** Bytes of the frames that the interface transmitted: those that programs received. */
  readonly txBytes: number;
  /** Frames that the interface received and the driver refused, such as malformed ones that programs sent. */
  readonly rxErrors: number;
  /** Frames that the interface failed to transmit. */
  readonly txErrors: number;
  /** Frames that the interface received and the kernel dropped: programs sent them for nothing. */
  readonly rxDropped: number;
  /** Frames that the interface dropped before it transmitted them: the kernel's queue had no room, because nobody received them in time. */
  readonly txDropped: number;
}

/** Flags of an interface, IFF_* (include/uapi/linux/if.h). */
export interface LinkFlags {
  /** IFF_UP: the administrative state. */
  readonly up: boolean;
  /**
   * Tells whether the interface has a carrier, as with a cable plugged in: off while no fd is attached, and after
   * `setCarrier(false)`.
   */
  readonly carrier: boolean;
  /** IFF_PROMISC: takes frames for other hosts too. */
  readonly promiscuous: boolean;
  /** IFF_ALLMULTI: takes every multicast frame. */
  readonly allMulticast: boolean;
  /** IFF_MULTICAST: carries multicast frames. */
  readonly multicast: boolean;
}

/** A TUN or TAP interface, attached to or not. */
export interface InterfaceInfo extends LinkFlags {
  /** `"tun"` for IP packets, `"tap"` for Ethernet frames. */
  readonly kind: "tun" | "tap";
  /** The name of the interface. */
  readonly name: string;
  /** The interface index. */
  readonly index: number;
  /** Undefined for a TUN. */
  readonly mac: string | undefined;
  /** Bytes of IP packet that one frame carries at most. */
  readonly mtu: number;
  /** Frames that the kernel queues for the program. */
  readonly txQueueLength: number;
  /** Text that `ip link` shows beside the name. */
  readonly alias: string | undefined;
  /** The index of the bridge, bond or VRF that it is a port of. */
  readonly master: number | undefined;
  /** The user id that may attach to it without privilege; where there is neither owner nor group, everybody may. */
  readonly owner: number | undefined;
  /** The group id that may attach to it without privilege. */
  readonly group: number | undefined;
  /** Tells whether the interface outlives the processes that are attached. */
  readonly persistent: boolean;
  /** Tells whether each frame has the 4-byte packet-information header. */
  readonly packetInfo: boolean;
  /** Tells whether each frame has a virtio header, as with `offload`. */
  readonly vnetHeader: boolean;
  /** Tells whether several queues may be attached. */
  readonly multiQueue: boolean;
  /**
   * The number of attached queues; undefined for a persistent interface with a single queue, of which the kernel
   * reports only the carrier.
   */
  readonly queues: number | undefined;
  /** Queues that get no frames (`setQueue(false)`). */
  readonly disabledQueues: number;
}
