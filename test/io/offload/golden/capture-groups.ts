/**
 * Makes groups.json anew, as root: what the kernel's own receive side (GRO)
 * makes of packets of several flows that arrive one by one.
 *
 *   unshare -n -m sh -c 'mount -t sysfs sysfs /sys && exec bun test/io/offload/golden/capture-groups.ts' \
 *     >test/io/offload/golden/groups.json
 *
 * A TUN with IFF_NAPI passes what is written through GRO. It holds packets for
 * as long as gro_flush_timeout says, which only sysfs sets.
 */
import { dlopen } from "bun:ffi";
import { closeSync, openSync, readFileSync, writeFileSync, writeSync } from "node:fs";
import { release } from "node:os";
import { receive } from "../support/shim.ts";
import { PacketSocket } from "../support/sockets.ts";
import { type GoldenGroups, groupOf, scenarios } from "./interleaved.ts";

const NAME = "gro0";
const HOLD_MS = 100;
const TUNSETIFF = 0x400454ca;
/** IFF_TUN, IFF_NAPI, IFF_NO_PI: include/uapi/linux/if_tun.h. */
const FLAGS = 0x0001 | 0x0010 | 0x1000;

const { ioctl } = dlopen("libc.so.6", { ioctl: { args: ["i32", "u64", "ptr"], returns: "i32" } }).symbols;
const fd = openSync("/dev/net/tun", "r+");
const request = Buffer.alloc(40);
request.write(NAME);
request.writeUInt16LE(FLAGS, 16);
if (ioctl(fd, TUNSETIFF, request) < 0) throw new Error("TUNSETIFF failed");
writeFileSync("/proc/sys/net/ipv6/conf/all/disable_ipv6", "0");
writeFileSync(`/proc/sys/net/ipv6/conf/${NAME}/addr_gen_mode`, "1");
writeFileSync(`/proc/sys/net/ipv6/conf/${NAME}/accept_ra`, "0");
Bun.spawnSync(["ip", "link", "set", NAME, "up"]);
writeFileSync(`/sys/class/net/${NAME}/napi_defer_hard_irqs`, "1000");
writeFileSync(`/sys/class/net/${NAME}/gro_flush_timeout`, String(HOLD_MS * 1e6));
using kernel = new PacketSocket(Number(readFileSync(`/sys/class/net/${NAME}/ifindex`, "utf8")));

const golden: GoldenGroups[] = [];
for (const { name, frames } of scenarios) {
  for (const frame of frames) writeSync(fd, frame);
  await Bun.sleep(3 * HOLD_MS);
  const used = new Set<number>();
  const writes = kernel.receiveAll();
  const groups = writes.map((write) => groupOf(receive([write], false), frames, used));
  if (used.has(-1) || used.size !== frames.length) throw new Error(`${name}: ${groups.join(", ")} `);
  golden.push({ name, kernel: release(), groups: groups.sort() });
}
closeSync(fd);
console.log(JSON.stringify(golden, null, 1));
