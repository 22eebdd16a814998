/** Sockets in the place of a TUN fd: one message is one frame there too. And packet sockets, which are the kernel's side of one. */
import { dlopen } from "bun:ffi";

const libc = dlopen("libc.so.6", {
  socketpair: { args: ["i32", "i32", "i32", "ptr"], returns: "i32" },
  socket: { args: ["i32", "i32", "i32"], returns: "i32" },
  bind: { args: ["i32", "ptr", "u32"], returns: "i32" },
  setsockopt: { args: ["i32", "i32", "i32", "ptr", "u32"], returns: "i32" },
  send: { args: ["i32", "ptr", "u64", "i32"], returns: "i64" },
  sendto: { args: ["i32", "ptr", "u64", "i32", "ptr", "u32"], returns: "i64" },
  recv: { args: ["i32", "ptr", "u64", "i32"], returns: "i64" },
  close: { args: ["i32"], returns: "i32" },
}).symbols;

// include/uapi/linux: socket.h, net.h, if_packet.h, if_ether.h, fcntl.h.
const AF_UNIX = 1;
const AF_PACKET = 17;
const SOCK_DGRAM = 2;
const SOCK_RAW = 3;
const SOCK_NONBLOCK = 0o4000;
const SOCK_CLOEXEC = 0o2000000;
const SOL_SOCKET = 1;
const SO_SNDBUF = 7;
const SO_RCVBUFFORCE = 33;
const SOL_PACKET = 263;
const PACKET_VNET_HDR = 15;
const PACKET_IGNORE_OUTGOING = 23;
const ETH_P_ALL = 3;

const check = (result: number | bigint, what: string): number => {
  if (Number(result) < 0) throw new Error(`${what} failed`);
  return Number(result);
};

const number = (value: number): Int32Array => Int32Array.of(value);

/** A socket that takes and gives whole messages. */
export class Socket implements Disposable {
  readonly fd: number;
  readonly #buffer = new Uint8Array(70_000);

  constructor(fd: number) {
    this.fd = fd;
  }

  /** False if there is no room for it now. */
  send(...parts: Uint8Array[]): boolean {
    const message = Buffer.concat(parts);
    return Number(libc.send(this.fd, message, message.length, 0)) === message.length;
  }

  /** The next message, or undefined if none is waiting. */
  receive(): Uint8Array<ArrayBuffer> | undefined {
    const length = Number(libc.recv(this.fd, this.#buffer, this.#buffer.length, 0));
    return length < 0 ? undefined : this.#buffer.slice(0, length);
  }

  /** All messages that are waiting. */
  receiveAll(): Uint8Array<ArrayBuffer>[] {
    const messages: Uint8Array<ArrayBuffer>[] = [];
    for (let message = this.receive(); message !== undefined; message = this.receive()) messages.push(message);
    return messages;
  }

  [Symbol.dispose](): void {
    libc.close(this.fd);
  }
}

/** Two sockets, of which one gets what the other sends; neither waits. */
export function socketPair(sendBuffer?: number): [Socket, Socket] {
  const fds = new Int32Array(2);
  check(libc.socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), "socketpair");
  const pair = [...fds].map((fd) => new Socket(fd)) as [Socket, Socket];
  if (sendBuffer !== undefined) {
    for (const { fd } of pair) check(libc.setsockopt(fd, SOL_SOCKET, SO_SNDBUF, number(sendBuffer), 4), "SO_SNDBUF");
  }
  return pair;
}

/**
 * The kernel's side of an interface, with virtio headers: what is sent goes
 * out of the interface, and so to whoever has its TUN fd; what is received
 * came in by it.
 */
export class PacketSocket extends Socket {
  constructor(index: number) {
    super(check(libc.socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), "socket(AF_PACKET)"));
    const option = (level: number, name: number, value: number): void =>
      void check(libc.setsockopt(this.fd, level, name, number(value), 4), `setsockopt(${level}, ${name})`);
    option(SOL_PACKET, PACKET_VNET_HDR, 1);
    option(SOL_PACKET, PACKET_IGNORE_OUTGOING, 1);
    option(SOL_SOCKET, SO_RCVBUFFORCE, 16 * 1024 * 1024);
    const address = this.#address(index, ETH_P_ALL);
    check(libc.bind(this.fd, address, address.length), "bind(AF_PACKET)");
    this.#index = index;
  }

  readonly #index: number;

  /** struct sockaddr_ll. */
  #address(index: number, protocol: number): Uint8Array {
    const address = Buffer.alloc(20);
    address.writeUInt16LE(AF_PACKET, 0);
    address.writeUInt16BE(protocol, 2);
    address.writeInt32LE(index, 4);
    return address;
  }

  /** Sends a frame as the kernel's stack would; throws if the kernel refuses header or frame. */
  transmit(header: Uint8Array, frame: Uint8Array, protocol: number): void {
    const message = Buffer.concat([header, frame]);
    const address = this.#address(this.#index, protocol);
    const sent = libc.sendto(this.fd, message, message.length, 0, address, address.length);
    if (Number(sent) !== message.length) throw new Error(`The kernel refused a frame of ${frame.length} bytes`);
  }
}
