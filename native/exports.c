/* What TypeScript binds. */

/*
 * The end of this JavaScript thread, called as the deallocator of an
 * ArrayBuffer (src/sys/load.ts): a Worker that is terminated runs no
 * JavaScript any more, and what it had open would stay open in the process.
 */
static void thread_end(void *bytes, void *context)
{
	int fd;
	(void)bytes;
	(void)context;
	if (waiter.running) {
		waiter.stop = 1;
		thread_arm();
	}
	for (fd = 0; fd < (int)sizeof owned * 8; fd++)
		if (owned[fd / 8] >> fd % 8 & 1)
			sys_close(fd);
	/* Last: it takes some 40 ms. */
	if (aio_context)
		sys_syscall(NR_io_destroy, aio_context);
}

/* In the order of src/sys/symbols.ts, which binds them. */
static void *const functions[] = {
	fd_open, fd_own, fd_disown, fd_close, fd_control, fd_is_same,
	tun_set_iff, tun_get_iff, tun_get_features, tun_set_persist,
	tun_set_owner, tun_set_group, tun_set_offload,
	tun_set_vnet_header_size, tun_set_queue, tun_set_steering, tun_set_carrier,
	tun_set_sndbuf, tun_get_dev_netns, tun_get_hwaddr, tun_set_hwaddr,
	tun_set_tx_filter, tun_attach_filter, tun_detach_filter,
	tun_read, tun_write, tun_write_many,
	rx_size, tx_size, vnet_read, vnet_write, vnet_push_many, vnet_flush,
	nl_open, nl_bind, sock_get_netns, sock_set_option, sock_send, sock_recv,
	un_open, un_bind, un_connect, un_listen, un_accept, un_get_peer,
	un_send_fd, un_receive_fd,
	netns_open, userns_try,
	fd_poll, ev_open, ep_open, ep_control, ep_wait,
	aio_open, aio_arm, thread_open, thread_arm,
};

/* Null, or the name of the function that this libc lacks. */
const char *tuntap_link(void)
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

void *const *tuntap_functions(void) { return functions; }

void (*tuntap_thread_end(void))(void *, void *) { return thread_end; }

int tuntap_function_count(void) { return sizeof functions / sizeof *functions; }
