/** The giving side of a hand-over: peers that connect are served side by side, and the device goes to one at a time. */

import { wrong } from "../checks.ts";
import type { Device } from "../device/types.ts";
import { WaitQueue } from "../io/wait-queue.ts";
import { EPOLLERR, EPOLLET, EPOLLIN, EPOLLOUT } from "../sys/constants.ts";
import { pollEvents } from "../sys/tun.ts";
import { getPeer, isAllReceived, sendFd } from "../sys/unix.ts";
import { waitFor } from "./fd-wait.ts";
import type { HandOverOptions, Peer } from "./types.ts";
import { accept, type Socket } from "./unix-socket.ts";

/** Milliseconds that a peer may take to receive the fd, by default. */
const PEER_TIMEOUT_MS = 5000;

/** The most connections of allowed peers that are held at once; others wait in the kernel's queue. */
const CANDIDATES_MAX = 16;

/** A connection of a peer that may have the device. */
interface Candidate {
  readonly connection: Socket;
  readonly peer: Peer;
}

/**
 * Gives the device to the first peer that receives it. While one of them takes
 * its time, others are accepted and asked about, so that those who may not
 * have it are gone at once; the fd is on its way to no more than one at a time,
 * because it cannot be called back.
 *
 * @param end ends the waiting with its reason
 */
export async function giveToOne(
  device: Device,
  listener: Socket,
  options: HandOverOptions,
  end: AbortSignal,
): Promise<Peer> {
  const stop = new AbortController();
  const signal = AbortSignal.any([end, stop.signal]);
  const candidates = new Candidates();
  const accepting = acceptAll(listener, options, candidates, signal).catch((reason) => stop.abort(reason));
  try {
    for (;;) {
      const candidate = await candidates.next(signal);
      using connection = candidate.connection;
      if (await give(device, connection, signal, options.peerTimeoutMs ?? PEER_TIMEOUT_MS)) return candidate.peer;
    }
  } finally {
    stop.abort();
    await accepting;
    candidates[Symbol.dispose]();
  }
}

/** Accepts connections until `signal` is aborted, and keeps those of peers that may have the device. Throws when that ends. */
async function acceptAll(
  listener: Socket,
  options: HandOverOptions,
  candidates: Candidates,
  signal: AbortSignal,
): Promise<never> {
  for (;;) {
    await candidates.room(signal);
    const connection = await waitFor(listener.fd, EPOLLIN, signal, () => accept(listener));
    try {
      const peer = getPeer(connection.fd);
      if (isAllowed(options, peer)) candidates.add({ connection, peer });
      else connection[Symbol.dispose]();
    } catch (error) {
      connection[Symbol.dispose]();
      throw error;
    }
  }
}

function isAllowed(options: HandOverOptions, peer: Peer): boolean {
  const answer: unknown = options.allow === undefined ? true : options.allow(peer);
  // A promise would count as true.
  if (typeof answer !== "boolean") throw wrong("allow", "a function that returns true or false", answer);
  return answer;
}

/** The peers that may have the device and wait for it, in the order in which they came. */
class Candidates implements Disposable {
  readonly #waiting: Candidate[] = [];
  readonly #changes = new WaitQueue<void>();

  add(candidate: Candidate): void {
    this.#waiting.push(candidate);
    this.#changes.resolveAll();
  }

  /** Resolves to the first one, which the caller closes. @throws `signal.reason` */
  async next(signal: AbortSignal): Promise<Candidate> {
    for (;;) {
      signal.throwIfAborted();
      const candidate = this.#waiting.shift();
      if (candidate === undefined) {
        await this.#changes.wait(undefined, undefined, signal);
        continue;
      }
      this.#changes.resolveAll();
      return candidate;
    }
  }

  /** Resolves when one more can be held. @throws `signal.reason` */
  async room(signal: AbortSignal): Promise<void> {
    for (;;) {
      signal.throwIfAborted();
      if (this.#waiting.length < CANDIDATES_MAX) return;
      await this.#changes.wait(undefined, undefined, signal);
    }
  }

  [Symbol.dispose](): void {
    for (const { connection } of this.#waiting.splice(0)) connection[Symbol.dispose]();
  }
}

/**
 * Sends the fd and waits until it is received. Resolves to false if the other end has gone away without it, or has
 * not received it in time. If `signal` is aborted while the fd is on its way, it counts as received.
 */
async function give(device: Device, connection: Socket, signal: AbortSignal, timeoutMs: number): Promise<boolean> {
  let sent = false;
  const late = new AbortController();
  const timer = setTimeout(() => late.abort(), timeoutMs);
  try {
    // Edge-triggered: the socket is writable at first, and again when the byte has been received.
    return await waitFor(connection.fd, EPOLLOUT | EPOLLET, AbortSignal.any([signal, late.signal]), () => {
      if (sent) return wasReceived(connection.fd);
      sent = sendFd(connection.fd, device.fd);
      return sent ? undefined : false;
    });
  } catch (error) {
    if (late.signal.aborted && !signal.aborted) return false;
    if (sent) return true;
    throw error;
  } finally {
    clearTimeout(timer);
  }
}

/**
 * Returns whether the other end has received what was sent; undefined if it may still. That the socket is writable does
 * not say so: it is also when the other end shuts its sending side down.
 */
function wasReceived(fd: number): boolean | undefined {
  const isEmpty = isAllReceived(fd);
  // ECONNRESET: the other end closed without reading it (net/unix/af_unix.c unix_release_sock()). Asked last, because
  // what is left is thrown away then, after the error is set.
  if ((pollEvents(fd, 0) & EPOLLERR) !== 0) return false;
  return isEmpty || undefined;
}
