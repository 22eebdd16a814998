import { expect, describe as group, test } from "bun:test";
import fc from "fast-check";
import { buildEthernet, describe, parseEthernet } from "../../src/packet/index.ts";
import { describeWithTools } from "../support/privilege.ts";
import { codecs, uint8 } from "./codecs.ts";
import { tcpdumpLines } from "./dissect.ts";
import { frames } from "./golden/traffic.ts";
import { icmpv6, ipv4, made, tagged, tcp, unknownType } from "./made.ts";
import { hex, surround } from "./support.ts";

const packets = [...frames, ...made].map(parseEthernet).filter(({ etherType }) => etherType !== 0x0806);

/** The words that are not tcpdump's (of release 4.99.3), and why. */
const differences: readonly { why: string; frame: Uint8Array; ours: string; theirs: string }[] = [
  {
    why: "a tag is named without -e too, for it is what tells packets of two VLANs apart",
    frame: tagged[0]!,
    ours: "vlan 5, p 3, IP 192.0.2.1 > 192.0.2.2: ICMP echo request, id 1, seq 1, length 64",
    theirs: "IP 192.0.2.1 > 192.0.2.2: ICMP echo request, id 1, seq 1, length 64",
  },
  {
    why: "so is each of several",
    frame: tagged[1]!,
    ours: "vlan 100, p 0, DEI, vlan 42, p 0, IP 192.0.2.1 > 192.0.2.2: ICMP echo request, id 1, seq 1, length 64",
    theirs: "IP 192.0.2.1 > 192.0.2.2: ICMP echo request, id 1, seq 1, length 64",
  },
  {
    why: "no hexadecimal dump follows",
    frame: unknownType,
    ours: "02:00:5e:00:53:01 > 02:00:5e:00:53:02, ethertype Unknown (0x88b5), length 17",
    theirs: "02:00:5e:00:53:01 > 02:00:5e:00:53:02, ethertype Unknown (0x88b5), length 17: ",
  },
  {
    why: "a blank that they forget",
    frame: icmpv6(131, 0, 0, 0, 0, ...hex("20010db8000000000000000000000009")),
    ours: "IP6 2001:db8::1 > 2001:db8::2: ICMP6, multicast listener report max resp delay: 0 addr: 2001:db8::9, length 24",
    theirs:
      "IP6 2001:db8::1 > 2001:db8::2: ICMP6, multicast listener reportmax resp delay: 0 addr: 2001:db8::9, length 24",
  },
  {
    why: "a TCP option that this library does not know goes by its number",
    frame: tcp([{ kind: "unknown", number: 254, data: hex("0102") }]),
    ours: "IP 192.0.2.1.4321 > 192.0.2.2.4444: Flags [.], ack 7, win 65535, options [unknown-254 0x0102], length 0",
    theirs: "IP 192.0.2.1.4321 > 192.0.2.2.4444: Flags [.], ack 7, win 65535, options [exp-0102], length 0",
  },
  {
    why: "a protocol that this library does not know goes by its number",
    frame: ipv4(50, new Uint8Array(24)),
    ours: "IP 192.0.2.1 > 192.0.2.2:  ip-proto-50 24",
    theirs: "IP 192.0.2.1 > 192.0.2.2: ESP(spi=0x00000000,seq=0x0), length 24",
  },
  {
    why: "what is malformed is told in our words",
    frame: ipv4(6, new Uint8Array(8)),
    ours: "IP 192.0.2.1 > 192.0.2.2: malformed: Cannot parse TCP at byte 8: found 8 bytes, wanted at least 20",
    theirs: "IP 192.0.2.1.0 > 192.0.2.2.0:  [|tcp]",
  },
];

describeWithTools("describe(), with tcpdump as the reference", ["tcpdump"], () => {
  test("says of what a kernel sent what tcpdump says, line by line", async () => {
    const lines = await tcpdumpLines(frames, "tap");
    expect(frames.map((frame) => describe(frame, "tap"))).toEqual(lines);
    expect(frames.map((frame) => describe(frame))).toEqual(lines);
    expect(lines.length).toBeGreaterThan(90);
  });

  test("so too of rarer types, codes, options and headers", async () => {
    expect(made.map((frame) => describe(frame, "tap"))).toEqual(await tcpdumpLines(made, "tap"));
  });

  test("so too of the packets without their Ethernet header", async () => {
    const bytes = packets.map(({ payload }) => payload);
    const lines = await tcpdumpLines(bytes, "tun");
    expect(bytes.map((packet) => describe(packet, "tun"))).toEqual(lines);
    expect(bytes.map((packet) => describe(packet))).toEqual(lines);
  });

  test("differs where it is better, and nowhere else", async () => {
    const lines = await tcpdumpLines(
      differences.map(({ frame }) => frame),
      "tap",
    );
    expect(lines).toEqual(differences.map(({ theirs }) => theirs));
    expect(differences.map(({ frame }) => describe(frame, "tap"))).toEqual(differences.map(({ ours }) => ours));
  });
});

group("describe()", () => {
  test.each([
    ["nothing", "", "tun", "malformed: no bytes"],
    ["nothing", "", "tap", "malformed: Cannot parse Ethernet at byte 0: found 0 bytes, wanted a header of at least 14"],
    ["another version", "50000000", "tun", "unknown IP version 5, length 4"],
    ["half a header", "4500", "tun", "IP malformed: Cannot parse IPv4 at byte 2: found 2 bytes, wanted at least 20"],
    ["half a header", "6000", "tun", "IP6 malformed: Cannot parse IPv6 at byte 2: found 2 bytes, wanted at least 40"],
    [
      "a tag and nothing",
      "02005e005302 02005e005301 8100 0005 0806",
      "tap",
      "vlan 5, p 0, ARP, malformed: Cannot parse ARP at byte 0: found 0 bytes, wanted at least 28",
    ],
    [
      "IEEE 802.3",
      "02005e005302 02005e005301 0004 42420300",
      "tap",
      "02:00:5e:00:53:01 > 02:00:5e:00:53:02, 802.3, length 18",
    ],
  ] as const)("says what is malformed: %s (%s, %s)", (_, bytes, kind, line) => {
    expect(describe(hex(bytes), kind)).toBe(line);
  });

  test("never throws, says one line, and looks at no byte outside, whatever the bytes are", () => {
    const cut = fc
      .tuple(
        fc.constantFrom(...frames, ...made, ...tagged),
        fc.nat(120),
        fc.array(fc.tuple(fc.nat(120), uint8), { maxLength: 4 }),
      )
      .map(([frame, length, edits]) => {
        const bytes = frame.slice(0, length === 0 ? frame.length : length);
        for (const [at, value] of edits) if (at < bytes.length) bytes[at] = value;
        return bytes;
      });
    const any = fc.oneof(fc.uint8Array({ maxLength: 120 }), ...codecs.map(({ valid }) => valid), cut, cut);
    fc.assert(
      fc.property(
        any,
        fc.constantFrom(undefined, "tun" as const, "tap" as const),
        fc.boolean(),
        (given, kind, headless) => {
          const bytes = headless ? given.subarray(14) : given;
          const line = describe(surround(bytes, 0xa5), kind);
          // Printable, and one line.
          expect(line).toMatch(/^[ -~]+$/);
          expect(describe(surround(bytes, 0x00), kind)).toBe(line);
        },
      ),
      { numRuns: 5000 },
    );
  });

  test("takes for a packet what is one, though its source address reads as an EtherType", () => {
    // 8.0.69.0 is 0x0800 and 0x45; the third group of 2001:db8:806:: is the EtherType of ARP.
    const inside = { destination: "192.0.2.2", protocol: 253, payload: new Uint8Array(40) };
    for (const source of ["8.0.69.0", "8.6.0.1", "129.0.0.5", "134.221.96.0"]) {
      const { payload } = parseEthernet(ipv4(253, inside.payload, { source }));
      expect(describe(payload)).toBe(`IP ${source} > 192.0.2.2:  ip-proto-253 40`);
    }
  });

  test("takes for a frame what is one, though its destination reads as an IP version", () => {
    for (const destination of ["44:00:00:36:00:01", "60:00:00:00:00:1c"]) {
      for (const frame of frames) {
        const { etherType, payload } = parseEthernet(frame);
        const same = buildEthernet({ destination, source: "02:00:5e:00:53:01", etherType, payload });
        expect(describe(same)).toBe(describe(frame, "tap"));
      }
    }
  });

  test("refuses what is not bytes, and what is no kind", () => {
    expect(() => describe("45" as never)).toThrow(TypeError);
    expect(() => describe(new Uint8Array(20), "tum" as never)).toThrow('"kind" is "tum", wanted "tun" for IP packets');
    expect(() => describe(new Uint8Array(20), 4 as never)).toThrow(TypeError);
  });
});
