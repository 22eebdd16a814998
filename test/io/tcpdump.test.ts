import { expect, test } from "bun:test";
import { openTap } from "../../src/index.ts";
import { makeFrame } from "../support/frames.ts";
import { describeWithTools } from "../support/privilege.ts";
import { quietIPv6, run } from "../support/system.ts";

/** The packets of a pcap file in this machine's byte order (pcap-savefile(5)): a 24-byte header, then 16 bytes before each. */
function packetsOf(pcap: Uint8Array): Uint8Array[] {
  const view = new DataView(pcap.buffer, pcap.byteOffset, pcap.byteLength);
  const packets: Uint8Array[] = [];
  for (let at = 24; at < pcap.length; ) {
    const captured = view.getUint32(at + 8, true);
    expect(view.getUint32(at + 12, true)).toBe(captured);
    packets.push(pcap.slice(at + 16, at + 16 + captured));
    at += 16 + captured;
  }
  return packets;
}

describeWithTools("tcpdump on a TAP", ["tcpdump", "ip"], () => {
  test("sees the very bytes that send() gave and receive() got, in order", async () => {
    quietIPv6();
    const each = 50;
    using tap = openTap({ addresses: ["192.0.2.1/24"], mtu: 9000 });
    run("ip", "neigh", "add", "192.0.2.2", "lladdr", "02:00:5e:00:53:02", "dev", tap.name);
    // The ring has a slot of the snap length for each frame, 2 MiB of them by default: too few for all of these.
    const ring = ["-s", "9100", "-B", "16384", "--immediate-mode"];
    const command = ["tcpdump", "-i", tap.name, "-w", "-", ...ring, "-c", String(2 * each)];
    const tcpdump = Bun.spawn(command, { stderr: "pipe" });
    const capture = tcpdump.stdout.bytes();
    const messages = tcpdump.stderr.pipeThrough(new TextDecoderStream()).getReader();
    for (let heard = ""; !heard.includes("listening on"); ) heard += (await messages.read()).value ?? "";

    const sent = Array.from({ length: each }, (_, number) => {
      const frame = new Uint8Array(14 + number * 100);
      makeFrame(frame, number);
      return frame;
    });
    expect(tap.sendMany(sent)).toBe(each);
    // Not flood(): what skips the queueing discipline, tcpdump does not see.
    const socket = await Bun.udpSocket({ hostname: "192.0.2.1" });
    const received: Uint8Array[] = [];
    for (let i = 0; i < each; i++) {
      socket.send(new Uint8Array(i * 179).fill(i), 9, "192.0.2.2");
      received.push((await tap.receive()) as Uint8Array);
    }
    socket.close();

    const packets = packetsOf(await capture);
    expect(packets.slice(0, each)).toEqual(sent);
    expect(packets.slice(each)).toEqual(received.map((frame) => Uint8Array.from(frame)));
  });
});
