/** Values of IPv4's protocol and IPv6's next header field, out of IANA's "Protocol Numbers". */
export const IpProtocol = {
  /** IPv6 hop-by-hop options, RFC 8200 section 4.3. */
  HOP_BY_HOP: 0,
  /** ICMP of IPv4, RFC 792. */
  ICMP: 1,
  /** Groups of IPv4, RFC 9776. */
  IGMP: 2,
  /** TCP, RFC 9293. */
  TCP: 6,
  /** UDP, RFC 768. */
  UDP: 17,
  /** IPv6 routing header, RFC 8200 section 4.4. */
  ROUTING: 43,
  /** IPv6 fragment header, RFC 8200 section 4.5. */
  FRAGMENT: 44,
  /** Encrypted payload of IPsec, RFC 4303. */
  ESP: 50,
  /** Authentication header, RFC 4302. */
  AH: 51,
  /** ICMP of IPv6, RFC 4443. */
  ICMPV6: 58,
  /** Nothing follows, RFC 8200 section 4.7. */
  NO_NEXT_HEADER: 59,
  /** IPv6 destination options, RFC 8200 section 4.6. */
  DESTINATION_OPTIONS: 60,
} as const;
