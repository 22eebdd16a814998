/**
 * bun flooder.ts COUNT [INTERFACE ...]: sends to the neighbours of COUNT
 * interfaces, in turn, until it is killed. Waits for the interfaces that are
 * named, and gives them their addresses, first.
 */
import { floodedAddress, neighbourAddress } from "./flooded.ts";

const [count = "1", ...names] = process.argv.slice(2);

if (names.length > 0) {
  const lines = names.flatMap((name, i) => [`link set dev ${name} up`, `address add ${floodedAddress(i)} dev ${name}`]);
  const isThere = (): boolean =>
    names.every((name) => Bun.spawnSync(["ip", "link", "show", "dev", name], { stderr: "ignore" }).success);
  for (let tries = 0; !isThere() && tries < 1000; tries++) await Bun.sleep(5);
  const batch = Bun.spawnSync(["ip", "-batch", "-"], { stdin: Buffer.from(`${lines.join("\n")}\n`) });
  if (!batch.success) throw new Error(batch.stderr.toString());
}

// Large ones: a batch takes several slabs, and the interface may go between two.
const payload = new Uint8Array(1400);
const udp = await Bun.udpSocket({});
const addresses = Array.from({ length: Number(count) }, (_, i) => neighbourAddress(i));
// Bounded, should nobody kill it.
const end = performance.now() + 600_000;
while (performance.now() < end) {
  for (let i = 0; i < 50; i++) {
    for (const address of addresses) {
      try {
        udp.send(payload, 9, address);
      } catch {
        // Its interface is not there now.
      }
    }
  }
  await Bun.sleep(0);
}
