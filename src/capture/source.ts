import type { Device } from "../device/types.ts";
import type { Direction } from "../io/types.ts";
import { buildIPv4, buildIPv6, buildUdp, IpProtocol } from "../packet/index.ts";
import type { Endpoint, UdpSocket } from "../udp/types.ts";
import { wrongType } from "./checks.ts";
import { LinkType } from "./format.ts";

/** Sources of a capture: a device, or a UDP socket of `bun-tuntap/udp`. */
export type CaptureSource = Device | UdpSocket;

/** Part of a source that a capture needs. */
export interface Feed {
  readonly name: string;
  readonly linkType: number;
  /** Bytes before the packet or frame that are left out. */
  readonly headBytes: number;
  /** The program's direction that is inbound for the host whose interface or socket it is. */
  readonly inbound: Direction;
  observe(take: (frames: readonly Uint8Array[], direction: Direction) => void, close: () => void): Disposable;
}

/** Returns what a capture needs of a device or a socket. @throws {TypeError} if it is neither */
export function feedOf(source: CaptureSource): Feed {
  if (typeof source !== "object" || source === null || typeof source.observe !== "function") {
    throw wrongType("source", source, "a device or a UDP socket");
  }
  return "kind" in source ? deviceFeed(source) : socketFeed(source);
}

function deviceFeed(device: Device): Feed {
  return {
    name: device.name,
    linkType: device.kind === "tap" ? LinkType.ETHERNET : LinkType.RAW,
    headBytes: device.packetInfo ? 4 : device.offload?.raw ? 10 : 0,
    // The host sends into its interface the frames that the program receives from it.
    inbound: "sent",
    observe: (take, close) => device.observe({ frames: take, close }),
  };
}

/** A socket sees no headers: they are made of its addresses and ports, so that Wireshark shows who speaks to whom. */
function socketFeed(socket: UdpSocket): Feed {
  const at = socket.address.includes(":") ? `[${socket.address}]` : socket.address;
  return {
    name: `udp:${at}:${socket.port}`,
    linkType: LinkType.RAW,
    headBytes: 0,
    inbound: "received",
    observe: (take, close) =>
      socket.observe({
        datagrams: (datagrams, direction, peer) => {
          const isReceived = direction === "received";
          const packets = datagrams.map((payload) => packetOf(payload, peer, socket.port, isReceived));
          take(packets, direction);
        },
        close,
      }),
  };
}

function packetOf(payload: Uint8Array, peer: Endpoint, port: number, isReceived: boolean): Uint8Array {
  const [remote, local] = [withoutZone(peer.address), withoutZone(peer.localAddress)];
  const ends = isReceived ? { source: remote, destination: local } : { source: local, destination: remote };
  const ports = isReceived
    ? { sourcePort: peer.port, destinationPort: port }
    : { sourcePort: port, destinationPort: peer.port };
  const datagram = buildUdp({ ...ends, ...ports, payload });
  return remote.includes(":")
    ? buildIPv6({ ...ends, nextHeader: IpProtocol.UDP, payload: datagram })
    : buildIPv4({ ...ends, protocol: IpProtocol.UDP, payload: datagram });
}

/** "fe80::1%eth0" has an interface that no packet carries. */
function withoutZone(address: string): string {
  return address.replace(/%.*$/, "");
}
