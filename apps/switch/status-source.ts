/** Makes of a hub, by itself or in a LAN of several, what its status is read from. */
import { hostname } from "node:os";
import type { Backbone } from "./backbone/backbone.ts";
import type { Members } from "./members.ts";
import type { BackboneStatus, HubSource, LinkSource } from "./status.ts";
import type { OtherHubs } from "./status-lan.ts";

/** Limits of a hub that its status tells. */
export interface Limits {
  readonly mtu: number;
  readonly portsMax: number;
}

/** @param backbone Undefined for a hub that is the whole LAN */
export function sourceOf({ mtu, portsMax }: Limits, members: Members, backbone?: Backbone): HubSource {
  return {
    hub: backbone?.link.hub ?? hostname(),
    mtu,
    clientsMax: portsMax,
    table: members.lan.table,
    departed: () => members.departed,
    clients: () => members.clients(),
    addresses: () => members.addresses(),
    backbone: () => backbone && backboneStatus(backbone),
    links: () => (backbone === undefined ? [] : links(backbone)),
    details: () => members.details(),
  };
}

/** The other hubs of a LAN, as its status asks them. */
export function othersOf(backbone: Backbone): OtherHubs {
  return {
    lan: backbone.link.lan,
    names: () => [...backbone.roster.peers.keys()],
    ask: (query, hubs) => backbone.status.ask(query, hubs),
  };
}

function backboneStatus(backbone: Backbone): BackboneStatus {
  const { isConnected, holds, dropped } = backbone.summary();
  const { garbage, version, lan, kind, body } = dropped;
  return {
    connected: isConnected,
    droppedFrames: dropped.backPressure,
    refusedMessages: garbage + version + lan + kind + body,
    flaps: holds,
  };
}

function links({ roster }: Backbone): LinkSource[] {
  return [...roster.peers.values()].map(({ hub, direct, flood }) => ({
    from: hub,
    messages: direct.received + flood.received,
    lost: direct.lost + flood.lost,
    reordered: direct.reordered + flood.reordered,
  }));
}
