/* UDP: the functions that TypeScript binds when the first UDP socket opens. */

#define UDP_EXPORTS(EXPORT) \
	EXPORT(sock_get_option, "i32 i32 i32") \
	EXPORT(sock_get_interface_index, "i32 ptr") \
	EXPORT(sock_get_interface_name, "i32 i32 ptr") \
	EXPORT(udp_bind, "i32 i32 ptr") \
	EXPORT(udp_connect, "i32 i32 ptr") \
	EXPORT(udp_get_name, "i32 ptr") \
	EXPORT(udp_bind_device, "i32 ptr i32") \
	EXPORT(udp_state_size, "") \
	EXPORT(udp_init, "ptr i32 u32") \
	EXPORT(udp_intern, "ptr ptr") \
	EXPORT(udp_destination_size, "") \
	EXPORT(udp_destination, "ptr ptr i32 i32 i32 ptr") \
	EXPORT(udp_take_error, "i32 ptr") \
	EXPORT(udp_send, "i32 ptr ptr ptr i32") \
	EXPORT(udp_push, "i32 ptr ptr ptr ptr ptr i32") \
	EXPORT(udp_push_each, "i32 ptr ptr i32 ptr ptr ptr i32") \
	EXPORT(udp_flush, "i32 ptr") \
	EXPORT(udp_read, "i32 ptr ptr i32 i32 ptr i32")

static void *const udp_addresses[] = { UDP_EXPORTS(EXPORT_ADDRESS) };

const void *tuntap_udp(void)
{
	static struct part part;
	return part_link(&part, UDP_EXPORTS(EXPORT_LINE), udp_addresses);
}
