/** Each kind of change, whoever makes it, in the kernel's order. */
import { describe, expect, test } from "bun:test";
import { openTap, type Tap } from "../../src/index.ts";
import { withQuietIPv6 } from "../device/support.ts";
import { kernelHas } from "../support/kernel.ts";
import { listenTo } from "../support/namespaces.ts";
import { describeWithTools } from "../support/privilege.ts";
import { ipLink, run, until } from "../support/system.ts";

const ip = (...args: string[]): void => void run("ip", ...args);

/** A bridge, and its index. */
function bridge(name: string): { index: number } & Disposable {
  ip("link", "add", name, "type", "bridge");
  return { index: ipLink(name).ifindex, [Symbol.dispose]: () => ip("link", "delete", name) };
}

interface Row {
  what: string;
  /** What comes before, and is not looked at. */
  before?: (tap: Tap) => void;
  byDevice: (tap: Tap) => void;
  /** The same by `ip`, in words. */
  byIp: string;
  told: string[];
}

const nodad = { address: "2001:db8::1/64", noDad: true };

const rows: Row[] = [
  { what: "up", before: (tap) => tap.down(), byDevice: (tap) => tap.up(), byIp: "link set dev ch0 up", told: ["up"] },
  { what: "down", byDevice: (tap) => tap.down(), byIp: "link set dev ch0 down", told: ["down"] },
  {
    what: "carrier off",
    byDevice: (tap) => tap.setCarrier(false),
    byIp: "link set dev ch0 carrier off",
    told: ["carrier false"],
  },
  {
    what: "carrier on",
    before: (tap) => tap.setCarrier(false),
    byDevice: (tap) => tap.setCarrier(true),
    byIp: "link set dev ch0 carrier on",
    told: ["carrier true"],
  },
  { what: "mtu", byDevice: (tap) => tap.setMtu(1400), byIp: "link set dev ch0 mtu 1400", told: ["mtu 1400"] },
  {
    what: "name",
    before: (tap) => void (kernelHas("liveRename") || tap.down()),
    byDevice: (tap) => tap.rename("ch1"),
    byIp: "link set dev ch0 name ch1",
    told: ["name ch1"],
  },
  {
    what: "mac",
    byDevice: (tap) => tap.setMac("02:00:5e:00:53:09"),
    byIp: "link set dev ch0 address 02:00:5e:00:53:09",
    told: ["mac 02:00:5e:00:53:09"],
  },
  {
    what: "an IPv4 address, added",
    byDevice: (tap) => tap.addAddress("192.0.2.1/24"),
    byIp: "address add 192.0.2.1/24 dev ch0",
    told: ["address-added 192.0.2.1/24"],
  },
  {
    what: "an IPv4 address with a peer, added",
    byDevice: (tap) => tap.addAddress({ address: "192.0.2.1", peer: "192.0.2.2" }),
    byIp: "address add 192.0.2.1 peer 192.0.2.2 dev ch0",
    told: ["address-added 192.0.2.1/32 peer 192.0.2.2"],
  },
  {
    what: "an IPv4 address, deprecated",
    before: (tap) => tap.addAddress("192.0.2.1/24"),
    byDevice: (tap) => tap.replaceAddress({ address: "192.0.2.1/24", validLifetime: 600, preferredLifetime: 0 }),
    byIp: "address change 192.0.2.1/24 dev ch0 valid_lft 600 preferred_lft 0",
    told: ["address-changed 192.0.2.1/24"],
  },
  {
    what: "an IPv4 address, removed with its secondary one",
    before(tap) {
      for (const address of ["192.0.2.1/24", "192.0.2.9/24"]) tap.addAddress(address);
    },
    byDevice: (tap) => tap.removeAddress("192.0.2.1/24"),
    byIp: "address delete 192.0.2.1/24 dev ch0",
    told: ["address-removed 192.0.2.9/24", "address-removed 192.0.2.1/24"],
  },
  {
    what: "an IPv6 address, added",
    byDevice: (tap) => tap.addAddress(nodad),
    byIp: "address add 2001:db8::1/64 dev ch0 nodad",
    told: ["address-added 2001:db8::1/64"],
  },
  {
    what: "an IPv6 address, deprecated",
    before: (tap) => tap.addAddress(nodad),
    byDevice: (tap) => tap.replaceAddress({ ...nodad, validLifetime: 600, preferredLifetime: 0 }),
    byIp: "address change 2001:db8::1/64 dev ch0 nodad valid_lft 600 preferred_lft 0",
    told: ["address-changed 2001:db8::1/64"],
  },
  {
    what: "an IPv6 address that gets another peer",
    before: (tap) => tap.addAddress({ address: "2001:db8::1", peer: "2001:db8::2", noDad: true }),
    byDevice: (tap) => tap.replaceAddress({ address: "2001:db8::1", peer: "2001:db8::3", noDad: true }),
    byIp: "address change 2001:db8::1 peer 2001:db8::3 dev ch0 nodad",
    told: ["address-changed 2001:db8::1/128 peer 2001:db8::3"],
  },
  {
    what: "an IPv6 address, removed",
    before: (tap) => tap.addAddress(nodad),
    byDevice: (tap) => tap.removeAddress(nodad),
    byIp: "address delete 2001:db8::1/64 dev ch0",
    told: ["address-removed 2001:db8::1/64"],
  },
];

describeWithTools("changes() tells", ["ip"], () => {
  withQuietIPv6();

  describe.each(["the device", "ip"] as const)("what %s does:", (who) => {
    test.each(rows)("$what", async ({ before, byDevice, byIp, told }) => {
      using tap = openTap({ name: "ch0", up: true });
      before?.(tap);
      const { texts } = listenTo(tap);
      if (who === "ip") ip(...byIp.split(" "));
      else byDevice(tap);
      // A carrier is told a moment late, and once a second (net/core/link_watch.c).
      await until(() => texts().length >= told.length, `${told} is told, not ${texts()}`);
      tap.setTxQueueLength(123);
      tap.setMtu(1300);
      await until(() => texts().includes("mtu 1300"), "the last change is told");
      expect(texts()).toEqual([...told, "mtu 1300"]);
    });

    test("master: into a bridge and out of it, which is no end of the interface", async () => {
      using tap = openTap({ name: "ch0", up: true });
      using br = bridge("chbr0");
      const { texts } = listenTo(tap);
      for (const master of ["chbr0", null]) {
        if (who === "ip") ip("link", "set", "dev", "ch0", ...(master === null ? ["nomaster"] : ["master", master]));
        else tap.setMaster(master);
      }
      tap.setMtu(1300);
      await until(() => texts().includes("mtu 1300"), "the last change is told");
      expect(texts()).toEqual([`master ${br.index}`, "master ", "mtu 1300"]);
      expect(tap.closed).toBe(false);
    });
  });
});
