import type { Device } from "../device/types.ts";
import { type AnyChannel, channelOf } from "../io/channel.ts";
import type { FrameBlock } from "../io/frame-block.ts";
import type { FrameSource } from "../io/types.ts";
import type { UdpChannel } from "../udp/channel.ts";
import type { DatagramBlock } from "../udp/reader.ts";
import type { DatagramRun, Endpoint, UdpSocket } from "../udp/types.ts";
import type { RelayEnd, UdpPeer } from "./types.ts";

/** One end of a relay, whatever it is. */
export interface End {
  readonly channel: AnyChannel;
  /** The frames of a device, in words: those of another kind are of no use to it. Undefined for a socket, which carries any. */
  readonly frames?: string;
  /** Sends frames; returns how many of the first ones have been dealt with. */
  send(frames: readonly FrameSource[]): number;
  /** Sends the frames of a block in the same way. */
  sendBlock(block: FrameBlock): number;
  /** Returns the frames in what the channel has delivered. */
  framesOf(batch: unknown): Uint8Array[];
  /** Returns whether a block that the channel has delivered is to be sent on. */
  accepts(block: FrameBlock): boolean;
  /** Datagrams of others that were dropped. */
  strangers(): number;
}

/** @throws {TypeError} if it is none */
export function endOf(value: RelayEnd, name: string): End {
  if (typeof value !== "object" || value === null) throw notEnd(name, value);
  const channel = channelOf(value);
  if (channel === undefined) return peerEnd(value as UdpPeer, name);
  return "kind" in value ? deviceEnd(value as Device, channel) : socketEnd(value as UdpSocket, channel, name);
}

function notEnd(name: string, value: unknown): TypeError {
  return new TypeError(
    `"${name}" must be a device, a connected UDP socket, or { socket, peer } with an endpoint of that socket, got ${Bun.inspect(value)}`,
  );
}

function deviceEnd(device: Device, channel: AnyChannel): End {
  const { kind, packetInfo, offload } = device;
  const head = packetInfo ? " behind packet information" : offload?.raw ? " behind virtio headers" : "";
  return {
    channel,
    frames: `${kind === "tun" ? "IP packets" : "Ethernet frames"}${head}`,
    send: (frames) => device.sendMany(frames),
    sendBlock: (block) => channel.sender.sendBlock(block),
    framesOf: (batch) => batch as Uint8Array[],
    accepts: () => true,
    strangers: () => 0,
  };
}

function socketEnd(socket: UdpSocket, channel: AnyChannel, name: string): End {
  if (socket.peer === undefined) {
    throw new TypeError(`"${name}" must name the peer, as { socket, peer }, because the socket is not connected`);
  }
  return {
    channel,
    send: (datagrams) => socket.sendMany(datagrams),
    sendBlock: (block) => sendTo(channel, undefined, block),
    framesOf: (batch) => (batch as DatagramRun).datagrams,
    accepts: () => true,
    strangers: () => 0,
  };
}

function sendTo(channel: AnyChannel, peer: Endpoint | undefined, block: FrameBlock): number {
  (channel as AnyChannel & Pick<UdpChannel, "aim">).aim(peer, 0);
  return channel.sender.sendBlock(block);
}

/** Tells whether a channel is that of a socket that can send to `peer`. */
function canSendTo(channel: AnyChannel, peer: unknown): boolean {
  const { canSendTo } = channel as AnyChannel & Partial<Pick<UdpChannel, "canSendTo">>;
  return canSendTo?.call(channel, peer) === true;
}

function peerEnd(value: UdpPeer, name: string): End {
  const { socket, peer } = value;
  const channel = typeof socket === "object" && socket !== null ? channelOf(socket) : undefined;
  if (channel === undefined || !canSendTo(channel, peer)) throw notEnd(name, value);
  let strangers = 0;
  // The same peer may have several endpoints: one for each address that it sends to.
  let last: Endpoint = peer;
  const isPeer = (from: Endpoint, datagrams: number): boolean => {
    if (from === last) return true;
    if (from.port === peer.port && from.address === peer.address) {
      last = from;
      return true;
    }
    strangers += datagrams;
    return false;
  };
  return {
    channel,
    send: (datagrams) => socket.sendMany(datagrams, peer),
    sendBlock: (block) => sendTo(channel, peer, block),
    framesOf: (batch) => {
      const { datagrams, from } = batch as DatagramRun;
      return isPeer(from, datagrams.length) ? datagrams : [];
    },
    accepts: (block) => isPeer((block as DatagramBlock).from, block.count),
    strangers: () => strangers,
  };
}
