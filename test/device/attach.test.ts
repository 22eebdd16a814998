import { expect, test } from "bun:test";
import { openTap, openTun } from "../../src/index.ts";
import { IFF_NO_PI, IFF_TUN, IFF_VNET_HDR } from "../../src/sys/constants.ts";
import { openClone } from "../../src/sys/netns.ts";
import { closeFd, setIff, setOffload, setPersist } from "../../src/sys/tun.ts";
import { describePrivileged } from "../support/privilege.ts";
import { interfaceNames, ipLink, run, soon } from "../support/system.ts";
import { networkState, persistentInterface, ping, someIds, withQuietIPv6 } from "./support.ts";

// include/uapi/linux/if_tun.h
const TUN_F_CSUM = 1;

/** Tells whether the UDP checksum of an IPv4 packet is right: RFC 768, over the pseudo-header, header and payload. */
function udpChecksumHolds(packet: Uint8Array): boolean {
  const udp = packet.subarray(20);
  const bytes = [...packet.subarray(12, 20), 0, 17, udp.length >> 8, udp.length & 0xff, ...udp, 0];
  let sum = 0;
  for (let i = 0; i + 1 < bytes.length; i += 2) sum += ((bytes[i] as number) << 8) | (bytes[i + 1] as number);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >> 16);
  return sum === 0xffff;
}

describePrivileged("opening a persistent interface", () => {
  withQuietIPv6();

  test("openTun() attaches to what ip made, and leaves its settings and itself", async () => {
    using _made = persistentInterface("kept0", "tun");
    run("ip", "link", "set", "kept0", "mtu", "1400", "txqueuelen", "77", "up");
    run("ip", "address", "add", "192.0.2.1/24", "dev", "kept0");
    const before = networkState();
    {
      using tun = openTun({ name: "kept0" });
      expect(tun).toMatchObject({ name: "kept0", mtu: 1400, isUp: true });
      await ping(tun);
    }
    expect(networkState()).toBe(before);
  });

  test("openTap() attaches with the MAC address that is set", () => {
    using _made = persistentInterface("kept1", "tap");
    run("ip", "link", "set", "kept1", "address", "02:00:5e:00:53:07");
    using tap = openTap({ name: "kept1" });
    expect(tap.mac).toBe("02:00:5e:00:53:07");
  });

  test("options: change the interface for good", () => {
    const { ids, shown } = someIds();
    using _made = persistentInterface("kept2", "tap");
    const addresses = ["192.0.2.1/24", "2001:db8::1/64"];
    const mac = "02:00:5e:00:53:08";
    openTap({ name: "kept2", ...ids, mtu: 1300, mac, txQueueLength: 9, addresses, packetInfo: true }).close();
    const link = ipLink("kept2");
    expect(link).toMatchObject({ mtu: 1300, txqlen: 9, address: mac });
    expect(link.linkinfo?.info_data).toMatchObject({ persist: true, pi: true, ...shown });
    expect(link.addr_info).toMatchObject([{ local: "192.0.2.1" }, { local: "2001:db8::1" }]);
  });

  test("up: false takes the interface down, undefined leaves it unchanged", () => {
    using _made = persistentInterface("kept3", "tun");
    run("ip", "link", "set", "kept3", "up");
    openTun({ name: "kept3" }).close();
    expect(ipLink("kept3").flags).toContain("UP");
    openTun({ name: "kept3", up: false }).close();
    expect(ipLink("kept3").flags).not.toContain("UP");
    openTun({ name: "kept3" }).close();
    expect(ipLink("kept3").flags).not.toContain("UP");
  });

  test("persist: false makes it go with the device, undefined does not", () => {
    using _made = persistentInterface("kept4", "tun");
    openTun({ name: "kept4" }).close();
    expect(interfaceNames()).toContain("kept4");
    openTun({ name: "kept4", persist: false }).close();
    expect(interfaceNames()).not.toContain("kept4");
  });

  test("one name serves one device after the other", async () => {
    using _made = persistentInterface("kept5", "tun");
    run("ip", "address", "add", "192.0.2.1/24", "dev", "kept5");
    for (let i = 0; i < 3; i++) {
      using tun = openTun({ name: "kept5", up: true });
      await ping(tun);
    }
  });

  test("packetInfo and virtio headers are this device's, not its predecessor's", async () => {
    const fd = openClone("/dev/net/tun");
    setIff(fd, "kept6", IFF_TUN | IFF_VNET_HDR);
    setPersist(fd, true);
    closeFd(fd);
    try {
      expect(ipLink("kept6").linkinfo?.info_data).toMatchObject({ pi: true, vnet_hdr: true });
      using tun = openTun({ name: "kept6", addresses: ["192.0.2.1/24"] });
      expect(ipLink("kept6").linkinfo?.info_data).toMatchObject({ pi: false, vnet_hdr: false });
      await ping(tun);
    } finally {
      run("ip", "link", "delete", "kept6");
    }
  });

  test("the filter that its predecessor set lets everything pass again", async () => {
    using _made = persistentInterface("kept8", "tap");
    run("ip", "address", "add", "192.0.2.1/24", "dev", "kept8");
    {
      using tap = openTap({ name: "kept8", up: true });
      tap.setTxFilter(["02:00:5e:00:53:01"], { broadcast: false });
    }
    using tap = openTap({ name: "kept8" });
    run("ip", "neighbour", "add", "192.0.2.2", "lladdr", "02:00:5e:00:53:02", "dev", "kept8");
    const sender = await Bun.udpSocket({});
    sender.send("unfiltered", 9, "192.0.2.2");
    sender.close();
    expect(tap.tryReceive()?.subarray(0, 6).toHex()).toBe("02005e005302");
  });

  test("the offloads that its predecessor asked for are off: packets arrive with their checksums", async () => {
    const fd = openClone("/dev/net/tun");
    setIff(fd, "kept7", IFF_TUN | IFF_NO_PI | IFF_VNET_HDR);
    setPersist(fd, true);
    setOffload(fd, TUN_F_CSUM);
    closeFd(fd);
    const sender = await Bun.udpSocket({});
    try {
      using tun = openTun({ name: "kept7", addresses: ["192.0.2.1/24"] });
      expect(sender.send("checked", 9, "192.0.2.2")).toBe(true);
      const packet = await tun.receive({ signal: soon() });
      expect(packet?.[9]).toBe(17);
      expect(udpChecksumHolds(packet as Uint8Array)).toBe(true);
    } finally {
      sender.close();
      run("ip", "link", "delete", "kept7");
    }
  });
});
