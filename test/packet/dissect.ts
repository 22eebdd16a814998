/** What programs that we did not write say of frames: tshark in fields, tcpdump in a line each. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

// www.tcpdump.org/linktypes.html
const LINKTYPE_ETHERNET = 1;
const LINKTYPE_RAW = 101;

// Newer releases of tshark print these, where older ones print numbers.
const booleans: Record<string, string> = { True: "1", False: "0" };

/** A capture file in the classic format: big-endian, microseconds. */
function pcap(records: readonly Uint8Array[], linkType: number): Uint8Array {
  const file: number[] = [];
  const words = (...values: number[]) => file.push(...values.flatMap((v) => [v >>> 24, v >>> 16, v >>> 8, v]));
  words(0xa1b2c3d4, 0x0002_0004, 0, 0, 65535, linkType);
  for (const [i, record] of records.entries()) {
    words(i, 0, record.length, record.length);
    file.push(...record);
  }
  return Uint8Array.from(file);
}

/** Runs a program on a capture of the records; gives what it prints. */
async function read(records: readonly Uint8Array[], linkType: number, command: readonly string[]): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), "bun-tuntap-packet-"));
  try {
    const path = join(folder, "built.pcap");
    writeFileSync(path, pcap(records, linkType));
    const child = Bun.spawn([...command, "-r", path], { stdout: "pipe", stderr: "pipe" });
    const [stdout, stderr] = await Promise.all([child.stdout.text(), child.stderr.text()]);
    if ((await child.exited) !== 0) throw new Error(`${command[0]} failed: ${stderr}`);
    return stdout;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** A row for each frame; of fields that are there more than once, as where an error quotes a packet, the first. */
export async function dissect(records: readonly Uint8Array[], fields: readonly string[]): Promise<string[][]> {
  const columns = fields.flatMap((field) => ["-e", field]);
  const protocols = ["ip", "tcp", "udp"];
  const checked = protocols.flatMap((name) => ["-o", `${name}.check_checksum:TRUE`]);
  const plain = ["ip.defragment", "ipv6.defragment", "tcp.relative_sequence_numbers", "tcp.desegment_tcp_streams"];
  const options = [...checked, ...plain.flatMap((name) => ["-o", `${name}:FALSE`])];
  const command = ["tshark", "-n", ...options, "-T", "fields", "-E", "occurrence=f", ...columns];
  const lines = (await read(records, LINKTYPE_ETHERNET, command)).split("\n").slice(0, -1);
  return lines.map((line) => line.split("\t").map((value) => booleans[value] ?? value));
}

/** A line for each frame or packet, without its time; sequence numbers as they are on the wire. */
export async function tcpdumpLines(records: readonly Uint8Array[], kind: "tun" | "tap"): Promise<string[]> {
  const linkType = kind === "tap" ? LINKTYPE_ETHERNET : LINKTYPE_RAW;
  const text = await read(records, linkType, ["tcpdump", "-n", "-S", "-t"]);
  // What it cannot read it dumps, in lines that begin with a tab.
  return text.split("\n").filter((line) => line !== "" && !line.startsWith("\t"));
}
