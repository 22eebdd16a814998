/*
 * Fuzzes what comes in from others: messages with any number of fds on a Unix
 * socket, in any order with receiving, and rtnetlink's answers to requests of
 * any content, in buffers of any size.
 */
#include "common.h"

extern int close(int);

enum { FDS = 64, GET = 18, DUMP = 0x300 };

static void fd_passing(const u8 *data, size n)
{
	int pair[2], passed, r;
	size i;
	CHECK(socketpair(AF_UNIX_, SOCK_STREAM_ | SOCK_NONBLOCK_, 0, pair) == 0);
	if (n && data[0] & 1)
		sock_set_option(pair[1], SOL_SOCKET_, 16 /* SO_PASSCRED */, 1);
	for (i = 0; i < n && i < 64; i++) {
		if (data[i] & 0x80) {
			send_fds(pair[0], data[i] >> 4 & 7, data[i] % 7);
			continue;
		}
		r = un_receive_fd(pair[1], &passed);
		CHECK(r <= 2 && passed >= -1 && (r > 0 || passed == -1));
		if (passed >= 0)
			CHECK(fd_control(passed, 1, 0) == 1 /* FD_CLOEXEC */ && fd_close(passed) == 0);
	}
	close(pair[0]);
	close(pair[1]);
}

static void route_answers(const u8 *data, size n)
{
	struct { u32 length; u16 type, flags; u32 seq, pid; u8 body[256]; } request;
	int fd, capacity, r, turns = 0;
	u8 *buffer;
	if (n < 4)
		return;
	fd = nl_open();
	CHECK(fd >= 0);
	memset(&request, 0, sizeof request);
	/* Requests that ask and change nothing: every fourth type from RTM_GETLINK on. */
	request.type = (u16)(GET + 4 * (data[0] % 20));
	request.flags = (u16)(1 | (data[1] & 1 ? DUMP : 0));
	capacity = data[2] * 37 + data[3];
	n = n - 4 < sizeof request.body ? n - 4 : sizeof request.body;
	memcpy(request.body, data + 4, n);
	request.length = (u32)(16 + n);
	sock_send(fd, (const u8 *)&request, (int)request.length);
	buffer = malloc((size)capacity);
	while (turns++ < 100 && (r = sock_recv(fd, buffer, capacity)) > 0)
		CHECK(r <= capacity);
	free(buffer);
	CHECK(fd_close(fd) == 0);
}

int LLVMFuzzerTestOneInput(const u8 *data, size n)
{
	int before;
	if (!errno_location)
		link_shim();
	before = open_below(FDS);
	if (n && data[0] & 2)
		route_answers(data + 1, n - 1);
	else if (n)
		fd_passing(data + 1, n - 1);
	CHECK(open_below(FDS) == before);
	return 0;
}
