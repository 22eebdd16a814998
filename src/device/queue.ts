import { TunTapError } from "../errors.ts";
import type { InterfaceClient } from "../interface/client.ts";
import { showByFields } from "../packet/show.ts";
import { native } from "../sys/native.ts";
import { openClone } from "../sys/netns.ts";
import * as tun from "../sys/tun.ts";
import type { Queue } from "./interface-types.ts";

/**
 * Opens one more queue of the interface, detached: no frame goes to it until it is adopted.
 *
 * @throws {TunTapError} `ERR_TUNTAP_UNSUPPORTED` if the interface has a single queue, `E2BIG` for more than 256
 */
export function openQueue(client: InterfaceClient, path: string): Queue {
  const { name, tun: info } = client.info();
  if (info === undefined || !info.multiQueue) {
    throw new TunTapError("ERR_TUNTAP_UNSUPPORTED", `"${name}" has a single queue`, {
      hint: "open it with `multiQueue: true`",
    });
  }
  const queue = client.openThere((netns) => new DetachedQueue(openClone(path, netns)));
  try {
    tun.setIff(queue.fd, name, tun.attachFlags(info));
    tun.setQueue(queue.fd, false);
    return queue;
  } catch (error) {
    queue.close();
    throw error;
  }
}

class DetachedQueue implements Queue {
  static {
    showByFields(DetachedQueue.prototype, "Queue");
  }

  #fd: number;

  constructor(fd: number) {
    this.#fd = fd;
  }

  get fd(): number {
    return this.#fd;
  }

  toJSON(): { fd: number } {
    return { fd: this.#fd };
  }

  release(): number {
    const fd = this.#fd;
    if (fd >= 0) native().fd_disown(fd);
    this.#fd = -1;
    return fd;
  }

  close(): void {
    if (this.#fd >= 0) tun.closeFd(this.release());
  }

  [Symbol.dispose](): void {
    this.close();
  }
}
