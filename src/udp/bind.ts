import { TunTapError } from "../errors.ts";
import { withNetns } from "../interface/namespace.ts";
import type { Undo } from "../rollback.ts";
import { AF_INET, AF_INET6 } from "../sys/constants.ts";
import { closeFd } from "../sys/tun.ts";
import * as udp from "../sys/udp.ts";
import { type Address, decodePeer, encodePeer, formatAddress, isUnspecified, parseAddress } from "./address.ts";
import { UdpChannel } from "./channel.ts";
import { Peers } from "./peers.ts";
import { BoundUdpSocket } from "./socket.ts";
import { UdpState } from "./state.ts";
import type { UdpOptions, UdpSocket } from "./types.ts";

/** Opens, configures, binds and connects a socket, whose options are checked. */
export function bind(options: UdpOptions, undo: Undo): UdpSocket {
  const { fd, family, address } = openSocket(options, undo);
  const wanted = options.segmentation ?? true;
  const segmentation = wanted ? udp.enableSegmentation(fd) : { send: false, receive: false };
  const name = configure(fd, family, address, options);
  const bound = formatAddress(name.remote, fd);
  const isAny = isUnspecified(name.remote.bytes);
  const connected = options.peer !== undefined;
  const state = new UdpState(family);
  let channel: UdpChannel | undefined;
  const context = {
    get fd() {
      return channel?.fd ?? fd;
    },
    boundAddress: isAny ? undefined : bound,
    connected,
    segments: segmentation.send,
  };
  const peers = new Peers(context, state);
  const { peer } = options;
  const firstPeer = peers.of(
    peer === undefined
      ? new Uint8Array(udp.PEER_BYTES)
      : encodePeer(parseAddress(peer.address, "peer.address", fd), peer.port),
  );
  const reuseBuffers = options.reuseBuffers ?? false;
  const opened = new UdpChannel({ fd, state, peers, firstPeer, connected, reuseBuffers, segmentation });
  channel = opened;
  undo.push(() => opened.discard());
  const ipv6 = family === AF_INET6;
  const ipv4 = !ipv6 || (isAny && !connected) || firstPeer.address.includes(".");
  return new BoundUdpSocket(opened, { address: bound, port: name.port, ipv4, ipv6 }, options);
}

interface Opened {
  readonly fd: number;
  readonly family: number;
  /** The local address to bind to, as text. */
  readonly address: string;
}

/** Opens a socket of the family of the addresses, or of IPv6, which serves both. */
function openSocket(options: UdpOptions, undo: Undo): Opened {
  const { address, peer, netns } = options;
  const text = address ?? peer?.address;
  const attempt = (family: number): Opened => {
    const fd = withNetns(netns, (there) => udp.openSocket(family, there));
    undo.push(() => closeFd(fd));
    return { fd, family, address: address ?? (family === AF_INET6 ? "::" : "0.0.0.0") };
  };
  if (text !== undefined) return attempt(text.includes(":") ? AF_INET6 : AF_INET);
  try {
    return attempt(AF_INET6);
  } catch (error) {
    // The kernel was built or started without IPv6.
    if (!(error instanceof TunTapError) || error.code !== "EAFNOSUPPORT") throw error;
    return attempt(AF_INET);
  }
}

/** Applies the options, binds and connects; returns the local address and port. */
function configure(fd: number, family: number, text: string, options: UdpOptions): { remote: Address; port: number } {
  const address = parseAddress(text, "address", fd);
  const isAny = isUnspecified(address.bytes);
  const { port = 0, peer } = options;
  if (family === AF_INET6 && isAny) udp.setDualStack(fd);
  if (options.reusePort) udp.setReusePort(fd);
  if (options.interface !== undefined) udp.setInterface(fd, options.interface);
  if (options.mark !== undefined) udp.setMark(fd, options.mark);
  if (options.sendBuffer !== undefined) udp.setBuffer(fd, "send", options.sendBuffer);
  if (options.receiveBuffer !== undefined) udp.setBuffer(fd, "receive", options.receiveBuffer);
  udp.setTelling(fd, family, isAny && peer === undefined);
  if (options.ecn) udp.setTellingEcn(fd, family);
  udp.bindSocket(fd, family, encodePeer(address, port), `${text} port ${port}`);
  if (peer !== undefined) {
    const remote = parseAddress(peer.address, "peer.address", fd);
    if (peer.address.includes(":") !== text.includes(":") && !(family === AF_INET6 && isAny)) {
      throw new RangeError(`Option "peer" must be of the family of "${text}", got ${Bun.inspect(peer)}`);
    }
    udp.connectSocket(fd, family, encodePeer(remote, peer.port), `${peer.address} port ${peer.port}`);
  }
  const name = new Uint8Array(udp.PEER_BYTES);
  udp.getSocketName(fd, name);
  return decodePeer(name);
}
