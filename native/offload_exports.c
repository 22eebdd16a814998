/* Offload: the functions that TypeScript binds when the first device with virtio headers opens. */

#define OFFLOAD_EXPORTS(EXPORT) \
	EXPORT(rx_size, "") \
	EXPORT(tx_size, "") \
	EXPORT(vnet_read, "i32 ptr i32 i32 ptr i32 ptr i32") \
	EXPORT(vnet_write, "i32 ptr i32") \
	EXPORT(vnet_push_many, "i32 ptr ptr ptr ptr i32 i32") \
	EXPORT(vnet_flush, "i32 ptr") \
	EXPORT(tx_keep, "ptr ptr ptr")

static void *const offload_addresses[] = { OFFLOAD_EXPORTS(EXPORT_ADDRESS) };

const void *tuntap_offload(void)
{
	static struct part part;
	return part_link(&part, OFFLOAD_EXPORTS(EXPORT_LINE), offload_addresses);
}
