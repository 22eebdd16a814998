/** The status of a hub as text for Prometheus (exposition format 0.0.4). */
import type { HubStatus } from "./status.ts";

/** Media type of the text. */
export const METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8";

type Labels = Readonly<Record<string, string>>;
type Sample = readonly [Labels, number];

/** Facts that the program knows of itself, beside the status. */
export interface ProcessFigures {
  /** Seconds since 1970. */
  readonly startTime: number;
  readonly cpuSeconds: number;
}

/** Returns the figures of this process. */
export function processFigures(): ProcessFigures {
  const { user, system } = process.cpuUsage();
  return { startTime: Date.now() / 1000 - process.uptime(), cpuSeconds: (user + system) / 1e6 };
}

/**
 * Writes the metrics of one hub. Each hub is scraped by itself, so the label of a hub is in `tuntap_switch_info` alone,
 * and `peer` names the other hub where there are two. No label has a client or a MAC address: there are too many.
 *
 * @param lan The name of the LAN; undefined without a backbone
 */
export function metricsText(status: HubStatus, lan: string | undefined, figures: ProcessFigures): string {
  const families = [...hubFamilies(status, lan), ...backboneFamilies(status), ...processFamilies(status, figures)];
  return families.join("");
}

function hubFamilies({ hub, mtu, totals, addresses, ...status }: HubStatus, lan = ""): string[] {
  const queued = status.queuedBytes;
  return [
    gauge("info", "The hub and its LAN, as labels.", [[{ hub, lan }, 1]]),
    gauge("mtu_bytes", "The MTU of the LAN.", mtu),
    gauge("clients", "Clients that are connected to this hub.", status.clientCount),
    gauge("clients_limit", "Clients that this hub takes at most.", status.clientsMax),
    gauge("mac_addresses", "MAC addresses of the clients of this hub.", status.macAddresses),
    gauge("queued_bytes", "Bytes that wait for clients that do not keep up.", queued),
    counter("received_frames_total", "Frames from clients.", totals.framesIn),
    counter("received_bytes_total", "Bytes of the frames from clients.", totals.bytesIn),
    counter("sent_frames_total", "Frames to clients.", totals.framesOut),
    counter("sent_bytes_total", "Bytes of the frames to clients.", totals.bytesOut),
    counter("dropped_frames_total", "Frames that were dropped, by the reason.", [
      [{ reason: "too_short" }, totals.dropped.short],
      [{ reason: "too_long" }, totals.dropped.long],
      [{ reason: "bad_source" }, totals.dropped.source],
      [{ reason: "circle" }, totals.dropped.circle],
      [{ reason: "client_too_slow" }, totals.dropped.backPressure],
    ]),
    counter("unlearned_frames_total", "Frames whose source found no place in the MAC table.", totals.unlearned),
    ...(addresses === undefined
      ? []
      : [
          gauge("addresses", "Addresses of the pool that somebody has.", addresses.given),
          gauge("addresses_limit", "Addresses of the pool.", addresses.size),
          gauge("addresses_available", "1 if new addresses can be given, else 0.", Number(addresses.available)),
        ]),
  ];
}

function backboneFamilies({ backbone, links }: HubStatus): string[] {
  if (backbone === undefined) return [];
  const byPeer = (of: (link: HubStatus["links"][number]) => number): Sample[] =>
    links.map((link) => [{ peer: link.from }, of(link)]);
  return [
    gauge(
      "backbone_connected",
      "1 while this hub has a connection to the backbone, else 0.",
      Number(backbone.connected),
    ),
    gauge("backbone_peers", "Other hubs whose messages came.", links.length),
    counter("backbone_dropped_frames_total", "Frames for other hubs that were dropped.", backbone.droppedFrames),
    counter(
      "backbone_refused_messages_total",
      "Messages that no hub of this LAN can have sent.",
      backbone.refusedMessages,
    ),
    counter("mac_flaps_total", "MAC addresses that were held, as they went to and fro.", backbone.flaps),
    counter(
      "backbone_received_messages_total",
      "Messages from another hub.",
      byPeer(({ messages }) => messages),
    ),
    counter(
      "backbone_lost_messages_total",
      "Messages from another hub that did not arrive.",
      byPeer(({ lost }) => lost),
    ),
    counter(
      "backbone_reordered_messages_total",
      "Messages from another hub that arrived after a later one.",
      byPeer(({ reordered }) => reordered),
    ),
  ];
}

/** The names are those of Prometheus's own client libraries. */
function processFamilies({ rssBytes }: HubStatus, { startTime, cpuSeconds }: ProcessFigures): string[] {
  return [
    family("process_resident_memory_bytes", "gauge", "Resident memory size in bytes.", rssBytes),
    family("process_cpu_seconds_total", "counter", "Total user and system CPU time spent in seconds.", cpuSeconds),
    family("process_start_time_seconds", "gauge", "Start time of the process since unix epoch in seconds.", startTime),
  ];
}

function gauge(name: string, help: string, samples: number | readonly Sample[]): string {
  return family(`tuntap_switch_${name}`, "gauge", help, samples);
}

function counter(name: string, help: string, samples: number | readonly Sample[]): string {
  return family(`tuntap_switch_${name}`, "counter", help, samples);
}

function family(name: string, type: "gauge" | "counter", help: string, samples: number | readonly Sample[]): string {
  const all: readonly Sample[] = typeof samples === "number" ? [[{}, samples]] : samples;
  const lines = all.map(([labels, value]) => `${name}${labelText(labels)} ${value}\n`);
  return `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n${lines.join("")}`;
}

/** Labels in braces. Backslashes, quotes and line ends have an escape, and no other character has. */
function labelText(labels: Labels): string {
  const escaped = (value: string): string =>
    value.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("\n", "\\n");
  const pairs = Object.entries(labels).map(([name, value]) => `${name}="${escaped(value)}"`);
  return pairs.length === 0 ? "" : `{${pairs.join(",")}}`;
}
