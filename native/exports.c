/* The functions that TypeScript binds. */

/*
 * The end of this JavaScript thread, called as the deallocator of an ArrayBuffer (src/sys/load.ts): a Worker that is
 * terminated runs no JavaScript any more, and its fds would stay open in the process.
 */
static void thread_end(void *bytes, void *context)
{
	int fd;
	(void)bytes;
	(void)context;
	if (waiter.running)
		thread_tell(STOP);
	for (fd = 0; fd < owned_bytes * 8; fd++)
		if (owned[fd / 8] >> fd % 8 & 1)
			sys_close(fd);
	libc_free(owned);
	owned = 0;
	owned_bytes = 0;
	/* Last, because it takes some 40 ms. */
	if (aio_context)
		sys_syscall(NR_io_destroy, aio_context);
}

/*
 * Everything that TypeScript binds, by name (src/sys/load.ts): the types of
 * the parameters in bun:ffi's words, and the address. Every function returns
 * an int. `cc` does not bind these by itself: its own bindings misread
 * integers of 32 bits and less that do not arrive as tagged int32 values
 * (oven-sh/bun#37978: 0x800454ca arrived as another number), cost four times
 * as much a call, and take three times as long to load.
 */
#define EXPORT(function, parameters) { #function, parameters, function }

static const struct { const char *name, *parameters; void *address; } exports[] = {
	EXPORT(fd_open, "ptr i32"),
	EXPORT(fd_own, "i32"),
	EXPORT(fd_disown, "i32"),
	EXPORT(fd_close, "i32"),
	EXPORT(fd_control, "i32 i32 i32"),
	EXPORT(fd_is_same, "i32 i32"),
	EXPORT(tun_set_iff, "i32 ptr i32"),
	EXPORT(tun_get_iff, "i32 ptr"),
	EXPORT(tun_get_features, "i32"),
	EXPORT(tun_set_persist, "i32 i32"),
	EXPORT(tun_set_owner, "i32 u32"),
	EXPORT(tun_set_group, "i32 u32"),
	EXPORT(tun_set_offload, "i32 u32"),
	EXPORT(tun_get_vnet_header_size, "i32"),
	EXPORT(tun_set_vnet_header_size, "i32 i32"),
	EXPORT(tun_set_queue, "i32 i32"),
	EXPORT(tun_set_steering, "i32 i32"),
	EXPORT(tun_set_carrier, "i32 i32"),
	EXPORT(tun_get_sndbuf, "i32"),
	EXPORT(tun_set_sndbuf, "i32 i32"),
	EXPORT(tun_get_dev_netns, "i32"),
	EXPORT(tun_get_hwaddr, "i32 ptr"),
	EXPORT(tun_set_hwaddr, "i32 ptr"),
	EXPORT(tun_set_tx_filter, "i32 ptr"),
	EXPORT(tun_attach_filter, "i32 ptr i32"),
	EXPORT(tun_detach_filter, "i32"),
	EXPORT(tun_read, "i32 ptr i32 i32 i32 ptr i32 ptr i32"),
	EXPORT(tun_write, "i32 ptr i32"),
	EXPORT(tun_write_many, "i32 ptr ptr ptr i32"),
	EXPORT(rx_size, ""),
	EXPORT(tx_size, ""),
	EXPORT(vnet_read, "i32 ptr i32 i32 ptr i32 ptr i32"),
	EXPORT(vnet_write, "i32 ptr i32"),
	EXPORT(vnet_push_many, "i32 ptr ptr ptr ptr i32 i32"),
	EXPORT(vnet_flush, "i32 ptr"),
	EXPORT(tx_keep, "ptr ptr ptr"),
	EXPORT(nl_open, ""),
	EXPORT(nl_bind, "i32 u32"),
	EXPORT(sock_get_netns, "i32"),
	EXPORT(sock_set_option, "i32 i32 i32 i32"),
	EXPORT(sock_send, "i32 ptr i32"),
	EXPORT(sock_recv, "i32 ptr i32"),
	EXPORT(sock_get_option, "i32 i32 i32"),
	EXPORT(sock_get_interface_index, "i32 ptr"),
	EXPORT(sock_get_interface_name, "i32 i32 ptr"),
	EXPORT(un_open, ""),
	EXPORT(un_bind, "i32 ptr i32"),
	EXPORT(un_connect, "i32 ptr i32"),
	EXPORT(un_listen, "i32 i32"),
	EXPORT(un_accept, "i32"),
	EXPORT(un_get_peer, "i32 ptr"),
	EXPORT(un_send_fd, "i32 i32"),
	EXPORT(un_receive_fd, "i32 ptr"),
	EXPORT(netns_open, "i32 ptr i32 ptr"),
	EXPORT(netns_enter, "i32"),
	EXPORT(loopback_up, "i32"),
	EXPORT(icmp_open, "i32"),
	EXPORT(userns_try, ""),
	EXPORT(timer_open, ""),
	EXPORT(timer_set, "i32 u32"),
	EXPORT(timer_read, "i32"),
	EXPORT(udp_open, "i32 i32 ptr"),
	EXPORT(udp_bind, "i32 i32 ptr"),
	EXPORT(udp_connect, "i32 i32 ptr"),
	EXPORT(udp_get_name, "i32 ptr"),
	EXPORT(udp_bind_device, "i32 ptr i32"),
	EXPORT(udp_state_size, ""),
	EXPORT(udp_init, "ptr i32 u32"),
	EXPORT(udp_intern, "ptr ptr"),
	EXPORT(udp_destination_size, ""),
	EXPORT(udp_destination, "ptr ptr i32 i32 i32 ptr"),
	EXPORT(udp_take_error, "i32 ptr"),
	EXPORT(udp_send, "i32 ptr ptr ptr i32"),
	EXPORT(udp_push, "i32 ptr ptr ptr ptr ptr i32"),
	EXPORT(udp_push_each, "i32 ptr ptr i32 ptr ptr ptr i32"),
	EXPORT(udp_flush, "i32 ptr"),
	EXPORT(udp_read, "i32 ptr ptr i32 i32 ptr i32"),
	EXPORT(fd_poll, "i32 i32"),
	EXPORT(ev_open, ""),
	EXPORT(ep_open, ""),
	EXPORT(ep_control, "i32 i32 i32 u32 u32"),
	EXPORT(ep_wait, "i32 ptr"),
	EXPORT(aio_open, ""),
	EXPORT(aio_arm, "i32 i32"),
	EXPORT(thread_open, "i32 i32"),
	EXPORT(thread_arm, ""),
	EXPORT(closer_open, ""),
	EXPORT(closer_push, "i32"),
	EXPORT(closer_count, "i32"),
};

/* Returns null, or the name of a function that this libc lacks. */
static const char *libc_link(void)
{
	size i;
	for (i = 0; i < sizeof libc / sizeof *libc; i++) {
		void *address = dlsym(0, libc[i].name);
		if (!address)
			return libc[i].name;
		memcpy(libc[i].slot, &address, sizeof address);
	}
	return 0;
}

/*
 * The only function that `cc` binds, because it leaves one memory mapping in the process for each. Its result is four
 * pointers wide.
 */
const void *tuntap_shim(void)
{
	static struct {
		const char *missing;
		const void *exports;
		size count;
		void (*thread_end)(void *, void *);
	} shim;
	shim.missing = libc_link();
	shim.exports = exports;
	shim.count = sizeof exports / sizeof *exports;
	shim.thread_end = thread_end;
	return &shim;
}
