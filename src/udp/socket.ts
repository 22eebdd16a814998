import { checkObserver } from "../checks.ts";
import type { TunTapError } from "../errors.ts";
import { HandlerCalls } from "../io/handlers.ts";
import { iterate } from "../io/iterate.ts";
import { giveToOwner } from "../io/owner.ts";
import type { Consumer } from "../io/receiver.ts";
import type { FrameSource } from "../io/types.ts";
import { showByFields } from "../packet/show.ts";
import { type Address, checkPort, encodePeer, formatAddress, isIPv4, parseAddress } from "./address.ts";
import type { UdpChannel } from "./channel.ts";
import { datagramRun } from "./reader.ts";
import type { DatagramObserver, DatagramRun, Ecn, Endpoint, UdpCounters, UdpHandlers, UdpSocket } from "./types.ts";

/** The addresses that a socket is bound to. */
export interface Bound {
  readonly address: string;
  readonly port: number;
  /** The address families to which it can send. */
  readonly ipv4: boolean;
  readonly ipv6: boolean;
}

const dataHandler: Consumer = { description: "the data handler" };

/** Implements {@link UdpSocket} on top of a channel: the socket that users hold. */
export class BoundUdpSocket implements UdpSocket {
  static {
    showByFields(BoundUdpSocket.prototype, "UdpSocket");
  }

  readonly #channel: UdpChannel;
  readonly #bound: Bound;
  readonly #reusesBuffers: boolean;
  readonly #calls: HandlerCalls<UdpSocket>;

  constructor(
    channel: UdpChannel,
    bound: Bound,
    options: UdpHandlers & { reuseBuffers?: boolean; signal?: AbortSignal },
  ) {
    this.#channel = channel;
    this.#bound = bound;
    this.#reusesBuffers = options.reuseBuffers ?? false;
    const calls = new HandlerCalls<UdpSocket>(this, options);
    this.#calls = calls;
    const { data, drain, close } = options;
    if (calls.onError !== undefined) channel.sender.onRefused = calls.onError;
    if (close !== undefined) channel.onClose((reason) => calls.call("close", () => close.call(options, this, reason)));
    if (drain !== undefined) channel.onDrain = () => calls.call("drain", () => drain.call(options, this));
    if (data !== undefined) {
      // Not through `calls.call()`: this handler is called for every run.
      channel.receiver.pushTo(dataHandler, ({ datagrams, from, ecn }) => {
        try {
          data.call(options, this, datagrams, from, ecn);
        } catch (cause) {
          calls.threw("data", cause);
        }
      });
    }
    giveToOwner(this, channel, options.signal);
  }

  get fd(): number {
    return this.#channel.fd;
  }

  get address(): string {
    return this.#bound.address;
  }

  get port(): number {
    return this.#bound.port;
  }

  get peer(): Endpoint | undefined {
    return this.#channel.peer;
  }

  get closed(): boolean {
    return this.#channel.closed;
  }

  get closeReason(): TunTapError | undefined {
    return this.#channel.reason;
  }

  get segmentation(): { readonly send: boolean; readonly receive: boolean } {
    return this.#channel.segmentation;
  }

  /** Returns the facts that `console.log` and `JSON.stringify` show. */
  toJSON(): Record<string, unknown> {
    const { address, port, peer, closed, closeReason, fd } = this;
    const end = closed ? { closed, ...(closeReason && { reason: closeReason.message }) } : { fd };
    return { address, port, ...(peer && { peer: { address: peer.address, port: peer.port } }), ...end };
  }

  endpoint(address: string, port: number, localAddress?: string): Endpoint {
    this.#channel.assertOpen();
    const remote = this.#parse(address, "address");
    checkPort(port, "port", 1);
    const local = localAddress === undefined ? undefined : this.#parse(localAddress, "localAddress");
    if (local !== undefined && isIPv4(local.bytes) !== isIPv4(remote.bytes)) {
      throw new RangeError(`"localAddress" must be of the family of "${address}", got "${localAddress}"`);
    }
    const { peer } = this.#channel;
    const boundTo = this.#bound.address;
    // A socket that is bound to an address sends from there, and the kernel reports no other local address.
    const isBound = boundTo !== "::" && boundTo !== "0.0.0.0";
    if (isBound && local !== undefined && formatAddress(local, this.fd) !== boundTo) {
      throw new RangeError(`"localAddress" must be "${boundTo}", which the socket is bound to, got "${localAddress}"`);
    }
    const endpoint = this.#channel.peers.of(encodePeer(remote, port, isBound ? undefined : local));
    if (peer !== undefined && endpoint !== peer) throw this.#channel.connectedElsewhere(`${address} port ${port}`);
    return endpoint;
  }

  send(datagram: FrameSource, to?: Endpoint, ecn: Ecn = 0): boolean {
    this.#channel.aim(to, ecn);
    return this.#channel.sender.send(datagram);
  }

  sendMany(datagrams: readonly FrameSource[], to?: Endpoint | readonly Endpoint[], ecn: Ecn = 0): number {
    if (isList(to)) return this.#sendToEach(datagrams, to, ecn);
    this.#channel.aim(to, ecn);
    return this.#channel.sender.sendMany(datagrams);
  }

  #sendToEach(datagrams: readonly FrameSource[], to: readonly Endpoint[], ecn: Ecn): number {
    if (Array.isArray(datagrams) && datagrams.length !== to.length) {
      throw new RangeError(
        `"to" must have an endpoint for each datagram, of which there are ${datagrams.length}, got ${to.length}`,
      );
    }
    return this.#channel.sendToEach(datagrams, to, ecn);
  }

  batches(): AsyncIterableIterator<DatagramRun> {
    const consumer: Consumer = { description: "batches()" };
    return iterate(this.#channel.receiver, consumer, datagramRun, this, this.#reusesBuffers);
  }

  counters(): UdpCounters {
    return this.#channel.counters();
  }

  observe(observer: DatagramObserver): Disposable {
    const channel = this.#channel;
    channel.assertOpen();
    checkObserver(observer, "datagrams");
    const { datagrams, close } = observer;
    return channel.observers.add({
      frames: (passing, direction) =>
        this.#calls.call("observer", () => datagrams.call(observer, passing, direction, channel.peerOf(direction))),
      close: () => this.#calls.call("observer", () => close?.call(observer)),
    });
  }

  ref(): void {
    this.#channel.setReferenced(true);
  }

  unref(): void {
    this.#channel.setReferenced(false);
  }

  close(): void {
    this.#channel.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.close();
  }

  #parse(text: string, name: string): Address {
    const address = parseAddress(text, name, this.fd);
    const { ipv4, ipv6 } = this.#bound;
    if (isIPv4(address.bytes) ? ipv4 : ipv6) return address;
    throw new RangeError(
      `"${name}" must be of ${ipv4 ? "IPv4" : "IPv6"}, as the socket is bound to ${this.address}, got "${text}"`,
    );
  }
}

function isList(to: Endpoint | readonly Endpoint[] | undefined): to is readonly Endpoint[] {
  return Array.isArray(to);
}
