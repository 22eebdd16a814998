/** What is written is what passed: tshark and capinfos read it, and the device's counters agree. */
import { expect, test } from "bun:test";
import { capture, parseCapture } from "../../src/capture/index.ts";
import { type OpenOptions, openTap, openTun, type Tun } from "../../src/index.ts";
import { buildIPv4, IpProtocol, VNET_HEADER_LENGTH } from "../../src/packet/index.ts";
import { describeWithTools } from "../support/privilege.ts";
import { newFds, openFds, run, until } from "../support/system.ts";
import { capinfos, folder, tshark } from "./support.ts";

const from = "192.0.2.2";
const to = "192.0.2.1";
/** Nobody: what is for it the kernel drops without a word. */
const nobody = "198.51.100.1";

/** An IPv4 packet that the kernel takes, and has no use for. */
function packet(length: number, id: number): Uint8Array {
  const fields = { protocol: 253, source: from, destination: nobody, identification: id };
  return buildIPv4({ ...fields, payload: new Uint8Array(length - 20).fill(id) });
}

function open(options: OpenOptions = {}): Tun {
  return openTun({ addresses: [`${to}/24`], ipv6: false, ...options });
}

describeWithTools("capture()", ["ip", "tshark", "capinfos", "ping"], () => {
  test("writes what comes and goes, with directions, times and the interface's name", async () => {
    using files = folder();
    const file = files.file("a.pcapng");
    let echoed = 0;
    using tun = open({
      data: (device, frames) => {
        for (const frame of frames) {
          const answer = frame.slice();
          answer.set(frame.subarray(16, 20), 12);
          answer.set(frame.subarray(12, 16), 16);
          answer[20] = 0;
          // The checksum of ICMP, RFC 1624: the type has lost 8.
          const sum = ((answer[22] as number) << 8) + (answer[23] as number) + 0x0800;
          new DataView(answer.buffer, answer.byteOffset).setUint16(22, (sum & 0xffff) + (sum >> 16));
          device.send(answer);
          echoed++;
        }
      },
    });
    const before = Date.now();
    const running = capture(tun, file);
    // One after the other, each of which may take its time: several at once wait no longer for a late answer than for others.
    for (let i = 0; i < 5; i++) await Bun.spawn(["ping", "-q", "-c", "1", "-W", "30", from]).exited;
    expect(echoed).toBe(5);
    await running.close();
    const after = Date.now();

    const { framesReceived, framesSent, bytesReceived, bytesSent } = tun.counters();
    expect([framesReceived, framesSent, echoed]).toEqual([5, 5, 5]);
    expect(running.stats()).toEqual({ packets: 10, bytes: bytesReceived + bytesSent, dropped: 0 });
    expect(capinfos(file)).toMatchObject({
      "File type": "pcapng",
      "File encapsulation": "rawip",
      "Number of packets": "10",
      "Data size": `${bytesReceived + bytesSent} bytes`,
      "Capture application": "bun-tuntap",
      "Strict time order": "True",
      Name: tun.name,
    });
    const rows = tshark(file, [
      "frame.packet_flags_direction",
      "icmp.type",
      "icmp.seq",
      "frame.time_epoch",
      "icmp.checksum.status",
    ]);
    expect(rows.map(([direction, type, seq]) => `${direction} ${type} ${seq}`)).toEqual(
      Array(5).fill(["0x00000002 8 1", "0x00000001 0 1"]).flat(),
    );
    for (const [, , , time] of rows) {
      expect(Number(time) * 1000).toBeGreaterThanOrEqual(before - 1);
      expect(Number(time) * 1000).toBeLessThanOrEqual(after + 1);
    }
    expect(rows.every(([, , , , status]) => status === "1")).toBe(true);
  });

  test("keeps what the snap length allows, and says how long each was", async () => {
    using files = folder();
    using tun = open();
    const running = capture(tun, files.file("a.pcapng"), { snapLength: 33 });
    const lengths = [20, 21, 32, 33, 34, 1500];
    expect(tun.sendMany(lengths.map((length, id) => packet(length, id)))).toBe(6);
    await running.close();
    expect(
      tshark(files.file("a.pcapng"), ["frame.len", "frame.cap_len", "ip.id"], "-o", "ip.check_checksum:TRUE"),
    ).toEqual(lengths.map((length, id) => [`${length}`, `${Math.min(33, length)}`, `0x000${id}`]));
    expect(capinfos(files.file("a.pcapng"))["Capture length"]).toBe("33");
  });

  test("writes only one direction, or only frames that a filter takes, if asked to", async () => {
    using files = folder();
    using tun = open();
    await using outbound = capture(tun, files.file("out.pcapng"), { direction: "received" });
    await using odd = capture(tun, files.file("odd.pcapng"), { filter: (frame) => ((frame[5] as number) & 1) === 1 });
    for (let id = 0; id < 10; id++) expect(tun.send(packet(50, id))).toBe(true);
    Bun.spawnSync(["ping", "-c", "1", "-W", "0.01", from]);
    while (tun.tryReceive() !== null);
    expect(outbound.stats().packets).toBe(1);
    await Promise.all([outbound.close(), odd.close()]);
    expect(tshark(files.file("out.pcapng"), ["icmp.type"])).toEqual([["8"]]);
    expect(tshark(files.file("odd.pcapng"), ["ip.id"], "-Y", "ip.proto == 253")).toHaveLength(5);
  });

  test("a filter that throws costs the frame that it was asked about, and is told once a batch", async () => {
    using files = folder();
    const errors: unknown[] = [];
    const mistake = new Error("a mistake in the filter");
    using tun = open({ error: (_device, { cause }) => void errors.push(cause) });
    await using running = capture(tun, files.file("a.pcapng"), {
      filter: (frame) => {
        if (frame[5] === 1 || frame[5] === 3) throw mistake;
        return true;
      },
    });
    expect(tun.sendMany(Array.from({ length: 5 }, (_, id) => packet(60, id)))).toBe(5);
    await running.close();
    expect(errors).toEqual([mistake]);
    expect(tshark(files.file("a.pcapng"), ["ip.id"])).toEqual([["0x0000"], ["0x0002"], ["0x0004"]]);
  });

  test("takes frames that the kernel refuses for what they are: not sent", async () => {
    using files = folder();
    using tun = openTun({ ipv6: false });
    const running = capture(tun, files.file("a.pcapng"));
    expect(() => tun.send(packet(50, 1))).toThrow("EIO");
    tun.up();
    expect(tun.sendMany([packet(50, 2), new Uint8Array(20), packet(50, 3)])).toBe(3);
    await running.close();
    expect(tshark(files.file("a.pcapng"), ["ip.id"], "-Y", "ip.proto == 253")).toEqual([["0x0002"], ["0x0003"]]);
  });

  test("a TAP's are Ethernet", async () => {
    using files = folder();
    using tap = openTap({ addresses: ["192.0.2.1/24"], ipv6: false });
    await using running = capture(tap, files.file("a.pcapng"));
    Bun.spawnSync(["ping", "-c", "1", "-W", "0.01", from]);
    expect(tap.tryReceive()).not.toBeNull();
    await running.close();
    expect(capinfos(files.file("a.pcapng"))["File encapsulation"]).toBe("ether");
    expect(tshark(files.file("a.pcapng"), ["arp.dst.proto_ipv4", "eth.src"])[0]).toEqual([from, tap.mac]);
  });

  test.each([
    { options: { packetInfo: true }, head: 4 },
    { options: { offload: { raw: true } }, head: VNET_HEADER_LENGTH },
  ])("leaves the $head bytes before each frame out: $options", async ({ options, head }) => {
    using files = folder();
    using tun = open(options);
    await using running = capture(tun, files.file("a.pcapng"));
    const frame = new Uint8Array(head + 100);
    frame.set(packet(100, 7), head);
    if (options.packetInfo) frame.set([0, 0, 8, 0]);
    expect(tun.send(frame)).toBe(true);
    await running.close();
    expect(tshark(files.file("a.pcapng"), ["frame.len", "ip.src", "ip.id"])).toEqual([["100", from, "0x0007"]]);
  });

  test("with reuseBuffers and offload each captured packet is intact, though its buffer has been used again", async () => {
    using files = folder();
    const got: Uint8Array[] = [];
    using tun = open({
      reuseBuffers: true,
      offload: true,
      txQueueLength: 2000,
      data: (_, frames) => void got.push(...frames.map((frame) => frame.slice())),
    });
    await using running = capture(tun, files.file("a.pcapng"));
    for (let round = 0; round < 3; round++) {
      const had = got.length;
      run("sh", "-c", `head -c 20000 /dev/urandom | socat -u -b 500 - udp-datagram:${from}:9`);
      await until(() => got.length >= had + 40, "40 datagrams");
    }
    await running.close();
    const kept = [...parseCapture(new Uint8Array(await Bun.file(files.file("a.pcapng")).arrayBuffer()))];
    expect(kept.map(({ frame }) => Bun.hash(frame))).toEqual(got.map((frame) => Bun.hash(frame)));
    expect(got[0]?.[9]).toBe(IpProtocol.UDP);
  });

  test("ends with its device, all written; several run at once; nothing stays open", async () => {
    using files = folder();
    const fds = openFds(/pcapng/);
    const tun = open();
    const running = [1, 2, 3].map((i) => capture(tun, files.file(`${i}.pcapng`)));
    expect(tun.sendMany([packet(100, 1), packet(200, 2)])).toBe(2);
    tun.close();
    await Promise.all(running.map(({ finished }) => finished));
    for (const i of [1, 2, 3]) expect(tshark(files.file(`${i}.pcapng`), ["frame.len"])).toEqual([["100"], ["200"]]);
    expect(newFds(fds, /pcapng/)).toEqual([]);
    expect(() => capture(tun, files.file("4.pcapng"))).toThrow("ERR_TUNTAP_CLOSED");
    expect(await Bun.file(files.file("4.pcapng")).exists()).toBe(false);
  });
});
