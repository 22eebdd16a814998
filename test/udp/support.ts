/** What the tests of UDP sockets share. */
import { dlopen } from "bun:ffi";
import { type Endpoint, openUdp, type UdpOptions, type UdpSocket } from "../../src/udp/index.ts";
import { run, until } from "../support/system.ts";

export { until };

/** Brings loopback up, with more addresses than it has by itself. */
export function loopbackUp(): void {
  run("ip", "link", "set", "lo", "up");
}

/** A socket that collects what it receives. */
export interface Collector extends Disposable {
  readonly socket: UdpSocket;
  readonly received: Uint8Array[];
  readonly senders: Endpoint[];
  /** Resolves once so many datagrams have come. */
  has(count: number): Promise<void>;
}

export function collect(options: UdpOptions = {}): Collector {
  const received: Uint8Array[] = [];
  const senders: Endpoint[] = [];
  const socket = openUdp({
    ...options,
    data(_socket, datagrams, from) {
      received.push(...datagrams.map((datagram) => (options.reuseBuffers ? datagram.slice() : datagram)));
      senders.push(...datagrams.map(() => from));
    },
  });
  return {
    socket,
    received,
    senders,
    has: (count) =>
      until(
        () => received.length >= count,
        () => `${count} datagrams, got ${received.length}; ${Bun.inspect(socket.counters())}; ${run("ss", "-Huanm")}`,
      ),
    [Symbol.dispose]: () => socket.close(),
  };
}

/** Bytes that tell datagrams apart. */
export function numbered(count: number, length: number): Uint8Array[] {
  return Array.from({ length: count }, (_, i) => {
    const bytes = new Uint8Array(length).fill(i);
    if (length >= 4) new DataView(bytes.buffer).setUint32(0, i);
    return bytes;
  });
}

const libc = dlopen("libc.so.6", {
  socket: { args: ["i32", "i32", "i32"], returns: "i32" },
  bind: { args: ["i32", "ptr", "u32"], returns: "i32" },
  sendto: { args: ["i32", "ptr", "u64", "i32", "ptr", "u32"], returns: "i64" },
  recvfrom: { args: ["i32", "ptr", "u64", "i32", "ptr", "ptr"], returns: "i64" },
  close: { args: ["i32"], returns: "i32" },
}).symbols;

/** An IPv4 socket of libc: a witness that knows nothing of this library. */
export class PlainSocket implements Disposable {
  readonly #fd: number = libc.socket(2, 2 | 0o4000, 0);
  readonly #buffer = new Uint8Array(70_000);

  constructor(address: string, port: number) {
    if (libc.bind(this.#fd, sockaddr(address, port), 16) < 0) throw new Error(`bind to ${address}:${port} failed`);
  }

  send(bytes: Uint8Array, address: string, port: number): void {
    const sent = Number(libc.sendto(this.#fd, bytes, bytes.length, 0, sockaddr(address, port), 16));
    if (sent !== bytes.length) throw new Error(`sendto returned ${sent}`);
  }

  /** The next datagram with its sender, once it has come. */
  async receive(): Promise<{ bytes: Uint8Array; from: string }> {
    const from = new Uint8Array(16);
    let length = -1;
    await until(() => {
      length = Number(libc.recvfrom(this.#fd, this.#buffer, this.#buffer.length, 0, from, Uint32Array.of(16)));
      return length >= 0;
    }, "a datagram");
    const view = new DataView(from.buffer);
    return { bytes: this.#buffer.slice(0, length), from: `${from.subarray(4, 8).join(".")}:${view.getUint16(2)}` };
  }

  [Symbol.dispose](): void {
    libc.close(this.#fd);
  }
}

function sockaddr(address: string, port: number): Uint8Array {
  const bytes = new Uint8Array(16);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, 2, true);
  view.setUint16(2, port);
  bytes.set(address.split(".").map(Number), 4);
  return bytes;
}
