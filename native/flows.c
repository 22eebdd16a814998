/*
 * The open runs: packets of several flows come interleaved, and each flow has a run of its own. Pure.
 *
 * Order is kept within a flow, which is addresses, ports and protocol. A packet that is no candidate closes the runs
 * whose packets it must not overtake.
 */

enum { RUNS = 64 };

struct flows {
	int open, ready;
	/* The run that took the last packet; null if it is closed. Its place by age, or what that was before others were closed. */
	struct run *last;
	int last_at;
	/* By age: a hash of the flow, and where its run is in `runs`. The places from `open` on are free ones. */
	u32 keys[RUNS];
	u8 places[RUNS];
	struct run runs[RUNS];
};

/* The flow of a packet, as far as its headers show it. */
enum { FLOW_UNKNOWN, FLOW_OF_ADDRESSES, FLOW_OF_PORTS };

/* Tells whether an IP header has options or extension headers, a source route perhaps: the addresses are not the connection's then. */
static int has_options(const u8 *ip)
{
	return ip[0] >> 4 == 4 ? (ip[0] & 15) != 5 : is_extension(ip[6]);
}

/* Finds out the flow of a packet: only TCP and UDP that is no fragment has ports. */
static int flow_of(const u8 *f, int n, int link, struct parts *p)
{
	if (!find_ip(f, n, link, p) || has_options(f + p->ip))
		return FLOW_UNKNOWN;
	return find_transport(f, n, p) && !is_fragment(f, p) ? FLOW_OF_PORTS : FLOW_OF_ADDRESSES;
}

static u32 flow_key(const u8 *f, const struct parts *p)
{
	const u8 *ip = f + p->ip;
	u32 ports = LOAD32(f + p->transport);
	if (p->version == 4)
		return LOAD32(ip + 12) * 3 ^ LOAD32(ip + 16) * 5 ^ ports * 7;
	return LOAD32(ip + 12) * 3 ^ LOAD32(ip + 20) * 5 ^ LOAD32(ip + 28) * 11 ^ LOAD32(ip + 36) * 13 ^ ports * 7;
}

static int same_addresses(const struct run *r, const u8 *f, const struct parts *p)
{
	const u8 *ip = f + p->ip, *ip0 = r->first + r->p.ip;
	if (r->p.version != p->version)
		return 0;
	if (p->version == 4)
		return LOAD64(ip + 12) == LOAD64(ip0 + 12);
	return LOAD64(ip + 8) == LOAD64(ip0 + 8) && LOAD64(ip + 16) == LOAD64(ip0 + 16)
		&& LOAD64(ip + 24) == LOAD64(ip0 + 24) && LOAD64(ip + 32) == LOAD64(ip0 + 32);
}

static int same_flow(const struct run *r, const u8 *f, const struct parts *p)
{
	return r->p.protocol == p->protocol && same_addresses(r, f, p)
		&& LOAD32(f + p->transport) == LOAD32(r->first + r->p.transport);
}

/* Returns the run that is the `i`-th oldest. */
static struct run *flows_at(struct flows *s, int i) { return &s->runs[s->places[i]]; }

/* Returns the run of the packet's flow, or -1. */
static int flows_find(struct flows *s, u32 key, const u8 *f, const struct parts *p)
{
	int i;
	for (i = 0; i < s->open; i++)
		if (s->keys[i] == key && same_flow(flows_at(s, i), f, p))
			return i;
	return -1;
}

/* Returns a run for a new flow; there is room for one. */
static struct run *flows_open(struct flows *s, u32 key)
{
	int i;
	if (!s->ready)
		for (i = 0, s->ready = 1; i < RUNS; i++)
			s->places[i] = (u8)i;
	s->keys[s->open] = key;
	s->last_at = s->open;
	return s->last = flows_at(s, s->open++);
}

/* Takes in packets that continue the last run, or the one that began after it: flows in turns need no look-up. Returns how many. */
static int flows_extend(struct flows *s, struct window *w, const u8 *base, const int *offsets, const int *lengths, int count)
{
	int taken = s->last ? run_extend(s->last, w, base, offsets, lengths, count) : 0, at;
	if (taken || s->open < 2)
		return taken;
	at = s->last_at + 1 < s->open ? s->last_at + 1 : 0;
	taken = run_extend(flows_at(s, at), w, base, offsets, lengths, count);
	if (taken) {
		s->last_at = at;
		s->last = flows_at(s, at);
	}
	return taken;
}

/* Frees the place of the `i`-th oldest run. */
static void flows_remove(struct flows *s, int i)
{
	u8 place = s->places[i];
	if (s->last == &s->runs[place])
		s->last = 0;
	for (s->open--; i < s->open; i++) {
		s->places[i] = s->places[i + 1];
		s->keys[i] = s->keys[i + 1];
	}
	s->places[i] = place;
}
