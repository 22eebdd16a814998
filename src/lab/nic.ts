import { TunTapError, withDetails } from "../errors.ts";
import { openTap, type Tap } from "../index.ts";
import type { Sink } from "./pipe.ts";

const { readFileSync } = process.getBuiltinModule("node:fs");

/** Settings of a {@link Nic}. */
export interface NicOptions {
  /** The interface's name in the namespace. */
  readonly name: string;
  /** A path. */
  readonly netns: string;
  readonly mac: string;
  readonly mtu: number;
  /** With prefix length. */
  readonly address: string;
  readonly address6: string;
  /** True if the host has IPv6. */
  readonly hasIPv6: boolean;
  /** A link-local address, without which a router cannot look for its neighbours (net/ipv6/ndisc.c ndisc_send_ns()). */
  readonly linkLocal: string | undefined;
  /** Its place, for errors: 'the host "client", the link "client-server"'. */
  readonly place: string;
}

/** The interface of a host on a link or switch: a TAP whose kernel's end is in the host's namespace. */
export class Nic {
  readonly device: Tap;
  readonly address: string;
  readonly address6: string;
  /** Takes what the host sends. */
  onFrames: (frames: Uint8Array[]) => void = () => {};

  /** @throws {TunTapError} that names the place */
  constructor(options: NicOptions) {
    const { address, address6, hasIPv6, linkLocal, place, ...device } = options;
    const ipv6 = hasIPv6 ? [address6, linkLocal].filter((text) => text !== undefined) : [];
    const addresses = [address, ...ipv6.map((text) => ({ address: text, noDad: true }))];
    this.address = address;
    this.address6 = address6;
    try {
      this.device = openTap({
        ...device,
        addresses,
        up: true,
        // No solicitations of its own, which would take part in what the tests count.
        ...(hasIPv6 ? { ipv6: false } : {}),
        offload: true,
        reuseBuffers: true,
        data: (_device, frames) => this.onFrames(frames),
      });
    } catch (error) {
      throw error instanceof TunTapError ? withDetails(error, { detail: `${place}${detailOf(error)}` }) : error;
    }
  }

  /** Gives frames to the host. An interface that is gone, or found to be gone by this, takes none. */
  readonly send: Sink = (frames) => {
    if (this.device.closed) return 0;
    try {
      return this.device.sendMany(frames);
    } catch (error) {
      if (this.device.closed) return 0;
      throw error;
    }
  };
}

function detailOf({ detail }: TunTapError): string {
  return detail === undefined ? "" : `: ${detail}`;
}

/** Tells whether the kernel has IPv6, and new interfaces of this thread's namespace have it on. */
export function hasIPv6(): boolean {
  try {
    return readFileSync("/proc/sys/net/ipv6/conf/default/disable_ipv6", "latin1").startsWith("0");
  } catch {
    return false;
  }
}
