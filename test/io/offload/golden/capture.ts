/**
 * Makes super-packets.json anew, as root: super-packets as this kernel hands
 * them over, and the packets to which it splits them itself.
 *
 *   bun test/offload/golden/capture.ts >test/offload/golden/super-packets.json
 *
 * Segments are small, so that the file is.
 */
import { release } from "node:os";
import { type Device, openTap, openTun } from "../../../../src/index.ts";
import { until } from "../../../support/system.ts";
import { drain } from "../support/kernel.ts";
import { Namespace } from "../support/namespaces.ts";
import { openWire } from "../support/relay.ts";
import { HEADER, split } from "../support/shim.ts";
import { PacketSocket } from "../support/sockets.ts";
import { overTcp, overUdp } from "../support/transfer.ts";
import type { Golden } from "./golden.ts";

const golden: Golden[] = [];

/** Returns what the kernel makes of it where nobody asks for super-packets. */
function splitByKernel(frame: Uint8Array, ethernet: boolean): Uint8Array[] {
  using plain = (ethernet ? openTap : openTun)({ up: true, txQueueLength: 1000 });
  using socket = new PacketSocket(plain.index);
  drain(plain);
  const [version] = frame.subarray(HEADER + (ethernet ? 14 : 0));
  socket.transmit(frame.subarray(0, HEADER), frame.subarray(HEADER), (version as number) >> 4 === 4 ? 0x0800 : 0x86dd);
  return drain(plain);
}

function keep(name: string, frames: readonly Uint8Array[], ethernet: boolean): void {
  const found = frames.find((frame) => split(frame.subarray(0, HEADER), frame.subarray(HEADER), ethernet).length === 4);
  if (found === undefined) throw new Error(`${name}: no super-packet of four among ${frames.length} frames`);
  const packets = splitByKernel(found, ethernet).map((packet) => packet.toHex());
  const [header, frame] = [found.subarray(0, HEADER).toHex(), found.subarray(HEADER).toHex()];
  golden.push({ name, kernel: release(), ethernet, header, frame, packets });
}

/** Four segments of 100 bytes over the wire, of TCP and of UDP; `seen` has what it has carried. */
async function run(
  name: string,
  ethernet: boolean,
  options: Parameters<typeof openWire>[0],
  seen: Uint8Array[],
): Promise<void> {
  using wire = await openWire(options);
  for (const [host, { netns }] of [
    [2, wire.left],
    [1, wire.right],
  ] as const) {
    netns.run("ip", "route", "add", `192.0.2.${host}/32`, "dev", "wire0", "advmss", "112");
    netns.run("ip", "-6", "route", "add", `2001:db8::${host}/128`, "dev", "wire0", "advmss", "112");
  }
  for (const [version, address] of [
    ["IPv4", "192.0.2.2"],
    ["IPv6", "2001:db8::2"],
  ] as const) {
    seen.length = 0;
    await overTcp(wire, address, 390);
    keep(`TCP over ${version}, ${name}`, seen, ethernet);
    seen.length = 0;
    await overUdp(wire, address, 100, 4, 4);
    keep(`UDP over ${version}, ${name}`, seen, ethernet);
  }
}

for (const ethernet of [false, true]) {
  const seen: Uint8Array[] = [];
  const forward = (frames: Uint8Array[], to: Device): void => {
    seen.push(...frames.map((frame) => frame.slice()));
    to.sendMany(frames);
  };
  await run(
    `from a socket to a ${ethernet ? "TAP" : "TUN"}`,
    ethernet,
    { ethernet, offload: { raw: true }, forward },
    seen,
  );
}

// Through a bridge: the header's length is then that of all that lies in one piece.
{
  using middle = await Namespace.open();
  const seen: Uint8Array[] = [];
  const ends: { right?: Device; left?: Device } = {};
  const port = (name: string, towards: "right" | "left"): Device =>
    openTap({
      ...{ netns: middle.path, name, up: true, offload: { raw: true } },
      data: (_, frames) => {
        if (towards === "right") seen.push(...frames.map((frame) => frame.slice()));
        ends[towards]?.sendMany(frames);
      },
    });
  using first = port("first", "left");
  using second = port("second", "right");
  middle.run("ip", "link", "add", "bridge0", "type", "bridge", "forward_delay", "0", "mcast_snooping", "0");
  for (const name of ["first", "second"]) middle.run("ip", "link", "set", name, "master", "bridge0");
  middle.run("ip", "link", "set", "bridge0", "up");
  await until(() => middle.run("bridge", "link").match(/state forwarding/g)?.length === 2, "that the bridge forwards");
  const forward = (frames: Uint8Array[], to: Device, direction: "right" | "left"): void => {
    ends[direction] = to;
    (direction === "right" ? first : second).sendMany(frames);
  };
  await run("through a bridge to a TAP", true, { ethernet: true, offload: { raw: true }, forward }, seen);
}

console.log(JSON.stringify(golden, null, 2));
