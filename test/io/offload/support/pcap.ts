/** Captures: written in the classic format (pcap-savefile(5)), and read by tshark. */
import { appendFileSync, writeFileSync } from "node:fs";

// www.tcpdump.org/linktypes.html
const LINKTYPE_ETHERNET = 1;
const LINKTYPE_RAW = 101;

/** A capture file of the frames that are added, up to `limit` of them, until it is ended. */
export class Capture {
  readonly path: string;
  #limit: number;
  frames = 0;

  constructor(path: string, ethernet: boolean, limit: number) {
    this.path = path;
    this.#limit = limit;
    const words = [0xa1b2_c3d4, 0x0004_0002, 0, 0, 0x4_0000, ethernet ? LINKTYPE_ETHERNET : LINKTYPE_RAW];
    writeFileSync(path, Uint32Array.from(words));
  }

  add(frames: readonly Uint8Array[]): void {
    const room = frames.slice(0, this.#limit - this.frames);
    this.frames += room.length;
    const time = Math.floor(performance.now() * 1000);
    const records = room.flatMap((frame) => [
      new Uint8Array(Uint32Array.of(time / 1e6, time % 1e6, frame.length, frame.length).buffer),
      frame,
    ]);
    appendFileSync(this.path, Buffer.concat(records));
  }

  /** Keeps out what the kernel sends while the file is read: neighbour solicitations, say. */
  end(): void {
    this.#limit = this.frames;
  }
}

/** Returns what tshark says of the checksums of a capture's packets: how many are of which status, by protocol; and how many are malformed. */
export async function statuses(
  path: string,
): Promise<{ packets: number; malformed: string[]; bad: string[]; good: Record<string, number> }> {
  const protocols = ["ip", "tcp", "udp"];
  const checked = protocols.flatMap((name) => ["-o", `${name}.check_checksum:TRUE`]);
  // Not by port, as which protocol is tried on noise: an ephemeral one may be anything's.
  const unread = ["tcp", "udp"].flatMap((name) => ["-d", `${name}.port==1-65535,data`]);
  const options = [...checked, ...unread];
  const fields = [
    "frame.number",
    "_ws.malformed",
    "frame.protocols",
    ...protocols.map((name) => `${name}.checksum.status`),
  ];
  const columns = fields.flatMap((name) => ["-e", name]);
  const tshark = Bun.spawn(["tshark", "-n", "-r", path, ...options, "-T", "fields", ...columns], { stderr: "pipe" });
  const [text, errors] = await Promise.all([tshark.stdout.text(), tshark.stderr.text()]);
  if ((await tshark.exited) !== 0) throw new Error(`tshark failed: ${errors}`);
  const result = { packets: 0, malformed: [] as string[], bad: [] as string[], good: {} as Record<string, number> };
  for (const line of text.split("\n").filter(Boolean)) {
    const [number = "", malformed, layers = "", ...found] = line.split("\t");
    result.packets++;
    if (malformed !== "") result.malformed.push(number);
    // An ICMP error quotes the packet that it is about: what is behind the second IP header is that one's.
    const isQuoting = /:icmp(v6)?:ip/.test(layers);
    for (const [at, all] of found.entries()) {
      const protocol = protocols[at] as string;
      if (isQuoting && protocol !== "ip") continue;
      const [status = ""] = all.split(",");
      // 1 is good (newer releases: True).
      if (status === "1" || status === "True") result.good[protocol] = (result.good[protocol] ?? 0) + 1;
      else if (status !== "") result.bad.push(`${protocol} of packet ${number}: ${status}`);
    }
  }
  return result;
}
