/** What IPv6 says of its own accord, by the `ipv6` option: read from the devices themselves, which get all that the kernel sends. */
import { expect, setDefaultTimeout, test } from "bun:test";
import type { Device } from "../../src/index.ts";
import { kinds, shownLink, withKernelsIPv6 } from "../interface/support.ts";
import { describePrivileged } from "../support/privilege.ts";
import { run, until } from "../support/system.ts";
import { persistentInterface } from "./support.ts";

const [{ open: openTun }, { open: openTap }] = kinds as [(typeof kinds)[number], (typeof kinds)[number]];

// The kernel takes a second or two to solicit a router.
setDefaultTimeout(60_000);

// RFC 4861 sections 4.1 and 4.3, RFC 3810 section 5.2
const ROUTER_SOLICITATION = 133;
const NEIGHBOR_SOLICITATION = 135;
const MLD_REPORT = 143;

/** The ICMPv6 type of a packet, behind a hop-by-hop header, too; undefined for another protocol. */
function icmpType(device: Device, frame: Uint8Array): number | undefined {
  const packet = device.kind === "tap" ? frame.subarray(14) : frame;
  const at = packet[6] === 0 ? 48 : 40;
  const next = packet[6] === 0 ? packet[40] : packet[6];
  return (packet[0] as number) >> 4 === 6 && next === 58 ? packet[at] : undefined;
}

/** Collects what a device receives: the frames, and their ICMPv6 types. */
function collecting(): { frames: Uint8Array[]; types: (number | undefined)[]; data(d: Device, f: Uint8Array[]): void } {
  const [frames, types]: [Uint8Array[], (number | undefined)[]] = [[], []];
  return {
    frames,
    types,
    data(device, batch) {
      frames.push(...batch);
      types.push(...batch.map((frame) => icmpType(device, frame)));
    },
  };
}

/** Has the kernel send something to a neighbour on the device's network, and returns what arrives. */
async function sentinel(frames: readonly Uint8Array[], from: string, to: string): Promise<Uint8Array> {
  const socket = await Bun.udpSocket({ hostname: from });
  try {
    const before = frames.length;
    socket.send("sentinel", 9, to);
    await until(() => frames.length > before, "a frame that was asked for");
    return frames.at(-1) as Uint8Array;
  } finally {
    socket.close();
  }
}

const linkLocal = (device: Device): string[] =>
  device.addresses().flatMap(({ address, scope }) => (scope === "link" ? [address] : []));

describePrivileged("the option ipv6", () => {
  withKernelsIPv6();

  test.each(kinds)("false: nothing at all arrives on a $kind, while another says what IPv6 says", async ({ open }) => {
    const [quiet, usual] = [collecting(), collecting()];
    using silent = open({ name: "silent0", ipv6: false, up: true, data: quiet.data });
    using device = open({ name: "usual0", up: true, data: usual.data });
    expect([shownLink("silent0").inet6_addr_gen_mode, silent.addresses()]).toEqual(["none", []]);
    expect(linkLocal(device)).toHaveLength(1);
    await until(() => usual.types.includes(ROUTER_SOLICITATION), "a router solicitation", 10_000);
    if (device.kind === "tap") {
      expect(usual.types).toContain(NEIGHBOR_SOLICITATION);
      expect(usual.types).toContain(MLD_REPORT);
    }
    expect(quiet.frames).toEqual([]);
    // It would have arrived: what is asked for does.
    silent.addAddress("192.0.2.1/24");
    const frame = await sentinel(quiet.frames, "192.0.2.1", "192.0.2.2");
    expect(quiet.frames).toEqual([frame]);
  });

  test.each(kinds)("true, or absent: a $kind makes itself a link-local address", ({ open }) => {
    using asked = open({ name: "usual1", ipv6: true, up: true });
    using usual = open({ name: "usual2", up: true });
    for (const device of [asked, usual]) {
      expect(linkLocal(device)).toEqual([expect.stringMatching(/^fe80::.*\/64$/)]);
      expect(run("ip", "-6", "address", "show", "dev", device.name)).toContain(linkLocal(device)[0] as string);
    }
  });

  test("false: an IPv6 address that is given works, and is the only one", async () => {
    const { frames, data } = collecting();
    using device = openTun({ ipv6: false, addresses: ["2001:db8::1/64"], data });
    expect(device.addresses().map(({ address }) => address)).toEqual(["2001:db8::1/64"]);
    await until(() => !device.addresses()[0]?.tentative, "it is usable");
    const packet = await sentinel(frames, "2001:db8::1", "2001:db8::2");
    expect(packet.subarray(8, 40).toHex()).toBe(
      "20010db8000000000000000000000001" + "20010db8000000000000000000000002",
    );
  });

  test.each(kinds)("setIPv6() decides of a $kind for the next time that it comes up", ({ open }) => {
    using device = open({ name: "later0", ipv6: false, up: true });
    device.setIPv6(true);
    expect(linkLocal(device)).toEqual([]);
    device.down();
    device.up();
    expect(linkLocal(device)).toHaveLength(1);
    device.setIPv6(false);
    expect(linkLocal(device)).toHaveLength(1);
    device.down();
    device.up();
    expect(linkLocal(device)).toEqual([]);
    expect(shownLink("later0").inet6_addr_gen_mode).toBe("none");
  });

  test.each(["eui64", "random"])("true leaves the way of a persistent interface, %s, to whoever chose it", (mode) => {
    using _made = persistentInterface("later1", "tap");
    run("ip", "link", "set", "later1", "addrgenmode", mode);
    using device = openTap({ name: "later1", ipv6: true });
    expect(shownLink("later1").inet6_addr_gen_mode).toBe(mode);
    device.setIPv6(true);
    expect(shownLink("later1").inet6_addr_gen_mode).toBe(mode);
  });

  test("true where a namespace makes none by default: it does here", () => {
    using _made = persistentInterface("later2", "tap");
    run("ip", "link", "set", "later2", "addrgenmode", "none");
    using device = openTap({ name: "later2", ipv6: true, up: true });
    expect(linkLocal(device)).toHaveLength(1);
  });

  test.each(kinds)(
    "false: a $kind says nothing after an MTU below 1280 and back, and keeps its IPv4 routes",
    async ({ open }) => {
      const { frames, data } = collecting();
      const [addresses, routes] = [["192.0.2.1/24"], ["198.51.100.0/24"]];
      using silent = open({ name: "silent1", ipv6: false, addresses, routes, data });
      const usual = collecting();
      using device = open({ name: "usual3", up: true, mtu: 1000, data: usual.data });
      const before = silent.routes();
      silent.setMtu(1000);
      silent.setMtu(1400);
      expect(silent.addresses().map(({ address }) => address)).toEqual(addresses);
      expect(shownLink("silent1").inet6_addr_gen_mode).toBe("none");
      expect(silent).toMatchObject({ isUp: true, mtu: 1400 });
      expect(silent.routes()).toEqual(before);
      // Another one that comes back says what IPv6 says, so this one would have, too.
      device.setMtu(1400);
      await until(() => usual.types.includes(ROUTER_SOLICITATION), "a router solicitation", 10_000);
      expect(frames).toEqual([]);
    },
  );

  test.each([
    { now: "up", wanted: "none" },
    { now: "down", wanted: "none" },
  ] as const)("setIPv6(false) while the MTU is below 1280, $now: silent once it is back", ({ now, wanted }) => {
    using tun = openTun({ name: "later3", mtu: 1000, up: now === "up" });
    tun.setIPv6(false);
    tun.setMtu(1500);
    expect(shownLink("later3").inet6_addr_gen_mode).toBe(wanted);
    expect([tun.isUp, linkLocal(tun)]).toEqual([now === "up", []]);
  });

  test("setIPv6(true) while the MTU is below 1280: it makes an address once it is back", () => {
    using tun = openTun({ name: "later4", ipv6: false, mtu: 1000, up: true });
    tun.setIPv6(true);
    tun.setMtu(1500);
    expect(linkLocal(tun)).toHaveLength(1);
  });
});
