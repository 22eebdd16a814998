/** Checksums of whole packets, where what a kernel sends shows nothing; see traffic.test.ts for that. */
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import * as packet from "../../src/packet/index.ts";
import { codecs, payload, uint16 } from "./codecs.ts";
import { ipv6 } from "./made.ts";
import { hex, referenceChecksum, surround } from "./support.ts";

const { fillChecksums, IpProtocol, PacketError, verifyChecksums } = packet;
const ends = { source: "192.0.2.1", destination: "192.0.2.2" };
const ends6 = { source: "2001:db8::1", destination: "2001:db8::2" };
const ports = { sourcePort: 4321, destinationPort: 33434 };

function ipv4With(bytes: Uint8Array, fields: Partial<packet.IPv4Fields> = {}): Uint8Array {
  return packet.buildIPv4({ ...ends, protocol: IpProtocol.UDP, payload: bytes, ...fields });
}

/** A datagram whose checksum comes out as zero, which is sent as 0xffff. */
function datagramOfSumZero(of: packet.IpEnds): Uint8Array {
  const { checksum } = packet.parseUdp(packet.buildUdp({ ...of, ...ports, payload: new Uint8Array(2) }));
  return packet.buildUdp({ ...of, ...ports, payload: Uint8Array.of(checksum >> 8, checksum & 0xff) });
}

describe("the checksum of UDP", () => {
  test.each([
    ["IPv4", ends, (bytes: Uint8Array) => ipv4With(bytes)],
    ["IPv6", ends6, (bytes: Uint8Array) => packet.buildIPv6({ ...ends6, nextHeader: 17, payload: bytes })],
  ] as const)("is 0xffff where it comes out as zero, over %s", (_, of, wrap) => {
    const datagram = datagramOfSumZero(of);
    expect(packet.parseUdp(datagram).checksum).toBe(0xffff);
    const bytes = wrap(datagram);
    expect(verifyChecksums(bytes, "tun")).toMatchObject({ upperLayer: true, valid: true });
    const empty = bytes.slice();
    empty.set([0, 0], bytes.length - datagram.length + 6);
    fillChecksums(empty);
    expect(empty).toEqual(bytes as Uint8Array<ArrayBuffer>);
  });

  test("is none where it is zero over IPv4, and wrong over IPv6", () => {
    const datagram = packet.buildUdp({ ...ends, ...ports, payload: new Uint8Array(3) });
    datagram.set([0, 0], 6);
    expect(verifyChecksums(ipv4With(datagram), "tun")).toEqual({ ipHeader: true, upperLayer: null, valid: true });
    const over6 = packet.buildIPv6({ ...ends6, nextHeader: 17, payload: datagram });
    expect(verifyChecksums(over6, "tun")).toEqual({ ipHeader: null, upperLayer: false, valid: false });
  });
});

describe("verifyChecksums()", () => {
  test("finds none in ARP, and none that can be told in fragments and other protocols", () => {
    const none = { upperLayer: null, valid: true };
    expect(verifyChecksums(hex("ffffffffffff 02005e005301 0806"), "tap")).toEqual({ ipHeader: null, ...none });
    const pieces = [{ moreFragments: true }, { fragmentOffset: 8 }, { protocol: 132 }, { protocol: IpProtocol.ICMPV6 }];
    for (const fields of pieces) {
      expect(verifyChecksums(ipv4With(new Uint8Array(64), fields), "tun")).toEqual({ ipHeader: true, ...none });
    }
    const routed = packet.parseEthernet(ipv6(43, Uint8Array.of(17, 0, 9, 1, 0, 0, 0, 0))).payload;
    expect(verifyChecksums(routed, "tun")).toEqual({ ipHeader: null, ...none });
  });

  test("refuses what is malformed, and fillChecksums() writes nothing then", () => {
    for (const [protocol, length] of [
      [IpProtocol.UDP, 7],
      [IpProtocol.UDP, 12],
      [IpProtocol.TCP, 19],
      [IpProtocol.ICMP, 7],
    ] as const) {
      const bytes = ipv4With(new Uint8Array(length), { protocol });
      bytes.set([0, 0], 10);
      const before = bytes.slice();
      expect(() => verifyChecksums(bytes, "tun")).toThrow(PacketError);
      expect(() => fillChecksums(bytes)).toThrow(PacketError);
      expect(bytes).toEqual(before);
    }
    expect(() => fillChecksums(new Uint8Array(0))).toThrow(PacketError);
    for (const wrong of ["45", null, undefined, {}]) {
      expect(() => fillChecksums(wrong as never)).toThrow(/^"packet" is .*, wanted a Uint8Array$/);
    }
    expect(() => verifyChecksums(new Uint8Array(40), "ip" as never)).toThrow('"kind" is "ip"');
  });

  test("agrees with fillChecksums() of any bytes, which writes inside of them alone", () => {
    const ip = codecs.filter(({ name }) => name.startsWith("IP")).map(({ valid }) => valid);
    const typed = fc.tuple(fc.oneof(...ip), fc.constantFrom(1, 6, 17, 58)).map(([bytes, protocol]) => {
      bytes[bytes[0]! >> 4 === 4 ? 9 : 6] = protocol;
      return bytes;
    });
    fc.assert(
      fc.property(fc.oneof(typed, typed, ...ip, fc.uint8Array({ maxLength: 80 })), (given) => {
        const bytes = surround(given, 0xa5);
        try {
          fillChecksums(bytes);
        } catch (error) {
          expect(error).toBeInstanceOf(PacketError);
          expect(bytes).toEqual(given as Uint8Array<ArrayBuffer>);
          return;
        }
        expect(verifyChecksums(bytes, "tun").valid).toBe(true);
        const margins = [...new Uint8Array(bytes.buffer)].filter((_, i) => i < 67 || i >= 67 + bytes.length);
        expect(margins.every((octet) => octet === 0xa5)).toBe(true);
      }),
      { numRuns: 3000 },
    );
  });
});

describe("pseudoHeaderSum()", () => {
  test("is the sum of RFC 9293 section 3.1 and RFC 8200 section 8.1", () => {
    // Addresses, protocol and length, word for word.
    const four = hex("c0000201 c0000202 0006 0014");
    const six = hex("20010db8000000000000000000000001 20010db8000000000000000000000002 00012345 0000003a");
    for (const [sum, bytes] of [
      [packet.pseudoHeaderSum(ends.source, ends.destination, 6, 20), four],
      [packet.pseudoHeaderSum(ends6.source, ends6.destination, 58, 0x12345), six],
      [packet.pseudoHeaderSum(four.subarray(0, 4), four.subarray(4, 8), 6, 20), four],
    ] as const) {
      expect(packet.checksum(new Uint8Array(0), sum)).toBe(referenceChecksum(bytes));
    }
  });

  test.each([
    ["192.0.2.1", "2001:db8::1", '"destination" is "2001:db8::1", wanted an address of IPv4, as "source" is'],
    ["2001:db8::1", "192.0.2.1", '"destination" is "192.0.2.1", wanted an address of IPv6, as "source" is'],
    ["192.0.2", "192.0.2.1", '"source" is "192.0.2", wanted an address such as'],
    ["192.0.2.1", new Uint8Array(5), '"destination" is 5 bytes, wanted an address such as'],
    [7 as never, "192.0.2.1", '"source" is 7, wanted an address such as'],
  ])("refuses %p to %p", (source, destination, message) => {
    expect(() => packet.pseudoHeaderSum(source, destination, 6, 20)).toThrow(message);
  });
});

describe("updateChecksum()", () => {
  const { updateChecksum, updateUdpChecksum } = packet;
  const edge = fc.oneof(uint16, fc.constantFrom(0, 1, 0x7fff, 0x8000, 0xfffe, 0xffff));

  test("is what summing anew gives, for any data but zeros and any word of it", () => {
    // RFC 1624 section 3: what equation 1 gets wrong is where sums are 0 or 0xffff, so they are frequent here.
    const words = fc.array(edge, { minLength: 2, maxLength: 12 });
    fc.assert(
      fc.property(words, fc.nat(), edge, (before, nth, word) => {
        const at = nth % before.length;
        const after = before.with(at, word);
        const sums = [before, after].map((all) =>
          referenceChecksum(Uint8Array.from(all.flatMap((w) => [w >> 8, w & 0xff]))),
        );
        if (after.every((w) => w === 0)) return;
        expect(updateChecksum(sums[0]!, before[at]!, word)).toBe(sums[1]!);
      }),
      { numRuns: 20_000 },
    );
  });

  test("is so for each old and new word next to another, the edges with every word", () => {
    const edges = [0, 1, 2, 0x7fff, 0x8000, 0xfffe, 0xffff];
    for (const other of [1, 0x8000, 0xffff]) {
      for (const edge of edges) {
        for (let word = 0; word <= 0xffff; word++) {
          const sum = (a: number, b: number): number => ~(a + b > 0xffff ? a + b - 0xffff : a + b) & 0xffff;
          if (updateChecksum(sum(other, edge), edge, word) !== sum(other, word))
            throw new Error(`${other} ${edge} ${word}`);
          if (updateChecksum(sum(other, word), word, edge) !== sum(other, edge))
            throw new Error(`${other} ${word} ${edge}`);
        }
      }
    }
  });

  test("takes the example of RFC 1624 section 4, which equation 2 gets wrong", () => {
    expect(updateChecksum(0xdd2f, 0x5555, 0x3285)).toBe(0x0000);
  });

  test("takes bytes, as of an address that is translated", () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ minLength: 8, maxLength: 60 }),
        fc.nat(6),
        fc.uint8Array({ minLength: 8, maxLength: 8 }),
        (data, at, piece) => {
          const [start, length] = [2 * Math.min(at, Math.floor((data.length - 8) / 2)), 8];
          data.set([0x45], 0);
          piece.set([0x46], 0);
          const after = data.slice();
          after.set(piece, start);
          const before = data.subarray(start, start + length);
          expect(updateChecksum(referenceChecksum(data), before, piece)).toBe(referenceChecksum(after));
        },
      ),
    );
  });

  test("heeds for UDP that zero means none", () => {
    expect(updateUdpChecksum(0, 1, 2)).toBe(0);
    expect(updateChecksum(0xdd2f, 0x5555, 0x3285)).toBe(0);
    expect(updateUdpChecksum(0xdd2f, 0x5555, 0x3285)).toBe(0xffff);
    fc.assert(
      fc.property(payload, edge, edge, edge, (data, sourcePort, destinationPort, port) => {
        const [before, after] = [destinationPort, port].map(
          (to) =>
            packet.parseUdp(packet.buildUdp({ ...ends, sourcePort, destinationPort: to, payload: data })).checksum,
        );
        expect(updateUdpChecksum(before!, destinationPort, port)).toBe(after!);
      }),
      { numRuns: 3000 },
    );
  });

  test("refuses wrong arguments", () => {
    expect(() => updateChecksum(0x1_0000, 0, 0)).toThrow('"before" is 65536, wanted an integer from 0 to 65535');
    expect(() => updateChecksum(0, -1, 0)).toThrow('"from" is -1');
    expect(() => updateChecksum(0, 0, 1.5)).toThrow('"to" is 1.5');
    expect(() => updateChecksum(0, new Uint8Array(3), new Uint8Array(3))).toThrow('"from" is 3 bytes, wanted an even');
    expect(() => updateChecksum(0, new Uint8Array(4), new Uint8Array(2))).toThrow('"to" is 2 bytes, wanted 4 bytes');
    expect(() => updateChecksum(0, new Uint8Array(4), 4 as never)).toThrow(TypeError);
    expect(() => updateChecksum(0, "ab" as never, 4)).toThrow(TypeError);
  });
});
