/* The core: the functions that TypeScript binds at the first system call. */

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

#define CORE_EXPORTS(EXPORT) \
	EXPORT(fd_open, "ptr i32") \
	EXPORT(fd_own, "i32") \
	EXPORT(fd_disown, "i32") \
	EXPORT(fd_close, "i32") \
	EXPORT(fd_control, "i32 i32 i32") \
	EXPORT(fd_is_same, "i32 i32") \
	EXPORT(tun_set_iff, "i32 ptr i32") \
	EXPORT(tun_get_iff, "i32 ptr") \
	EXPORT(tun_get_features, "i32") \
	EXPORT(tun_set_persist, "i32 i32") \
	EXPORT(tun_set_owner, "i32 u32") \
	EXPORT(tun_set_group, "i32 u32") \
	EXPORT(tun_set_offload, "i32 u32") \
	EXPORT(tun_get_vnet_header_size, "i32") \
	EXPORT(tun_set_vnet_header_size, "i32 i32") \
	EXPORT(tun_set_queue, "i32 i32") \
	EXPORT(tun_set_steering, "i32 i32") \
	EXPORT(tun_set_carrier, "i32 i32") \
	EXPORT(tun_get_sndbuf, "i32") \
	EXPORT(tun_set_sndbuf, "i32 i32") \
	EXPORT(tun_get_dev_netns, "i32") \
	EXPORT(tun_get_hwaddr, "i32 ptr") \
	EXPORT(tun_set_hwaddr, "i32 ptr") \
	EXPORT(tun_set_tx_filter, "i32 ptr") \
	EXPORT(tun_attach_filter, "i32 ptr i32") \
	EXPORT(tun_detach_filter, "i32") \
	EXPORT(tun_read, "i32 ptr i32 i32 i32 ptr i32 ptr i32") \
	EXPORT(tun_write, "i32 ptr i32") \
	EXPORT(tun_write_many, "i32 ptr ptr ptr i32") \
	EXPORT(nl_open, "") \
	EXPORT(nl_bind, "i32 u32") \
	EXPORT(sock_get_netns, "i32") \
	EXPORT(sock_set_option, "i32 i32 i32 i32") \
	EXPORT(sock_send, "i32 ptr i32") \
	EXPORT(sock_recv, "i32 ptr i32") \
	EXPORT(un_open, "") \
	EXPORT(un_bind, "i32 ptr i32") \
	EXPORT(un_connect, "i32 ptr i32") \
	EXPORT(un_listen, "i32 i32") \
	EXPORT(un_accept, "i32") \
	EXPORT(un_get_peer, "i32 ptr") \
	EXPORT(un_send_fd, "i32 i32") \
	EXPORT(un_unreceived, "i32") \
	EXPORT(un_receive_fd, "i32 ptr") \
	EXPORT(netns_open, "i32 ptr i32 ptr") \
	EXPORT(netns_enter, "i32") \
	EXPORT(loopback_up, "i32") \
	EXPORT(icmp_open, "i32") \
	EXPORT(userns_try, "") \
	EXPORT(timer_open, "") \
	EXPORT(timer_set, "i32 u32") \
	EXPORT(timer_read, "i32") \
	EXPORT(udp_open, "i32 i32 ptr") \
	EXPORT(fd_poll, "i32 i32") \
	EXPORT(ev_open, "") \
	EXPORT(ep_open, "") \
	EXPORT(ep_control, "i32 i32 i32 u32 u32") \
	EXPORT(ep_wait, "i32 ptr") \
	EXPORT(aio_open, "") \
	EXPORT(aio_arm, "i32 i32") \
	EXPORT(thread_open, "i32 i32") \
	EXPORT(thread_arm, "") \
	EXPORT(closer_open, "") \
	EXPORT(closer_push, "i32") \
	EXPORT(closer_count, "i32")

static void *const core_addresses[] = { CORE_EXPORTS(EXPORT_ADDRESS) };

/* The only function of a part that `cc` binds, because it leaves one memory mapping in the process for each. */
const void *tuntap_core(void)
{
	static struct part part;
	part.thread_end = thread_end;
	return part_link(&part, CORE_EXPORTS(EXPORT_LINE), core_addresses);
}
