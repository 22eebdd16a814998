/*
 * The functions of native/ that are not pure, on this kernel, under
 * AddressSanitizer and UndefinedBehaviorSanitizer. Runs as root of a network
 * namespace of its own; buffers have exactly the size that is promised.
 */
#include "common.h"

extern int setrlimit(int, const void *);
extern int getrlimit(int, void *);
extern int setitimer(int, const void *, void *);
extern void (*signal(int, void (*)(int)))(int);

enum { FDS = 1024, RLIMIT_NOFILE = 7, SIGALRM = 14, RDWR_NONBLOCK = 04002, RTM_GETLINK = 18, NLM_F_DUMP = 0x301 };

extern int dup(int);
extern int close(int);

/* The lowest number that is free. */
static int lowest_free(void)
{
	int fd = dup(0);
	CHECK(fd >= 0 && close(fd) == 0);
	return fd;
}

static void *no_memory(void *old, size n) { (void)old; (void)n; return 0; }

static void owned_fds(void)
{
	void *(*libcs)(void *, size) = libc_realloc;
	static const int fds[] = { 0, 7, 8, 255, 256, 4095, 100000, 1 << 20 };
	size i;
	for (i = 0; i < sizeof fds / sizeof *fds; i++) {
		CHECK(fd_own(fds[i]) == fds[i]);
		CHECK(owned[fds[i] / 8] >> fds[i] % 8 & 1);
	}
	for (i = 0; i < sizeof fds / sizeof *fds; i++)
		CHECK(fd_disown(fds[i]) == fds[i] && !(owned[fds[i] / 8] >> fds[i] % 8 & 1));
	CHECK(fd_own(-9) == -9 && fd_disown(-9) == -9 && fd_disown(1 << 30) == 1 << 30);
	libc_realloc = no_memory;
	CHECK(fd_own(1 << 22) == 1 << 22);
	libc_realloc = libcs;
}

/* Reads what is waiting with slabs of every size that is odd in some way. */
static void read_batches(int fd)
{
	static const int rooms[] = { 0, 1, 13, 14, 100, 1514, 1522, 4096, 65536 + 64 };
	int i, n, frames = 0, lengths[4];
	for (i = 0; i < 9; i++) {
		u8 *slab = malloc((size)rooms[i] + 1), *spill = malloc(65536);
		n = tun_read(fd, slab, 0, rooms[i], i % 2 ? 14 : 1514, spill, 65536, lengths, 4);
		CHECK(n <= 4 && n >= -11);
		frames += n > 0 ? n : 0;
		free(slab);
		free(spill);
	}
	CHECK(frames >= 0);
}

static void device(int kind)
{
	char name[16] = "glue%d", again[16];
	u8 *filter = malloc(4), *instruction = malloc(8), mac[6], frame[60];
	int fd = fd_open("/dev/net/tun", RDWR_NONBLOCK), offsets[2] = { 0, 0 }, lengths[2] = { 60, 60 };
	memset(filter, 0, 4);
	memset(instruction, 0, 8);
	memset(frame, 0, sizeof frame);
	instruction[0] = 6; /* BPF_RET */
	CHECK(fd >= 0 && tun_set_iff(fd, name, kind | 0x1000) == 0);
	CHECK(tun_get_iff(fd, again) > 0 && tun_get_features(fd) > 0);
	CHECK(again[4] == name[4]);
	tun_set_persist(fd, 0);
	tun_set_owner(fd, 0);
	tun_set_group(fd, 0);
	tun_set_offload(fd, 1);
	tun_set_sndbuf(fd, 1 << 20);
	tun_set_carrier(fd, 1);
	tun_set_queue(fd, 0x400);
	tun_set_steering(fd, -1);
	tun_set_vnet_header_size(fd, 10);
	tun_set_tx_filter(fd, filter);
	tun_attach_filter(fd, instruction, 1);
	tun_detach_filter(fd);
	tun_get_hwaddr(fd, mac);
	tun_set_hwaddr(fd, mac);
	CHECK(tun_write_many(fd, frame, offsets, lengths, 2) == 0 && lengths[0] < 0);
	read_batches(fd);
	CHECK(fd_close(fd) == 0);
	free(filter);
	free(instruction);
}

/* Frames of any length, as a kernel might hand them out. */
static int any_length(long number, int fd, const void *bytes, size n)
{
	static u32 seed = 1;
	const struct iovec *v = bytes;
	size room = number == NR_readv ? v[0].length + v[1].length : n, length;
	(void)fd;
	seed = seed * 1664525 + 1013904223;
	if (seed >> 28 == 0)
		return -11;
	length = (seed >> 8) % 150000;
	length = length < room ? length : room;
	if (number == NR_read)
		memset((void *)bytes, 1, length);
	else {
		size first = length < v[0].length ? length : v[0].length;
		memset(v[0].base, 1, first);
		memset(v[1].base, 1, length - first);
	}
	return (int)length;
}

static void made_up_frames(void)
{
	int i, k, n;
	transfer = any_length;
	for (i = 0; i < 20000; i++) {
		int room = 1 + i * 7 % 70000, offset = i % 3 * 8, lengths[16];
		u8 *slab = malloc((size)room + (size)offset), *spill = malloc(65536);
		n = tun_read(-1, slab, offset, offset + room, 1 + i % 1514, spill, 65536, lengths, 16);
		for (k = 0; k < n; k++)
			CHECK(lengths[k] >= 0 && lengths[k] <= room + 65536);
		free(slab);
		free(spill);
	}
	transfer = transfer_by_libc;
}

static void netlink(void)
{
	struct { u32 length; u16 type, flags; u32 seq, pid; u8 family[16]; } request;
	int capacity, r, fd = nl_open();
	CHECK(fd >= 0 && nl_bind(fd, 1) == 0 && sock_set_option(fd, SOL_SOCKET_, 8, 65536) == 0);
	r = sock_get_netns(fd);
	CHECK(r < 0 || fd_close(fd_own(r)) == 0);
	for (capacity = 0; capacity < 3000; capacity += 97) {
		u8 *buffer = malloc((size)capacity);
		memset(&request, 0, sizeof request);
		request.length = 32;
		request.type = RTM_GETLINK;
		request.flags = NLM_F_DUMP;
		r = sock_send(fd, (const u8 *)&request, sizeof request);
		CHECK(r == 32 || r == -16);
		while ((r = sock_recv(fd, buffer, capacity)) > 0)
			CHECK(r <= capacity);
		free(buffer);
	}
	CHECK(fd_close(fd) == 0);
}

static void passing(void)
{
	static const u8 name[] = "\0bun-tuntap-glue";
	struct { size now, most; } limit, tight;
	u8 longest[107];
	u32 peer[3];
	int server = un_open(), client = un_open(), end, passed = 0, i;
	CHECK(un_bind(server, name, sizeof name) == 0 && un_listen(server, 4) == 0);
	CHECK(un_accept(server) == -11 && un_connect(client, name, sizeof name) == 0);
	end = un_accept(server);
	CHECK(end >= 0 && un_get_peer(end, peer) == 0);
	CHECK(un_receive_fd(end, &passed) == -11 && passed == -1);
	CHECK(un_unreceived(client) == 0 && un_send_fd(client, 0) == 1 && un_unreceived(client) > 0);
	CHECK(un_receive_fd(end, &passed) == 1 && is_open(passed) && un_unreceived(client) == 0);
	CHECK(fd_close(passed) == 0);
	/* Of several none is kept but the one that there is room for. */
	send_fds(client, 1, 2);
	CHECK(un_receive_fd(end, &passed) == 2 && fd_close(passed) == 0);
	/* At the limit of fds the kernel lets none in. */
	CHECK(getrlimit(RLIMIT_NOFILE, &limit) == 0);
	tight = limit;
	tight.now = (size)lowest_free();
	CHECK(un_send_fd(client, 0) == 1 && setrlimit(RLIMIT_NOFILE, &tight) == 0);
	CHECK(un_receive_fd(end, &passed) == 2 && passed == -1);
	CHECK(setrlimit(RLIMIT_NOFILE, &limit) == 0);
	CHECK(fd_close(client) == 0 && un_receive_fd(end, &passed) == 0 && passed == -1);
	memset(longest, 'x', sizeof longest);
	CHECK(un_connect(server, longest, sizeof longest) < 0);
	for (i = 0; i < 2; i++)
		CHECK(fd_close(i ? end : server) == 0);
}

static void namespaces(void)
{
	int entered, fd, other;
	fd = netns_open(-1, "/proc/thread-self/ns/net", 0, &entered);
	CHECK(fd >= 0 && entered == 1);
	other = netns_open(fd, 0, 0, &entered);
	CHECK(other >= 0 && entered == 1 && fd_is_same(fd, other) == 0 && fd_is_same(fd, fd) == 1);
	CHECK(netns_open(0, 0, 0, &entered) < 0 && entered == 0);
	CHECK(netns_open(fd, "/nonexistent", 0, &entered) == -2 && entered == 1);
	CHECK(userns_try() <= 0 && fd_is_same(fd, -1) < 0);
	CHECK(fd_close(fd) == 0 && fd_close(other) == 0);
}

static void on_signal(int number) { (void)number; }

/* 300,000 armings under 10,000 signals a second: the ring of 64 never fills up. */
static void polling(void)
{
	struct { long interval[2], value[2]; } timer = { { 0, 100 }, { 0, 100 } }, off = { { 0, 0 }, { 0, 0 } };
	int ep = ep_open(), wake = ev_open(), event = ev_open(), i;
	u32 ready[128];
	u64 one = 1;
	CHECK(ep >= 0 && wake >= 0 && event >= 0 && ep_control(ep, 1, event, POLLIN_, 5) == 0);
	CHECK(fd_poll(event, POLLIN_) == 0 && ep_wait(ep, ready) == 0);
	if (aio_open() < 0)
		printf("no kernel AIO here: its polls are not tried\n");
	else {
		signal(SIGALRM, on_signal);
		setitimer(0, &timer, 0);
		for (i = 0; i < 300000; i++)
			CHECK(aio_arm(ep, wake) >= 0);
		setitimer(0, &off, 0);
		CHECK(transfer(NR_write, event, &one, 8) == 8);
		while (fd_poll(wake, POLLIN_) == 0)
			;
		CHECK(ep_wait(ep, ready) == 1 && ready[0] == 5 && ready[1] == POLLIN_ && aio_arm(ep, wake) == 1);
	}
	CHECK(fd_close(event) == 0 && fd_close(wake) == 0 && fd_close(ep) == 0);
}

int main(void)
{
	int before;
	link_shim();
	before = open_below(FDS);
	owned_fds();
	made_up_frames();
	device(1);
	device(2);
	netlink();
	passing();
	namespaces();
	polling();
	CHECK(open_below(FDS) == before);
	/* What is left open is the end's to close. */
	CHECK(is_open(nl_open()) && is_open(ev_open()) && closer_open() >= 0);
	thread_end(0, 0);
	CHECK(!owned && !owned_bytes);
	/* The closer ends too. */
	while (open_below(FDS) != before)
		sys_poll(0, 0, 1);
	return 0;
}
