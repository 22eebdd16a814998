/* Peers, each kept once: the same one has the same number until it is forgotten. */

static int is_same_peer(const struct peer *one, const struct peer *other)
{
	u64 a[5], b[5];
	memcpy(a, one, sizeof a);
	memcpy(b, other, sizeof b);
	return a[0] == b[0] && a[1] == b[1] && a[2] == b[2] && a[3] == b[3] && a[4] == b[4];
}

static u32 peer_bucket(const struct udp *u, const struct peer *p)
{
	u32 word[10], h = u->seed;
	int i;
	memcpy(word, p, sizeof word);
	for (i = 0; i < 10; i++) {
		h = (h ^ word[i]) * 2654435761u;
		h ^= h >> 15;
	}
	return h % UDP_BUCKETS;
}

static void forget_peer(struct udp *u, int id)
{
	u16 *link = &u->bucket[peer_bucket(u, &u->peer[id])];
	while (*link && *link != id + 1)
		link = &u->next[*link - 1];
	*link = u->next[id];
}

/*
 * Returns a free number, or that of a peer that has not been seen since the clock hand last passed: a flood of
 * strangers displaces no peer that is being served. Peers of this call stay, because TypeScript has not read them
 * yet.
 */
static int free_peer(struct udp *u)
{
	int id;
	if (u->peers < UDP_PEERS)
		return u->peers++;
	while (u->seen[u->hand] || u->born[u->hand] == u->now) {
		u->seen[u->hand] = 0;
		u->hand = (u->hand + 1) % UDP_PEERS;
	}
	id = u->hand;
	u->hand = (u->hand + 1) % UDP_PEERS;
	forget_peer(u, id);
	return id;
}

/* The number of a peer; negative, ~number, if it is new. */
static int intern_peer(struct udp *u, const struct peer *p)
{
	u16 *first = &u->bucket[peer_bucket(u, p)];
	int id;
	for (id = *first; id; id = u->next[id - 1])
		if (is_same_peer(&u->peer[id - 1], p)) {
			u->seen[id - 1] = 1;
			return id - 1;
		}
	id = free_peer(u);
	memcpy(&u->peer[id], p, sizeof *p);
	u->seen[id] = 0;
	u->born[id] = u->now;
	/* Only now, because forgetting a peer may have changed the list. */
	u->next[id] = *first;
	*first = (u16)(id + 1);
	return ~id;
}

/* The number of the peer with bit 16 set if it is new. */
static int udp_intern(u8 *state, const u8 *peer)
{
	struct udp *u = (struct udp *)state;
	int id;
	u->now++;
	id = intern_peer(u, (const struct peer *)peer);
	return id < 0 ? ~id | 1 << 16 : id;
}
