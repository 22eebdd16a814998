/**
 * The child of refused.test.ts, which runs it where the kernel refuses its
 * first super-packets: sends runs of each kind, turn after turn, prints how many
 * frames were taken and written in each turn, and fails if they were not the
 * right ones.
 */
import { drain, quiet } from "./kernel.ts";
import { expectSameFlows } from "./order.ts";
import { type Fields, FLAG, makePacket, makeSegments, noise, plainFields } from "./packets.ts";
import { receive } from "./shim.ts";

const tcp4: Fields = { ...plainFields, flags: FLAG.ack };
const kinds: Fields[] = [tcp4, { ...tcp4, version: 6 }, { ...tcp4, protocol: "udp" }];
const runs = kinds.map((fields) => makeSegments(fields, noise(500), 100));
const bare = makePacket(tcp4, new Uint8Array());
/** Of a flow of its own, so it goes before all runs. */
const other = makePacket({ ...tcp4, sourcePort: 50_000 }, new Uint8Array());

using offloading = quiet(false, { offload: true });
const { device, kernel } = offloading;
for (let turn = 0; turn < 3; turn++) {
  const given = [bare, ...runs.flat(), other];
  const taken = device.sendMany(given);
  const writes = kernel.receiveAll();
  expectSameFlows(receive(writes, false), given, false);
  console.log(JSON.stringify({ taken, writes: writes.length }));
}
drain(device);
