/** The UDP socket of a tunnel: one for IPv4 and IPv6, connected to nobody, for the peer may be elsewhere any time. */
import { dlopen } from "bun:ffi";
import type { Endpoint } from "./peer.ts";

export type UdpSocket = Bun.udp.Socket<"buffer">;

// include/uapi/asm-generic/socket.h
const SOL_SOCKET = 1;
const SO_SNDBUFFORCE = 32;
const SO_RCVBUFFORCE = 33;

/** The kernel's default holds 90 datagrams of full size; a super-packet alone is 46 of them. */
const BUFFER_BYTES = 8 * 1024 * 1024;

const IPV4_MAPPED = "::ffff:";

export async function bindSocket(port: number, handlers: Bun.udp.SocketHandler<"buffer">): Promise<UdpSocket> {
  const bind = (hostname: string): Promise<UdpSocket> => Bun.udpSocket({ hostname, port, socket: handlers });
  // Without IPv6 in the kernel, IPv4 alone.
  const socket = await bind("::").catch((error: NodeJS.ErrnoException) => {
    if (error.code === "EADDRINUSE" || error.code === "EACCES") throw error;
    return bind("0.0.0.0");
  });
  enlargeBuffers(socket);
  return socket;
}

/** The peer's address as the socket says it: ::ffff:192.0.2.1 where it has both families. */
export function asSeenBy(socket: UdpSocket, { address, port }: Endpoint): Endpoint {
  const isMapped = socket.address.family === "IPv6" && !address.includes(":");
  return { address: isMapped ? `${IPV4_MAPPED}${address}` : address, port };
}

/** 192.0.2.1:51820 or [2001:db8::1]:51820 */
export function textOf({ address, port }: Endpoint): string {
  const plain = address.startsWith(IPV4_MAPPED) && address.includes(".") ? address.slice(IPV4_MAPPED.length) : address;
  return plain.includes(":") ? `[${plain}]:${port}` : `${plain}:${port}`;
}

/** Bun has no option for this. The forced ones need CAP_NET_ADMIN, which whoever opens a TUN has; without, nothing changes. */
function enlargeBuffers(socket: UdpSocket): void {
  const { fd } = socket as UdpSocket & { fd?: number };
  if (fd === undefined) return;
  const libc = dlopen("libc.so.6", {
    setsockopt: { args: ["i32", "i32", "i32", "ptr", "u32"], returns: "i32" },
  });
  const size = Int32Array.of(BUFFER_BYTES);
  for (const option of [SO_SNDBUFFORCE, SO_RCVBUFFORCE]) {
    libc.symbols.setsockopt(fd, SOL_SOCKET, option, size, size.byteLength);
  }
  libc.close();
}
