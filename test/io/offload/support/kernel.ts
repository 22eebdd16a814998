/** The kernel's side of an offloading interface: super-packets that it hands over, and what it is given. */
import { type Device, type OpenOptions, openTap, openTun, type Tap, type Tun } from "../../../../src/index.ts";
import { quietIPv6 } from "../../../support/system.ts";
import { type Fields, makeHeader, makePacket } from "./packets.ts";
import { PacketSocket } from "./sockets.ts";

/** An interface that is up and says nothing of its own accord, with room for many frames, and the kernel's side of it. */
export function quiet(
  ethernet: boolean,
  options: OpenOptions<Tun> & OpenOptions<Tap> = {},
): { device: Device; kernel: PacketSocket } & Disposable {
  quietIPv6();
  // Kernels from 6.1.19x and 6.12 on refuse a longer queue.
  const all = { up: true, txQueueLength: 32_767, ...options };
  const device = ethernet ? openTap(all) : openTun(all);
  const kernel = new PacketSocket(device.index);
  return {
    device,
    kernel,
    [Symbol.dispose]() {
      kernel[Symbol.dispose]();
      device.close();
    },
  };
}

/** Has the kernel hand over a packet that is to be cut to `size`, or whose checksum alone is unfinished. */
export function transmit(kernel: PacketSocket, fields: Fields, payload: Uint8Array, size?: number): void {
  const { tags, version } = fields;
  const protocol = tags?.[0]?.[0] ?? (version === 4 ? 0x0800 : 0x86dd);
  kernel.transmit(makeHeader(fields, size), makePacket(fields, payload, true), protocol);
}

/** All frames that are waiting. */
export function drain(device: Device): Uint8Array[] {
  const frames: Uint8Array[] = [];
  for (let frame = device.tryReceive(); frame !== null; frame = device.tryReceive()) frames.push(frame.slice());
  return frames;
}
