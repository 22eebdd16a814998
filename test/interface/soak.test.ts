/** Five hundred changes of every kind while frames flow: nothing stalls, nothing is missed, and in the end all is as `ip` shows it. */
import { beforeAll, expect, test } from "bun:test";
import { openTun, type Tun } from "../../src/index.ts";
import { buildIcmpEcho, buildIPv4, IcmpType, IpProtocol, parseIcmpEcho, parseIPv4 } from "../../src/packet/index.ts";
import { otherNamespace, warmUp } from "../device/support.ts";
import { listenTo, replayed, shownIn } from "../support/namespaces.ts";
import { describeWithTools } from "../support/privilege.ts";
import { Random, seed } from "../support/random.ts";
import { interfaceNames, quietIPv6, run, until } from "../support/system.ts";
import { addressesByIp, routesByIp } from "./support.ts";

const STEPS = 500;
const base = "192.0.2.1/24";

/** A ping of the kernel by 192.0.2.2. */
function echoRequest(sequenceNumber: number): Uint8Array {
  const payload = buildIcmpEcho({
    type: IcmpType.ECHO_REQUEST,
    identifier: 7,
    sequenceNumber,
    payload: new Uint8Array(8),
  });
  return buildIPv4({ source: "192.0.2.2", destination: "192.0.2.1", protocol: IpProtocol.ICMP, payload });
}

describeWithTools("five hundred changes", ["ip", "unshare", "nsenter"], () => {
  beforeAll(() => {
    quietIPv6();
    warmUp();
  });

  test(`while frames flow (BUN_TUNTAP_SEED=${seed})`, async () => {
    const random = new Random(seed);
    using first = await otherNamespace();
    using second = await otherNamespace();
    const places = [first, second].map(({ pid }) => ({
      like: pid,
      through: ["nsenter", "--target", `${pid}`, "--net"],
      run: (...command: string[]) => run("nsenter", "--target", `${pid}`, "--net", ...command),
    }));
    let place = places[0] as (typeof places)[number];
    let answered = -1;
    const tun: Tun = openTun({
      name: "soak0",
      netns: place.like,
      addresses: [base],
      data(_, packets) {
        const replies = packets.filter((packet) => packet[0] === 0x45).map((packet) => parseIPv4(packet));
        for (const { payload } of replies) answered = Math.max(answered, parseIcmpEcho(payload).sequenceNumber);
      },
    });
    using _ = tun;
    const before = shownIn(place, "soak0");
    const { told, texts, ended } = listenTo(tun);
    let name = "soak0";
    let up = true;
    const addresses = new Set<string>();
    const routes = new Set<string>();
    /** What must be told, in this order, whatever else is. */
    const expected: string[] = [];
    const ip = (...args: string[]): void => void place.run("ip", ...args);
    const setUp = (): void => {
      tun.up();
      up = true;
      expected.push("up");
    };

    const steps: (() => void)[] = [
      function changeAddress() {
        const number = random.below(8) + 10;
        const address = random.below(2) ? `192.0.2.${number}/24` : `2001:db8::${number}/64`;
        const add = !addresses.delete(address);
        if (add) addresses.add(address);
        // IPv4 ones of the same network are secondary, and there is no detection of duplicates on a TUN.
        if (random.below(2)) add ? tun.addAddress(address) : tun.removeAddress(address);
        else ip("address", add ? "add" : "delete", address, "dev", name);
        expected.push(`address-${add ? "added" : "removed"} ${address}`);
      },
      function changeRoute() {
        if (!up) return;
        const to = random.below(2) ? `198.51.100.${random.below(8)}/32` : `2001:db8:1::${random.below(8) + 1}/128`;
        const add = !routes.delete(to);
        if (add) routes.add(to);
        if (random.below(2)) add ? tun.addRoute(to) : tun.removeRoute(to);
        else ip(to.includes(":") ? "-6" : "-4", "route", add ? "add" : "delete", to, "dev", name);
      },
      function flap() {
        if (random.below(2)) tun.down();
        else ip("link", "set", name, "down");
        expected.push("down");
        routes.clear();
        for (const address of addresses) if (address.includes(":")) addresses.delete(address);
        setUp();
      },
      function changeMtu() {
        const mtu = 1280 + random.below(200);
        if (tun.mtu === mtu) return;
        if (random.below(2)) tun.setMtu(mtu);
        else ip("link", "set", name, "mtu", `${mtu}`);
        expected.push(`mtu ${mtu}`);
      },
      function rename() {
        const next = name === "soak0" ? "soak1" : "soak0";
        // Where the kernel wants the interface down for it.
        if (random.below(2)) tun.rename(next);
        else ip("link", "set", name, "name", next);
        name = next;
        expected.push(`name ${next}`);
      },
      function move() {
        place = places[1 - places.indexOf(place)] as typeof place;
        tun.moveToNetns(place.like);
        expected.push(`moved ${tun.index}`);
        addresses.clear();
        routes.clear();
        tun.addAddress(base);
        expected.push(`address-added ${base}`);
        setUp();
      },
    ];

    for (let i = 0; i < STEPS; i++) {
      for (let more = 0; more < 3; more++) tun.send(echoRequest(i));
      random.pick(steps)();
      tun.send(echoRequest(i + 1));
      await until(() => answered === i + 1, `an answer after step ${i}`);
    }
    tun.setMtu(1500);
    await until(() => texts().at(-1) === "mtu 1500", "the last change");
    let at = 0;
    for (const text of texts()) if (text === expected[at]) at++;
    expect(expected.slice(at)).toEqual([]);
    expect(replayed(before, told)).toEqual(shownIn(place, name));
    expect(tun.name).toBe(name);
    await until(() => !tun.addresses().some(({ tentative }) => tentative), "no tentative address");
    expect(tun.addresses()).toEqual(addressesByIp(name, place.through));
    expect(tun.routes()).toEqual(routesByIp(name, place.through));
    // It makes itself a link-local one, too.
    const found = tun.addresses().flatMap(({ address, scope }) => (scope === "link" ? [] : address));
    expect(found.sort()).toEqual([base, ...addresses].sort());
    const ours = tun.routes().filter(({ protocol }) => protocol !== "kernel");
    expect(ours.map(({ to }) => to).sort()).toEqual([...routes].sort());
    tun.close();
    await ended;
    expect(interfaceNames().filter((each) => each.startsWith("soak"))).toEqual([]);
  }, 60_000);
});
