/** State of the LAN as one hub sees it: for the status. */

import type { LearningSwitch } from "../learning-switch.ts";
import { macText } from "../mac-table.ts";
import type { Announcer } from "./announcer.ts";
import type { FrameSender } from "./frame-sender.ts";
import type { DropReason, Link } from "./link.ts";
import type { Peer } from "./peer.ts";
import type { Roster } from "./roster.ts";

/** Another hub. "In" is from it. Messages are of frames: several in each. */
export interface HubSummary {
  readonly id: string;
  readonly run: string;
  /** Clients and addresses that it says to have; undefined until it has said so. */
  readonly clients: number | undefined;
  readonly macs: number;
  readonly heardMsAgo: number;
  readonly framesIn: number;
  readonly bytesIn: number;
  readonly framesOut: number;
  readonly bytesOut: number;
  readonly messagesIn: number;
  readonly messagesOut: number;
  /** Messages from it that were lost, late or doubled. */
  readonly lost: number;
  readonly reordered: number;
  readonly duplicates: number;
  /** Messages of this hub that it has got and not got, by its own count. */
  readonly theyReceived: number | undefined;
  readonly theyLost: number | undefined;
  readonly dropped: Readonly<Record<string, number>>;
  /** Addresses of it that are not learned, for being too many. */
  readonly refusedMacs: number;
}

/** An address that flaps. */
export interface HeldSummary {
  readonly mac: string;
  /** The hub at which it is held; undefined for a client of this hub. */
  readonly hub: string | undefined;
  readonly forMs: number;
}

/** State of the LAN. */
export interface BackboneSummary {
  readonly lan: string;
  readonly hub: string;
  readonly run: string;
  readonly isConnected: boolean;
  readonly clients: number;
  readonly macs: number;
  readonly hubs: readonly HubSummary[];
  /** Frames to all other hubs. */
  readonly flood: { readonly framesOut: number; readonly bytesOut: number; readonly messagesOut: number };
  readonly held: readonly HeldSummary[];
  /** Number of times that an address was held. */
  readonly holds: number;
  /** Bytes that the NATS server has not confirmed, and the most that may be so now. */
  readonly pendingBytes: number;
  readonly windowBytes: number;
  readonly dropped: Readonly<Record<DropReason | "backPressure", number>>;
}

/** Parts of a backbone that know its state. */
interface Source {
  readonly link: Link;
  readonly roster: Roster;
  readonly sender: FrameSender;
  readonly announcer: Announcer;
  readonly lan: LearningSwitch;
  readonly clients: number;
}

/** Returns the state of the LAN. */
export function summaryOf({ link, roster, sender, announcer, lan, clients }: Source): BackboneSummary {
  const now = link.clock();
  const peers = [...roster.peers.values()];
  const { framesOut, bytesOut, dropped } = sender.floodPort;
  const backPressure = peers.reduce((sum, { port }) => sum + port.dropped.backPressure, dropped.backPressure);
  return {
    lan: link.lan,
    hub: link.hub,
    run: runText(link.run),
    isConnected: link.bus.isConnected,
    clients,
    macs: announcer.count,
    hubs: peers.map((peer) => hubSummary(peer, lan.table.countOf(peer.port), now)),
    flood: { framesOut, bytesOut, messagesOut: sender.flooded },
    held: lan.table.heldDown(now).map(({ mac, port, untilMs }) => ({
      mac: macText(mac),
      hub: peers.find((peer) => peer.port === port)?.hub,
      forMs: Math.round(untilMs - now),
    })),
    holds: lan.table.holds,
    pendingBytes: sender.window.pending,
    windowBytes: Math.round(sender.window.size),
    dropped: { ...link.dropped, backPressure },
  };
}

/** Formats the number of a run. */
export function runText(run: number): string {
  return run.toString(16).padStart(12, "0");
}

function hubSummary({ hub, run, port, direct, flood, ...peer }: Peer, macs: number, now: number): HubSummary {
  return {
    id: hub,
    run: runText(run),
    clients: peer.hello?.clients,
    macs,
    heardMsAgo: Math.round(now - peer.heardAt),
    framesIn: port.framesIn,
    bytesIn: port.bytesIn,
    framesOut: port.framesOut,
    bytesOut: port.bytesOut,
    messagesIn: direct.received + flood.received,
    messagesOut: peer.target.sequence,
    lost: direct.lost + flood.lost,
    reordered: direct.reordered + flood.reordered,
    duplicates: direct.duplicates + flood.duplicates,
    theyReceived: peer.report?.received,
    theyLost: peer.report?.lost,
    dropped: { ...port.dropped },
    refusedMacs: peer.refused,
  };
}
