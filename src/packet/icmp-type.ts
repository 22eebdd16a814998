/** Values of ICMP's type field, out of IANA's "ICMP Parameters". */
export const IcmpType = {
  /** Answer to a ping, RFC 792. */
  ECHO_REPLY: 0,
  /** Error: the code is one of {@link IcmpUnreachable}. */
  DESTINATION_UNREACHABLE: 3,
  /** A router tells of a better one, RFC 792. */
  REDIRECT: 5,
  /** Ping, RFC 792. */
  ECHO_REQUEST: 8,
  /** A router announces itself, RFC 1256. */
  ROUTER_ADVERTISEMENT: 9,
  /** A host asks for routers, RFC 1256. */
  ROUTER_SOLICITATION: 10,
  /** Error: the time to live is over (code 0), or a fragment is missing (code 1). */
  TIME_EXCEEDED: 11,
  /** Error: a field of the header is wrong. */
  PARAMETER_PROBLEM: 12,
  /** Asks for the time, RFC 792. */
  TIMESTAMP: 13,
  /** Answers with the time, RFC 792. */
  TIMESTAMP_REPLY: 14,
} as const;

/** Codes of `IcmpType.DESTINATION_UNREACHABLE`, RFC 792 and RFC 1812 section 5.2.7.1. */
export const IcmpUnreachable = {
  /** No route to the network. */
  NET: 0,
  /** The host does not answer on its link. */
  HOST: 1,
  /** The host does not know the protocol. */
  PROTOCOL: 2,
  /** Nobody listens on the port. */
  PORT: 3,
  /** Too long for the next link, and not to be fragmented; the MTU is in the message (RFC 1191). */
  FRAGMENTATION_NEEDED: 4,
  /** The source route could not be followed. */
  SOURCE_ROUTE_FAILED: 5,
  /** The network is off limits. */
  NET_PROHIBITED: 9,
  /** The host is off limits. */
  HOST_PROHIBITED: 10,
  /** A filter has refused it. */
  PROHIBITED: 13,
} as const;

/** Values of ICMPv6's type field, out of IANA's "ICMPv6 Parameters". Those below 128 are errors. */
export const Icmpv6Type = {
  /** Error: the code is one of {@link Icmpv6Unreachable}. */
  DESTINATION_UNREACHABLE: 1,
  /** Error: too long for the next link, whose MTU is in the message. */
  PACKET_TOO_BIG: 2,
  /** Error: the hop limit is reached (code 0), or a fragment is missing (code 1). */
  TIME_EXCEEDED: 3,
  /** Error: a field of a header is wrong. */
  PARAMETER_PROBLEM: 4,
  /** Ping. */
  ECHO_REQUEST: 128,
  /** Answer to a ping. */
  ECHO_REPLY: 129,
  /** Multicast listener discovery, RFC 2710 and RFC 9777. */
  LISTENER_QUERY: 130,
  /** A host has joined a group, RFC 2710. */
  LISTENER_REPORT: 131,
  /** A host has left a group, RFC 2710. */
  LISTENER_DONE: 132,
  /** Neighbor discovery, RFC 4861 section 4. */
  ROUTER_SOLICITATION: 133,
  /** A router announces itself, its prefixes and its MTU. */
  ROUTER_ADVERTISEMENT: 134,
  /** Asks for the link-layer address of a neighbor. */
  NEIGHBOR_SOLICITATION: 135,
  /** Tells the link-layer address of a neighbor. */
  NEIGHBOR_ADVERTISEMENT: 136,
  /** A router tells of a better way. */
  REDIRECT: 137,
  /** A host tells which groups it has joined, RFC 9777. */
  LISTENER_REPORT_V2: 143,
} as const;

/** Codes of `Icmpv6Type.DESTINATION_UNREACHABLE`, RFC 4443 section 3.1. */
export const Icmpv6Unreachable = {
  /** No route to the destination. */
  NO_ROUTE: 0,
  /** A filter has refused it. */
  PROHIBITED: 1,
  /** The scope of the source address does not reach so far. */
  BEYOND_SCOPE: 2,
  /** The host does not answer on its link. */
  ADDRESS: 3,
  /** Nobody listens on the port. */
  PORT: 4,
  /** The source address is not allowed here. */
  POLICY: 5,
  /** The route to the destination refuses packets. */
  REJECT_ROUTE: 6,
} as const;
