/** A kernel that takes no more from a device, until it is let go. */
import { type Device, openTap, type Tap } from "../../src/index.ts";
import { setSndbuf } from "../../src/sys/tun.ts";
import { run } from "../support/system.ts";

/**
 * A slow TAP (token bucket) behind a bridge: what the bucket holds back is
 * still charged to the device that sent it, if that has a small TUNSETSNDBUF.
 */
export class Jam implements Disposable {
  readonly #slow: Tap = openTap({ up: true });
  readonly frame: Uint8Array = new Uint8Array(1014);

  constructor() {
    run("ip", "link", "add", "jam0", "type", "bridge");
    run("ip", "link", "set", "jam0", "up");
    run("ip", "link", "set", this.#slow.name, "master", "jam0");
    // Teaches the bridge where the destination is: what it floods it copies, and a copy is not charged.
    const teach = new Uint8Array(60);
    teach.set([255, 255, 255, 255, 255, 255, 2, 0, 0, 0, 0, 9, 0x88, 0xb5]);
    this.#slow.send(teach);
    this.frame.set([2, 0, 0, 0, 0, 9, 2, 0, 0, 0, 0, 1, 0x88, 0xb5]);
  }

  /** Sends from a TAP until the kernel takes no more; returns how many frames it took. */
  fill(sender: Device): number {
    sender.setMaster("jam0");
    const bucket = ["rate", "8kbit", "burst", "2000", "limit", "10000000"];
    run("tc", "qdisc", "replace", "dev", this.#slow.name, "root", "tbf", ...bucket);
    setSndbuf(sender.fd, 20_000);
    for (let taken = 0; taken < 1000; taken++) if (!sender.send(this.frame)) return taken;
    throw new Error("The kernel took 1000 frames");
  }

  /** Lets go of what is held back. */
  release(): void {
    run("tc", "qdisc", "del", "dev", this.#slow.name, "root");
  }

  [Symbol.dispose](): void {
    this.#slow.close();
    run("ip", "link", "del", "jam0");
  }
}
