/* Finds the parts of a frame. Every header field is checked against the length of the frame. */

enum {
	/* Length of the virtio header that both directions use. */
	VNET_HDR = 10,
	ETH_IPV4 = 0x0800, ETH_IPV6 = 0x86dd, ETH_VLAN = 0x8100, ETH_SERVICE_VLAN = 0x88a8,
	IP_HOP_OPTIONS = 0, IP_ROUTING = 43, IP_DESTINATION_OPTIONS = 60,
	IP_TCP = 6, IP_UDP = 17,
	/* Offset of the checksum in the transport header. */
	TCP_CHECK = 16, UDP_CHECK = 6,
	TH_FIN = 0x01, TH_PSH = 0x08, TH_ACK = 0x10, TH_CWR = 0x80
};

/* Offsets of the parts of a frame. */
struct parts { int ip, transport, payload; u8 version, protocol; };

/* The sum of the pseudo-header: addresses, protocol, and the length of the segment (RFC 9293 section 3.1, RFC 8200 section 8.1). */
static u32 pseudo(const u8 *f, const struct parts *p, int length)
{
	u32 sum = p->version == 4 ? add(0, f + p->ip + 12, 8) : add(0, f + p->ip + 8, 32);
	return sum + SWAP16(p->protocol) + SWAP16(length);
}

static int check_offset(const struct parts *p) { return p->transport + (p->protocol == IP_TCP ? TCP_CHECK : UDP_CHECK); }

/* Stores a checksum, the complement of its sum. For UDP 0 would mean that there is none (RFC 768). */
static void store_sum(u8 *f, int at, u32 sum, int udp)
{
	u32 check = ~FOLD(sum) & 0xffff;
	if (udp && check == 0)
		check = 0xffff;
	STORE16(f + at, check);
}

/*
 * Returns the offset of the IP header in an Ethernet frame with up to two VLAN
 * tags, and 0 if there is none: the receiver goes by the frame's type.
 */
static int ip_of_ethernet(const u8 *f, int n)
{
	int at = 12, tags;
	for (tags = 0; at + 2 <= n && (get16(f + at) == ETH_VLAN || get16(f + at) == ETH_SERVICE_VLAN); at += 4)
		if (++tags > 2)
			return 0;
	at += 2;
	if (at >= n || get16(f + at - 2) != (f[at] >> 4 == 4 ? (u32)ETH_IPV4 : (u32)ETH_IPV6))
		return 0;
	return at;
}

/* Finds the IP header, which must be complete except for its options. `link` is 1 for an Ethernet frame. */
static int find_ip(const u8 *f, int n, int link, struct parts *p)
{
	p->ip = link ? ip_of_ethernet(f, n) : 0;
	if ((link && !p->ip) || p->ip + 20 > n)
		return 0;
	p->version = f[p->ip] >> 4;
	return p->version == 4 || (p->version == 6 && p->ip + 40 <= n);
}

/* Tells whether the next header is an extension header that may stand before TCP and UDP (RFC 8200 section 4). */
static int is_extension(int next)
{
	return next == IP_HOP_OPTIONS || next == IP_ROUTING || next == IP_DESTINATION_OPTIONS;
}

/* Finds the transport header behind IPv6 extension headers; returns its protocol, or -1. */
static int skip_extensions(const u8 *f, int n, struct parts *p)
{
	int next = f[p->ip + 6], at = p->ip + 40;
	while (is_extension(next)) {
		if (at + 8 > n)
			return -1;
		next = f[at];
		at += 8 + f[at + 1] * 8;
	}
	p->transport = at;
	return next;
}

/* Finds transport header and payload of a TCP or UDP packet whose IP header was found; all headers must be complete. */
static int find_transport(const u8 *f, int n, struct parts *p)
{
	int next, at;
	if (p->version == 4) {
		next = f[p->ip + 9];
		p->transport = p->ip + (f[p->ip] & 15) * 4;
		if (p->transport < p->ip + 20)
			return 0;
	} else
		next = skip_extensions(f, n, p);
	at = p->transport;
	p->protocol = (u8)next;
	if (next == IP_TCP) {
		if (at + 20 > n || f[at + 12] >> 4 < 5)
			return 0;
		at += (f[at + 12] >> 4) * 4;
	} else if (next == IP_UDP)
		at += 8;
	else
		return 0;
	p->payload = at;
	return at <= n;
}

static int find_parts(const u8 *f, int n, int link, struct parts *p)
{
	return find_ip(f, n, link, p) && find_transport(f, n, p);
}

/* Tells whether an IP header is complete without options or extension headers. */
static int is_plain_ip(const struct parts *p) { return p->transport == p->ip + (p->version == 4 ? 20 : 40); }

/* Tells whether an IPv4 packet is a fragment, or has the reserved bit set. */
static int is_fragment(const u8 *f, const struct parts *p) { return p->version == 4 && (get16(f + p->ip + 6) & ~0x4000u) != 0; }

static int has_right_length(const u8 *f, int n, const struct parts *p)
{
	return p->version == 4 ? (int)get16(f + p->ip + 2) == n - p->ip : (int)get16(f + p->ip + 4) == n - p->ip - 40;
}
