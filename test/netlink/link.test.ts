import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { decodeLink, linkBody, linkMtu, linkName, linkTxQueueLength } from "../../src/netlink/link.ts";
import { type Attribute, encodeAttributes, encodeU32, NetlinkFormatError } from "../../src/netlink/message.ts";
import { hex, surround, thrownBy } from "../support/programs.ts";

/** `struct ifinfomsg`: family, pad, type ARPHRD_NONE, index 7, flags UP|POINTOPOINT|NOARP, change. */
const body = "00 00 feff 07000000 91000000 00000000";

function concat(...parts: Uint8Array[]): Uint8Array {
  return Uint8Array.from(parts.flatMap((part) => [...part]));
}

/** An RTM_NEWLINK body with `attributes`, as the kernel gives it. */
function link(...attributes: Attribute[]): Uint8Array {
  return surround(concat(hex(body), encodeAttributes(attributes)));
}

/** IFLA_LINKINFO (18) with IFLA_INFO_KIND (1) and IFLA_INFO_DATA (2). */
function linkInfo(kind: string, data: readonly Attribute[] | undefined): Attribute {
  const parts: Attribute[] = [{ type: 1, value: new TextEncoder().encode(`${kind}\0`) }];
  if (data !== undefined) parts.push({ type: 2, value: encodeAttributes(data) });
  return { type: 18, value: encodeAttributes(parts) };
}

describe("linkBody()", () => {
  test.each([
    { name: "an index alone", bytes: linkBody(7), want: "00000000 07000000 00000000 00000000" },
    { name: "a flag to set", bytes: linkBody(7, 1, 1), want: "00000000 07000000 01000000 01000000" },
    { name: "a flag to clear", bytes: linkBody(0x01020304, 0, 1), want: "00000000 04030201 00000000 01000000" },
    { name: "the highest bits", bytes: linkBody(0, 2 ** 31, 2 ** 32 - 1), want: "00000000 00000000 00000080 ffffffff" },
  ])("is struct ifinfomsg with $name", ({ bytes, want }) => {
    expect(bytes).toEqual(hex(want));
  });
});

describe("linkName(), linkMtu(), linkTxQueueLength()", () => {
  test("are the attributes IFLA_IFNAME, IFLA_MTU and IFLA_TXQLEN", () => {
    expect(encodeAttributes([linkName("tun0"), linkMtu(1500), linkTxQueueLength(1000)])).toEqual(
      hex("0900 0300 74756e3000 000000 0800 0400 dc050000 0800 0d00 e8030000"),
    );
  });
});

const absent = {
  mac: undefined,
  carrier: false,
  alias: undefined,
  master: undefined,
  addressMode: undefined,
  stats: undefined,
};

describe("decodeLink()", () => {
  test("reads what the kernel says of a persistent TAP with an owner", () => {
    const bytes = hex(`${body}
      0900 0300 74756e3000 000000
      0800 0d00 e8030000
      0800 0400 dc050000
      3400 1280
        0800 0100 74756e00
        2800 0200
          0500 0300 02 000000
          0800 0100 e8030000
          0500 0400 00 000000
          0500 0600 01 000000
          0500 0700 01 000000`);
    // IFLA_INFO_DATA: 4 + 8 * 5 = 44 = 0x2c bytes; IFLA_LINKINFO: 4 + 8 + 44 = 56 = 0x38.
    bytes[16 + 28] = 0x38;
    bytes[16 + 28 + 4 + 8] = 0x2c;
    expect(decodeLink(surround(bytes))).toEqual({
      index: 7,
      flags: 0x91,
      name: "tun0",
      mtu: 1500,
      txQueueLength: 1000,
      ...absent,
      tun: {
        kind: "tap",
        packetInfo: false,
        vnetHeader: false,
        multiQueue: true,
        owner: 1000,
        group: undefined,
        persistent: true,
        queues: undefined,
        disabledQueues: 0,
      },
    });
  });

  test("reads a link without attributes", () => {
    expect(decodeLink(link())).toEqual({
      index: 7,
      flags: 0x91,
      name: "",
      mtu: 0,
      txQueueLength: 0,
      ...absent,
      tun: undefined,
    });
  });

  test("reads struct rtnl_link_stats64, 64 bits wide, rx and tx by turns, and ignores what newer kernels add", () => {
    const stats = new BigUint64Array([1n, 2n, 3n, 2n ** 53n - 1n, 5n, 6n, 7n, 8n, 9n, 10n]);
    expect(decodeLink(link({ type: 23, value: new Uint8Array(stats.buffer) }))?.stats).toEqual({
      rxPackets: 1,
      txPackets: 2,
      rxBytes: 3,
      txBytes: 2 ** 53 - 1,
      rxErrors: 5,
      txErrors: 6,
      rxDropped: 7,
      txDropped: 8,
    });
  });

  test.each([
    { name: "a TUN", data: [{ type: 3, value: hex("01") }], want: { kind: "tun", multiQueue: false } },
    { name: "a TAP", data: [{ type: 3, value: hex("02") }], want: { kind: "tap", multiQueue: false } },
    {
      name: "packet information",
      data: [{ type: 4, value: hex("01") }],
      want: { packetInfo: true, vnetHeader: false },
    },
    { name: "virtio headers", data: [{ type: 5, value: hex("01") }], want: { packetInfo: false, vnetHeader: true } },
    { name: "one queue", data: [{ type: 7, value: hex("00") }], want: { kind: "tun", multiQueue: false } },
    { name: "user 0", data: [{ type: 1, value: encodeU32(0) }], want: { kind: "tun", owner: 0 } },
    { name: "group 0", data: [{ type: 2, value: encodeU32(0) }], want: { kind: "tun", group: 0 } },
    { name: "the highest ids", data: [{ type: 1, value: encodeU32(0xffff_fffe) }], want: { owner: 0xffff_fffe } },
  ])("reads of IFLA_INFO_DATA $name", ({ data, want }) => {
    expect(decodeLink(link(linkInfo("tun", data)))?.tun).toMatchObject(want);
  });

  test.each([
    { name: "another kind", info: linkInfo("veth", []) },
    { name: "another kind, whose data look different", info: linkInfo("dummy", [{ type: 3, value: hex("02") }]) },
    { name: "no data (kernels before 4.17)", info: linkInfo("tun", undefined) },
    { name: "nothing", info: { type: 18, value: new Uint8Array(0) } },
  ])("takes an interface for none of the driver's with $name", ({ info }) => {
    expect(decodeLink(link(info))?.tun).toBeUndefined();
  });

  test.each([
    { name: "a body cut short", bytes: surround(hex(body).subarray(0, 15)) },
    { name: "an MTU of 2 bytes", bytes: link({ type: 4, value: hex("dc05") }) },
    { name: "counters cut short", bytes: link({ type: 23, value: new Uint8Array(63) }) },
    { name: "malformed IFLA_LINKINFO", bytes: link({ type: 18, value: hex("0300 0100") }) },
    { name: "an owner of 8 bytes", bytes: link(linkInfo("tun", [{ type: 1, value: new Uint8Array(8) }])) },
  ])("throws a NetlinkFormatError for $name", ({ bytes }) => {
    expect(thrownBy(() => decodeLink(bytes))).toBeInstanceOf(NetlinkFormatError);
  });

  test("gives back name, MTU and queue length as they were written", () => {
    const name = fc.stringMatching(/^[a-z0-9é]{1,7}$/);
    fc.assert(
      fc.property(name, fc.nat(0xffff_ffff), fc.nat(0xffff_ffff), fc.nat(0x7fff_ffff), (name, mtu, queue, index) => {
        const attributes = encodeAttributes([linkName(name), linkMtu(mtu), linkTxQueueLength(queue)]);
        const bytes = surround(concat(linkBody(index, 0xffff_ffff), attributes));
        expect(decodeLink(bytes)).toMatchObject({ index, name, mtu, txQueueLength: queue, flags: 0xffff_ffff });
      }),
    );
  });
});
