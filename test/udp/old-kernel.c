/* Preloaded: a kernel without UDP_SEGMENT and UDP_GRO (before Linux 4.18, and gVisor), or without IPv6. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>

static int lacks(const char *name) { return getenv(name) != NULL; }

int socket(int family, int type, int protocol)
{
	int (*real)(int, int, int) = dlsym(RTLD_NEXT, "socket");
	if (family == AF_INET6 && lacks("NO_IPV6")) {
		errno = EAFNOSUPPORT;
		return -1;
	}
	return real(family, type, protocol);
}

int setsockopt(int fd, int level, int option, const void *value, socklen_t length)
{
	int (*real)(int, int, int, const void *, socklen_t) = dlsym(RTLD_NEXT, "setsockopt");
	if (lacks("NO_SEGMENTATION") && (level == 17 || (level == SOL_SOCKET && option == 40))) {
		errno = ENOPROTOOPT;
		return -1;
	}
	return real(fd, level, option, value, length);
}

int getsockopt(int fd, int level, int option, void *value, socklen_t *length)
{
	int (*real)(int, int, int, void *, socklen_t *) = dlsym(RTLD_NEXT, "getsockopt");
	if (lacks("NO_SEGMENTATION") && level == 17) {
		errno = ENOPROTOOPT;
		return -1;
	}
	return real(fd, level, option, value, length);
}
