/** capture() on a UDP socket: tshark reads whole packets, with the addresses and ports that they really have. */
import { beforeAll, expect, test } from "bun:test";
import { capture } from "../../src/capture/index.ts";
import { openUdp } from "../../src/udp/index.ts";
import { capinfos, folder, tshark } from "../capture/support.ts";
import { describeWithTools } from "../support/privilege.ts";
import { collect, loopbackUp, numbered } from "./support.ts";

describeWithTools("capture() of a UDP socket", ["ip", "tshark", "capinfos"], () => {
  beforeAll(loopbackUp);

  test.each([
    { family: "IPv4", address: "127.0.0.1", bound: "0.0.0.0" },
    { family: "IPv6", address: "::1", bound: "::" },
  ])("writes datagrams with headers of $family and UDP", async ({ family, address, bound }) => {
    using files = folder();
    const file = files.file("udp.pcapng");
    using server = collect({ address: bound });
    using client = openUdp({ address });
    const running = capture(server.socket, file);
    const sent = [...numbered(3, 100), new Uint8Array(0), new Uint8Array(65_507).fill(1)];
    for (const datagram of sent) client.send(datagram, client.endpoint(address, server.socket.port));
    await server.has(5);
    server.socket.send(new TextEncoder().encode("answer"), server.senders[0]);
    await running.close();
    expect(running.stats().packets).toBe(6);
    expect(capinfos(file)).toMatchObject({ "File encapsulation": "rawip", "Number of packets": "6" });
    const ip = family === "IPv4" ? "ip" : "ipv6";
    const fields = [
      `${ip}.src`,
      "udp.srcport",
      `${ip}.dst`,
      "udp.dstport",
      "udp.length",
      "udp.checksum.status",
      "frame.packet_flags_direction",
    ];
    const read = tshark(file, fields, "-o", "udp.check_checksum:TRUE");
    const [own, theirs] = [
      [address, `${server.socket.port}`],
      [address, `${client.port}`],
    ] as const;
    // Checksum status 1: good. Direction 1: inbound, 2: outbound.
    expect(read).toEqual([
      ...sent.map(({ length }) => [...theirs, ...own, `${length + 8}`, "1", "0x00000001"]),
      [...own, ...theirs, "14", "1", "0x00000002"],
    ]);
    const name = `udp:${family === "IPv4" ? bound : `[${bound}]`}:${server.socket.port}`;
    expect(tshark(file, ["frame.interface_name"])[0]).toEqual([name]);
  });

  test("ends with the socket", async () => {
    using files = folder();
    const file = files.file("udp.pcapng");
    const socket = openUdp({ address: "127.0.0.1" });
    const running = capture(socket, file);
    socket.close();
    await running.finished;
    expect(running.stats()).toEqual({ packets: 0, bytes: 0, dropped: 0 });
    expect(() => capture(socket, file)).toThrow(/ERR_TUNTAP_CLOSED: the socket is closed/);
  });
});
