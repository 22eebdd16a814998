/** The TAP of a client: it stays, with its address and MAC, while connections to the switch come and go. */

import { openTap, type Tap } from "../../src/index.ts";
import { announcement } from "./announcement.ts";
import { pack, unpack } from "./framing.ts";
import { HeldFrames } from "./held-frames.ts";
import type { Welcome } from "./protocol.ts";

/** Options of {@link LanInterface}. */
export interface InterfaceOptions {
  readonly name: string;
  readonly mac: string;
  /** Addresses to use instead of the one that the switch gives. */
  readonly addresses: readonly string[];
  readonly log: (line: string) => void;
  /** Called when the interface is gone without a `close()`. */
  readonly gone: (why: string) => void;
}

/** Takes a message, or has no room for it and returns false. */
export type Uplink = (message: Uint8Array<ArrayBuffer>) => boolean;

/** A client's interface in the LAN, which outlives its connections. */
export class LanInterface implements Disposable {
  readonly #options: InterfaceOptions;
  #tap: Tap | undefined;
  #uplink: Uplink | undefined;
  #leased: string | undefined;
  /** Frames that were lost: no switch, no room on the way to it, or not taken by the kernel. */
  #dropped = 0;
  #losingCarrier: Timer | undefined;
  readonly #held = new HeldFrames();

  constructor(options: InterfaceOptions) {
    this.#options = options;
  }

  /** The address that the switch gave. */
  get leased(): string | undefined {
    return this.#leased;
  }

  /** Makes the interface when the switch lets the client in, or adapts it to what the switch says now. */
  plugIn({ mtu, address, noAddress }: Welcome, uplink: Uplink): void {
    clearTimeout(this.#losingCarrier);
    this.#losingCarrier = undefined;
    this.#uplink = uplink;
    const leased = this.#options.addresses.length > 0 ? undefined : address;
    if (this.#tap === undefined) this.#tap = this.#open(mtu, leased);
    else this.#adapt(this.#tap, mtu, leased);
    this.#leased = leased;
    this.#describe(this.#tap, noAddress);
  }

  /**
   * Takes the carrier away, like a pulled cable: the kernel keeps the addresses, and sends nothing.
   *
   * @param afterMs Keeps the carrier for a while, and the last frames: TCP goes on at the next hub, where it would
   * wait for its next retransmission otherwise
   */
  unplug(afterMs: number): void {
    this.#uplink = undefined;
    clearTimeout(this.#losingCarrier);
    if (afterMs === 0) this.#loseCarrier();
    else this.#losingCarrier = setTimeout(() => this.#loseCarrier(), afterMs);
  }

  #loseCarrier(): void {
    this.#losingCarrier = undefined;
    this.#dropped += this.#held.takeAll().length;
    if (this.#tap?.closed === false) this.#tap.setCarrier(false);
  }

  /** Gives the frames of a message to the kernel. @returns false if it is not made of whole frames */
  deliver(message: Uint8Array): boolean {
    const frames = unpack(message);
    if (frames === null) return false;
    const tap = this.#tap;
    if (tap === undefined || tap.closed) return true;
    const before = tap.counters().framesSent;
    try {
      tap.sendMany(frames);
    } catch (error) {
      // Its interface has gone meanwhile: the close handler tells.
      if (!tap.closed) throw error;
    }
    this.#dropped += frames.length - (tap.counters().framesSent - before);
    return true;
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#losingCarrier);
    const tap = this.#tap;
    if (tap === undefined || tap.closed) return;
    const { framesReceived, framesSent } = tap.counters();
    this.#options.log(`${tap.name} ends: ${framesReceived} frames out, ${framesSent} in, ${this.#dropped} dropped`);
    tap.close();
  }

  #open(mtu: number, leased: string | undefined): Tap {
    const { name, mac, addresses, gone } = this.#options;
    return openTap({
      name,
      mac,
      mtu,
      addresses: leased === undefined ? addresses : [leased],
      up: true,
      // TCP comes out of the kernel in pieces of 64 KiB and is cut here; what came over the LAN goes in as such again.
      offload: true,
      reuseBuffers: true,
      data: (_, frames) => this.#carry(frames),
      close: (_, reason) => reason && gone(reason.message),
    });
  }

  #adapt(tap: Tap, mtu: number, leased: string | undefined): void {
    if (tap.mtu !== mtu) tap.setMtu(mtu);
    if (leased !== this.#leased) {
      if (leased !== undefined) tap.replaceAddress(leased);
      if (this.#leased !== undefined) tap.removeAddress(this.#leased);
    }
    tap.setCarrier(true);
    this.#carry([announcement(tap.macBytes), ...this.#held.takeAll()]);
  }

  #carry(frames: readonly Uint8Array[]): void {
    if (this.#uplink === undefined && this.#losingCarrier !== undefined) {
      this.#dropped += this.#held.add(frames);
      return;
    }
    let lost = 0;
    const tooLong = pack(frames, (message, count) => {
      if (!this.#uplink?.(message)) lost += count;
    });
    this.#dropped += lost + tooLong;
  }

  #describe(tap: Tap, noAddress: string | undefined): void {
    const addresses = tap.addresses().filter(({ scope }) => scope === "global");
    const shown =
      addresses.map(({ address }) => address).join(", ") || `no address: ${noAddress ?? "give one with --address"}`;
    this.#options.log(`${tap.name} is in the LAN: ${shown}; MAC ${tap.mac}, MTU ${tap.mtu}`);
  }
}
