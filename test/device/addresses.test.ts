import { expect, test } from "bun:test";
import { type Address, openTun } from "../../src/index.ts";
import { describePrivileged } from "../support/privilege.ts";
import { ipLink, run, until } from "../support/system.ts";
import { refusal, withQuietIPv6 } from "./support.ts";

/** Returns what `ip -j address` shows, in the form of {@link Address}. */
function shownByIp(name: string): Address[] {
  return (ipLink(name).addr_info ?? []).map(({ family, local, prefixlen, address, scope }) => ({
    address: `${local}/${prefixlen}`,
    ...(address === undefined ? {} : { peer: address }),
    family: family === "inet" ? 4 : 6,
    scope: scope as "global",
  }));
}

const addresses = [
  "192.0.2.1/24",
  "192.0.2.77/24",
  "198.51.100.1/32",
  "203.0.113.1/31",
  { address: "198.51.100.9/30", peer: "198.51.100.10" },
  { address: "203.0.113.9", peer: "192.0.2.200" },
  "2001:db8::1/64",
  "2001:DB8:0:0:1:0:0:1/128",
  "2001:db8:ffff::1/0",
  { address: "2001:db8:2::1", peer: "2001:db8:2::2" },
  { address: "2001:db8:3::1/126", peer: "2001:db8:3::2" },
];

describePrivileged("addAddress(), removeAddress() and addresses()", () => {
  withQuietIPv6();

  test("addresses() shows what ip shows, and removeAddress() takes each of them back", async () => {
    using tun = openTun({ up: true });
    for (const [i, address] of addresses.entries()) {
      tun.addAddress(address);
      expect(shownByIp(tun.name)).toHaveLength(i + 1);
    }
    // A TUN looks for no duplicates, but the kernel says so a moment later (net/ipv6/addrconf.c addrconf_dad_work()).
    await until(() => !tun.addresses().some(({ tentative }) => tentative), "no tentative address");
    const all = tun.addresses();
    expect(all).toEqual(shownByIp(tun.name));
    expect(all).toHaveLength(addresses.length);
    // The last first: an IPv4 address takes its secondary ones with it (net/ipv4/devinet.c __inet_del_ifa()).
    for (let left = all.length - 1; left >= 0; left--) {
      tun.removeAddress(all[left] as Address);
      expect(shownByIp(tun.name)).toEqual(all.slice(0, left));
    }
  });

  test("addresses() has them in canonical form, with peer and scope", () => {
    using tun = openTun({ addresses });
    expect(tun.addresses().map(({ address, peer }) => (peer === undefined ? address : [address, peer]))).toEqual(
      expect.arrayContaining([
        "192.0.2.1/24",
        "192.0.2.77/24",
        "198.51.100.1/32",
        "203.0.113.1/31",
        ["198.51.100.9/30", "198.51.100.10"],
        ["203.0.113.9/32", "192.0.2.200"],
        "2001:db8::1/64",
        "2001:db8::1:0:0:1/128",
        "2001:db8:ffff::1/0",
        ["2001:db8:2::1/128", "2001:db8:2::2"],
        ["2001:db8:3::1/126", "2001:db8:3::2"],
      ]),
    );
  });

  test("addresses() has what ip set, scopes included, and feeds back to removeAddress()", async () => {
    using tun = openTun({ name: "scope0" });
    run("ip", "address", "add", "192.0.2.1/24", "scope", "link", "dev", "scope0");
    run("ip", "address", "add", "192.0.2.2", "peer", "192.0.2.3/28", "scope", "host", "dev", "scope0");
    run("ip", "address", "add", "fe80::1/64", "dev", "scope0");
    await until(() => tun.addresses().every(({ tentative }) => tentative === undefined), "no address is tentative");
    expect(tun.addresses()).toEqual(shownByIp("scope0"));
    expect(tun.addresses()).toEqual(
      expect.arrayContaining([
        { address: "192.0.2.1/24", family: 4, scope: "link" },
        { address: "192.0.2.2/28", peer: "192.0.2.3", family: 4, scope: "host" },
        { address: "fe80::1/64", family: 6, scope: "link" },
      ]),
    );
    for (const address of tun.addresses()) tun.removeAddress(address);
    expect(shownByIp("scope0")).toEqual([]);
  });

  test("addresses() is of this interface alone, and of every size of list", () => {
    using tun = openTun();
    using other = openTun({ addresses: ["198.51.100.1/24"] });
    // More than one netlink message holds.
    const many = Array.from({ length: 1000 }, (_, i) => `10.0.${i >> 8}.${i & 0xff}/32`);
    for (const address of many) tun.addAddress(address);
    expect(tun.addresses().map(({ address }) => address)).toEqual(many);
    expect(other.addresses()).toHaveLength(1);
  });

  test("addAddress() of an existing address: EEXIST, with a hint", () => {
    using tun = openTun({ addresses: ["192.0.2.1/24", "2001:db8::1/64"] });
    for (const address of ["192.0.2.1/24", "2001:db8::1/64", "2001:db8:0::1/64"]) {
      const error = refusal(() => tun.addAddress(address));
      expect(error).toMatchObject({ code: "EEXIST", errno: -17, syscall: "netlink(RTM_NEWADDR)" });
      expect(error.hint).toContain("has that address already");
    }
    expect(tun.addresses()).toHaveLength(2);
  });

  test("removeAddress() of a missing address: EADDRNOTAVAIL, with a hint", () => {
    using tun = openTun({ addresses: ["192.0.2.1/24", "2001:db8::1/64"] });
    for (const address of ["192.0.2.9/24", "192.0.2.1/25", "192.0.2.1", "2001:db8::9/64", "2001:db8::1/65"]) {
      const error = refusal(() => tun.removeAddress(address));
      expect(error).toMatchObject({ code: "EADDRNOTAVAIL", errno: -99, syscall: "netlink(RTM_DELADDR)" });
      expect(error.hint).toContain("addresses()");
    }
    expect(tun.addresses()).toHaveLength(2);
  });

  test.each(["", "192.0.2", "192.0.2.1/33", "192.0.2.1/-1", "192.0.2.1/24/8", "2001:db8::/129", "tun0", " 192.0.2.1"])(
    "addAddress(%j) and removeAddress() of it: RangeError, and nothing done",
    (address) => {
      using tun = openTun();
      expect(() => tun.addAddress(address)).toThrow(RangeError);
      expect(() => tun.removeAddress(address)).toThrow(RangeError);
      expect(tun.addresses()).toEqual([]);
    },
  );
});
