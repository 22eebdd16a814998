/*
 * Numbered, checkable Ethernet frames for flood tests, through an AF_PACKET
 * socket on the kernel's side of a TAP. Compiled as the shim is.
 *
 * Frame: destination 02:00 and its length, source 02:00 and its number (each
 * 32 bits, big-endian), EtherType 0x88b5 (local experimental, IEEE 802),
 * then bytes that follow from number and position.
 */
typedef unsigned char u8;
typedef unsigned int u32;
typedef unsigned long size;

extern void *dlsym(void *handle, const char *name);

/* include/uapi/linux/if_packet.h, include/linux/socket.h */
enum { AF_PACKET = 17, SOCK_RAW = 3, SOL_PACKET = 263, PACKET_STATISTICS = 6, PACKET_QDISC_BYPASS = 20 };
enum { SOL_SOCKET = 1, SO_RCVBUFFORCE = 33, EXPERIMENTAL = 0x88b5, ENOBUFS = 105 };

struct sockaddr_ll { unsigned short family, protocol; int index; unsigned short type; u8 packet_type, length, address[8]; };
struct pollfd { int fd; short events, revents; };

static u32 random_next(u32 *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 17;
	*state ^= *state << 5;
	return *state;
}

static void put32(u8 *to, u32 value)
{
	to[0] = value >> 24; to[1] = value >> 16; to[2] = value >> 8; to[3] = value;
}

static u32 get32(const u8 *from)
{
	return (u32)from[0] << 24 | (u32)from[1] << 16 | (u32)from[2] << 8 | from[3];
}

int frame_make(u8 *frame, u32 number, u32 length)
{
	u32 i;
	frame[0] = frame[6] = 2;
	frame[1] = frame[7] = 0;
	put32(frame + 2, length);
	put32(frame + 8, number);
	frame[12] = EXPERIMENTAL >> 8;
	frame[13] = EXPERIMENTAL & 0xff;
	for (i = 14; i < length; i++)
		frame[i] = (u8)(number * 31 + i);
	return 0;
}

/* The frame's number, -1 if it is none of ours, -2 if it is not whole. */
int frame_check(const u8 *frame, u32 length)
{
	u32 i, number;
	if (length < 14 || frame[12] != EXPERIMENTAL >> 8 || frame[13] != (EXPERIMENTAL & 0xff))
		return -1;
	number = get32(frame + 8);
	if (get32(frame + 2) != length || frame[0] != 2 || frame[6] != 2 || frame[1] || frame[7])
		return -2;
	for (i = 14; i < length; i++)
		if (frame[i] != (u8)(number * 31 + i))
			return -2;
	return (int)number;
}

static int open_on(int index)
{
	int (*open_socket)(int, int, int) = dlsym(0, "socket");
	int (*bind)(int, const void *, u32) = dlsym(0, "bind");
	struct sockaddr_ll address = { AF_PACKET, EXPERIMENTAL >> 8 | (EXPERIMENTAL & 0xff) << 8, 0, 0, 0, 0, { 0 } };
	int fd = open_socket(AF_PACKET, SOCK_RAW, 0);
	address.index = index;
	return fd < 0 || bind(fd, &address, sizeof address) < 0 ? -1 : fd;
}

/* Sends frames 0 to count - 1; gives the receiver a little time whenever one was dropped. Returns those sent. */
int frames_send(int index, u32 count, u32 minimum, u32 maximum, u32 seed)
{
	int (*setsockopt)(int, int, int, const void *, u32) = dlsym(0, "setsockopt");
	long (*send)(int, const void *, size, int) = dlsym(0, "send");
	int (*usleep)(u32) = dlsym(0, "usleep");
	int *(*errno_location)(void) = dlsym(0, "__errno_location");
	static u8 frame[70000];
	u32 number;
	int one = 1, fd = open_on(index);
	if (fd < 0 || setsockopt(fd, SOL_PACKET, PACKET_QDISC_BYPASS, &one, sizeof one) < 0)
		return -1;
	for (number = 0; number < count; number++) {
		u32 length = minimum + random_next(&seed) % (maximum - minimum + 1);
		frame_make(frame, number, length);
		if (send(fd, frame, length, 0) < 0) {
			if (*errno_location() != ENOBUFS)
				return (int)number;
			usleep(100);
		}
	}
	return (int)number;
}

static int collector = -1;

int collect_open(int index)
{
	int (*setsockopt)(int, int, int, const void *, u32) = dlsym(0, "setsockopt");
	int bytes = 256 << 20;
	collector = open_on(index);
	return collector < 0 ? -1 : setsockopt(collector, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof bytes);
}

/* Adds the frames that the socket has dropped since the last call: reading the number sets it to 0 (packet(7)). */
static void add_dropped(int *dropped)
{
	int (*getsockopt)(int, int, int, void *, u32 *) = dlsym(0, "getsockopt");
	u32 statistics[2] = { 0, 0 }, length = sizeof statistics;
	getsockopt(collector, SOL_PACKET, PACKET_STATISTICS, statistics, &length);
	*dropped += (int)statistics[1];
}

/*
 * Receives until `expected` frames have arrived or were dropped, and nothing
 * more comes for a moment; gives up after SILENCE_MS without a frame. report:
 * frames that arrived whole and in order, frames that did not, frames that
 * the socket dropped.
 */
int collect_run(int expected, int *report)
{
	enum { MOMENT_MS = 50, SILENCE_MS = 10000 };
	int (*poll)(struct pollfd *, size, int) = dlsym(0, "poll");
	long (*recv)(int, void *, size, int) = dlsym(0, "recv");
	static u8 frame[70000];
	int last = -1, silent = 0;
	struct pollfd p = { collector, 1, 0 };
	report[0] = report[1] = report[2] = 0;
	for (;;) {
		if (poll(&p, 1, MOMENT_MS) > 0) {
			long n = recv(collector, frame, sizeof frame, 0);
			int number = n < 0 ? -2 : frame_check(frame, (u32)n);
			report[number > last ? 0 : 1]++;
			if (number > last)
				last = number;
			silent = 0;
			continue;
		}
		add_dropped(&report[2]);
		silent += MOMENT_MS;
		if (report[0] + report[1] + report[2] >= expected || silent >= SILENCE_MS)
			return 0;
	}
}
