import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { checkOpenOptions } from "../../src/device/options.ts";
import { encodeAttributes, NetlinkFormatError } from "../../src/netlink/message.ts";
import { decodeRoute, parseRoute, routeAttributes, routeBody, routeRemovalBody } from "../../src/netlink/route.ts";
import type { RouteLike } from "../../src/netlink/types.ts";
import { formatIP } from "../../src/packet/address-text.ts";
import { failureOf, hex, surround, thrownBy } from "../support/programs.ts";

function concat(...parts: Uint8Array[]): Uint8Array {
  return Uint8Array.from(parts.flatMap((part) => [...part]));
}

/** Returns what the kernel is sent for a new route through interface 7. */
function encoded(like: RouteLike): Uint8Array {
  const route = parseRoute(like);
  return concat(routeBody(route), encodeAttributes(routeAttributes(7, route)));
}

describe("parseRoute(), routeBody() and routeAttributes()", () => {
  test.each([
    {
      name: "a network on the link",
      like: "198.51.100.0/24",
      want: "02 18 00 00 fe 04 fd 01 00000000 0800 0100 c6336400 0800 0400 07000000 0800 0f00 fe000000",
    },
    {
      name: "the default route through a gateway",
      like: { to: "default", via: "192.0.2.2", metric: 5 },
      want: "02 00 00 00 fe 04 00 01 00000000 0800 0100 00000000 0800 0400 07000000 0800 0f00 fe000000 0800 0600 05000000 0800 0500 c0000202",
    },
    {
      name: "an IPv6 default route, by its gateway's family",
      like: { to: "default", via: "2001:db8::2" },
      want: `0a 00 00 00 fe 04 00 01 00000000 1400 0100 ${"00".repeat(16)} 0800 0400 07000000 0800 0f00 fe000000 1400 0500 20010db8000000000000000000000002`,
    },
    {
      name: "an IPv4 route through an IPv6 gateway",
      like: { to: "198.51.100.1", via: "2001:db8::2", onLink: true },
      want: "02 20 00 00 fe 04 00 01 04000000 0800 0100 c6336401 0800 0400 07000000 0800 0f00 fe000000 1600 1200 0a00 20010db8000000000000000000000002 0000",
    },
    {
      name: "a table above 255, a source, an MTU and an advmss",
      like: { to: "198.51.100.0/24", table: 1000, source: "192.0.2.1", mtu: 1300, advmss: 400, scope: "global" },
      want: "02 18 00 00 00 04 00 01 00000000 0800 0100 c6336400 0800 0400 07000000 0800 0f00 e8030000 0800 0700 c0000201 1400 0800 0800 0200 14050000 0800 0800 90010000",
    },
  ] as { name: string; like: RouteLike; want: string }[])("are struct rtmsg and RTA_* of $name", ({ like, want }) => {
    expect(encoded(like)).toEqual(hex(want));
  });

  test("of a removal match whatever scope and protocol the route has", () => {
    const body = routeRemovalBody(parseRoute({ to: "198.51.100.0/24", via: "192.0.2.2" }));
    expect(body).toEqual(hex("02 18 00 00 fe 00 ff 01 00000000"));
  });

  test.each([
    ["198.51.100.1/24", '"198.51.100.0/24"'],
    ["2001:db8::1/64", '"2001:db8::/64"'],
    ["255.255.255.255/31", '"255.255.255.254/31"'],
    ["192.0.2.1/0", '"0.0.0.0/0"'],
  ])("refuse %s, and say which network was meant", (to, meant) => {
    const { kind, message } = failureOf(() => parseRoute(to));
    expect(kind).toBe("RangeError");
    expect(message).toContain(meant);
  });

  test.each([
    ["router"],
    ["198.51.100.0/33"],
    [""],
    [{ to: "2001:db8::/32", via: "192.0.2.1" }],
    [{ to: "198.51.100.0/24", via: "192.0.2.1/24" }],
    [{ to: "198.51.100.0/24", via: "" }],
    [{ to: "198.51.100.0/24", metric: -1 }],
    [{ to: "198.51.100.0/24", metric: 2 ** 32 }],
    [{ to: "198.51.100.0/24", table: 0 }],
    [{ to: "198.51.100.0/24", source: "2001:db8::1" }],
    [{ to: "198.51.100.0/24", mtu: 1 }],
    [{ to: "198.51.100.0/24", advmss: 70000 }],
    [{ to: "198.51.100.0/24", scope: "world" }],
  ] as unknown as [RouteLike][])("throw a RangeError for %j", (like) => {
    expect(failureOf(() => parseRoute(like)).kind).toBe("RangeError");
  });

  test.each([
    [null],
    [undefined],
    [4],
    [{}],
    [{ to: 4 }],
    [{ to: "::/0", gateway: "::1" }],
    [{ to: "::/0", onLink: 1 }],
  ])("throw a TypeError for %j", (like) => {
    expect(failureOf(() => parseRoute(like as unknown as RouteLike)).kind).toBe("TypeError");
  });
});

describe("the option routes", () => {
  test("is checked route by route, before anything is done", () => {
    const { kind, message } = failureOf(() => checkOpenOptions({ routes: ["198.51.100.0/24", "192.0.2.2/33"] }, "tun"));
    expect({ kind, message }).toEqual({ kind: "RangeError", message: expect.stringContaining("192.0.2.2/33") });
  });
});

describe("decodeRoute()", () => {
  test("gives back what routeBody() and routeAttributes() wrote, and parseRoute() takes it", () => {
    const given = fc.constantFrom(4, 16).chain((size) =>
      fc.record(
        {
          network: fc.uint8Array({ minLength: size, maxLength: size }),
          length: fc.nat(size * 8),
          via: fc.uint8Array({ minLength: size, maxLength: size }),
          metric: fc.integer({ min: 1, max: 0xffff_ffff }),
          table: fc.integer({ min: 1, max: 0xffff_ffff }),
          source: fc.uint8Array({ minLength: size, maxLength: size }),
          onLink: fc.constant(true),
          mtu: fc.integer({ min: 68, max: 0xffff }),
          advmss: fc.integer({ min: 1, max: 0xffff }),
        },
        { requiredKeys: ["network", "length"] },
      ),
    );
    fc.assert(
      fc.property(given, ({ network, length, via, source, ...more }) => {
        const masked = network.map((byte, i) => byte & (0xff00 >> Math.min(8, Math.max(0, length - 8 * i))));
        const route = {
          to: `${formatIP(masked)}/${length}`,
          ...(via && { via: formatIP(via) }),
          ...(source && { source: formatIP(source) }),
          ...more,
        };
        const decoded = decodeRoute(surround(encoded(route)));
        expect(decoded).toMatchObject({ index: 7, route: { table: 254, ...route, protocol: "static" } });
        const scope = undefined;
        expect({ ...parseRoute(decoded?.route as RouteLike), scope }).toEqual({ ...parseRoute(route), scope });
      }),
    );
  });

  test.each([
    { name: "a local route", bytes: "02 20 00 00 ff 02 fe 02 00000000 0800 0100 c0000201 0800 0400 07000000" },
    { name: "a route of another family", bytes: "1c 20 00 00 ff 02 fe 01 00000000" },
    { name: "a route of several interfaces", bytes: "02 18 00 00 fe 04 00 01 00000000 0800 0100 c6336400" },
  ])("takes $name for none", ({ bytes }) => {
    expect(decodeRoute(surround(hex(bytes)))).toBeNull();
  });

  test.each([
    { name: "a body cut short", bytes: "02 18 00 00 fe 04 00 01 000000" },
    {
      name: "a destination of 3 bytes",
      bytes: "02 18 00 00 fe 04 00 01 00000000 0800 0400 07000000 0700 0100 c63364 00",
    },
    {
      name: "a gateway of 5 bytes",
      bytes: "02 18 00 00 fe 04 00 01 00000000 0800 0400 07000000 0900 1200 0a00aabbcc 000000",
    },
    { name: "malformed metrics", bytes: "02 18 00 00 fe 04 00 01 00000000 0800 0400 07000000 0800 0800 03000200" },
  ])("throws a NetlinkFormatError for $name", ({ bytes }) => {
    expect(thrownBy(() => decodeRoute(surround(hex(bytes))))).toBeInstanceOf(NetlinkFormatError);
  });
});
