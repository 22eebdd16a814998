import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { ChangeTracker } from "../../src/interface/change-tracker.ts";
import type { LinkChange } from "../../src/interface/types.ts";
import type { LinkInfo } from "../../src/netlink/link.ts";
import type { Address } from "../../src/netlink/types.ts";
import { formatMac } from "../../src/packet/address-text.ts";

const IFF_UP = 1;
const IFF_RUNNING = 0x40;

const link: LinkInfo = {
  index: 7,
  flags: 0,
  name: "tun0",
  mtu: 1500,
  txQueueLength: 500,
  mac: Uint8Array.of(2, 0, 0x5e, 0, 0x53, 1),
  carrier: false,
  alias: undefined,
  master: undefined,
  addressMode: undefined,
  stats: undefined,
  tun: undefined,
};
const v4: Address = { address: "192.0.2.1/24", family: 4, scope: "global" };
const v6: Address = { address: "2001:db8::1/64", family: 6, scope: "global" };

describe("ChangeTracker", () => {
  test.each<{ what: string; news: Partial<LinkInfo>; told: LinkChange[] }>([
    { what: "nothing", news: {}, told: [] },
    {
      what: "what is not told of",
      news: { txQueueLength: 9, alias: "a", addressMode: 1, flags: IFF_RUNNING },
      told: [],
    },
    { what: "up", news: { flags: IFF_UP | IFF_RUNNING }, told: [{ type: "up" }] },
    { what: "carrier", news: { carrier: true }, told: [{ type: "carrier", carrier: true }] },
    { what: "mtu", news: { mtu: 1400 }, told: [{ type: "mtu", mtu: 1400 }] },
    { what: "name", news: { name: "vpn0" }, told: [{ type: "name", name: "vpn0", before: "tun0" }] },
    {
      what: "mac",
      news: { mac: Uint8Array.of(2, 0, 0x5e, 0, 0x53, 2) },
      told: [{ type: "mac", mac: "02:00:5e:00:53:02" }],
    },
    { what: "the same mac in other bytes", news: { mac: Uint8Array.of(2, 0, 0x5e, 0, 0x53, 1) }, told: [] },
    { what: "master", news: { master: 3 }, told: [{ type: "master", master: 3 }] },
  ])("setLink() tells $what once", ({ news, told }) => {
    const tracker = new ChangeTracker(link, []);
    expect(tracker.setLink({ ...link, ...news })).toEqual(told);
    expect(tracker.setLink({ ...link, ...news })).toEqual([]);
  });

  test("the way back is reported, too", () => {
    const tracker = new ChangeTracker({ ...link, flags: IFF_UP, master: 3 }, []);
    expect(tracker.up).toBe(true);
    expect(tracker.setLink(link)).toEqual([{ type: "master", master: undefined }, { type: "down" }]);
    expect(tracker.up).toBe(false);
  });

  test("setUp() changes nothing but that", () => {
    const tracker = new ChangeTracker({ ...link, flags: IFF_RUNNING }, []);
    expect(tracker.setUp(true)).toEqual([{ type: "up" }]);
    expect(tracker.setUp(true)).toEqual([]);
    expect(tracker.setLink({ ...link, flags: IFF_UP | IFF_RUNNING })).toEqual([]);
    expect(tracker.setUp(false)).toEqual([{ type: "down" }]);
  });

  test("an address is added, changed and removed once; lifetimes that pass are no change", () => {
    const tracker = new ChangeTracker(link, []);
    const tentative = { ...v6, tentative: true } as const;
    expect(tracker.setAddress(tentative)).toEqual([{ type: "address-added", address: tentative }]);
    expect(tracker.setAddress(v6)).toEqual([{ type: "address-changed", address: v6 }]);
    expect(tracker.setAddress({ ...v6, validLifetime: 9, preferredLifetime: 8 })).toEqual([]);
    expect(tracker.removeAddress(v6)).toEqual([{ type: "address-removed", address: v6 }]);
    expect(tracker.removeAddress(v6)).toEqual([]);
  });

  test("an IPv4 address is another one with another prefix length or peer", () => {
    const tracker = new ChangeTracker(link, [v4]);
    for (const address of [
      { ...v4, address: "192.0.2.1/25" },
      { ...v4, address: "192.0.2.1/32", peer: "192.0.2.2" },
      { ...v4, address: "192.0.2.1/32", peer: "192.0.2.3" },
    ]) {
      expect(tracker.setAddress(address)).toEqual([{ type: "address-added", address }]);
    }
  });

  test("an IPv6 address keeps its identity when its peer changes (net/ipv6/addrconf.c inet6_addr_modify())", () => {
    const [one, other] = ["2001:db8::2", "2001:db8::3"].map((peer) => ({ ...v6, address: "2001:db8::1/128", peer }));
    const tracker = new ChangeTracker(link, [one as Address]);
    expect(tracker.setAddress(other as Address)).toEqual([{ type: "address-changed", address: other as Address }]);
    expect(tracker.removeAddress(other as Address)).toEqual([{ type: "address-removed", address: other as Address }]);
  });

  test("reset() reports missed changes: removed addresses, the interface, new addresses", () => {
    const tracker = new ChangeTracker(link, [v4]);
    expect(tracker.reset({ ...link, mtu: 1400, flags: IFF_UP }, [v6])).toEqual([
      { type: "address-removed", address: v4 },
      { type: "mtu", mtu: 1400 },
      { type: "up" },
      { type: "address-added", address: v6 },
    ]);
    expect(tracker.reset({ ...link, mtu: 1400, flags: IFF_UP }, [v6])).toEqual([]);
  });
});

/** As the kernel tells addresses apart: IPv6 ones by nothing but the address (net/ipv6/addrconf.c ipv6_get_ifaddr()). */
function identity({ address, peer, family }: Address): string {
  return family === 4 ? `${address} ${peer}` : (address.split("/")[0] as string);
}

const settled = (address: Address): Address => {
  const { validLifetime: _, preferredLifetime: __, ...rest } = address;
  return rest;
};

/** What somebody knows who was told all changes, and nothing else. */
class Told {
  readonly link: Record<string, unknown>;
  readonly addresses = new Map<string, Address>();

  constructor({ name, mtu, mac, master, flags, carrier }: LinkInfo) {
    this.link = { name, mtu, mac: formatMac(mac ?? new Uint8Array(6), 0), master, up: (flags & IFF_UP) !== 0, carrier };
  }

  /** Fails if the change changes nothing, or what was not there. */
  apply(change: LinkChange): void {
    if ("address" in change) {
      const { type, address } = change;
      const key = identity(address);
      const before = this.addresses.get(key);
      expect(before !== undefined).toBe(type !== "address-added");
      if (type === "address-changed") expect(settled(address)).not.toEqual(settled(before as Address));
      if (type === "address-removed") this.addresses.delete(key);
      else this.addresses.set(key, address);
      return;
    }
    const { type, ...rest } = change as LinkChange & { before?: string };
    if ("before" in rest) expect(rest.before).toBe(this.link["name"] as string);
    delete rest.before;
    const news: Record<string, unknown> = type === "up" || type === "down" ? { up: type === "up" } : rest;
    for (const [key, value] of Object.entries(news)) {
      expect(this.link[key]).not.toEqual(value);
      this.link[key] = value;
    }
  }
}

const links = fc
  .record({
    flags: fc.constantFrom(0, IFF_UP, IFF_RUNNING, IFF_UP | IFF_RUNNING),
    name: fc.constantFrom("tun0", "tun1"),
    mtu: fc.constantFrom(1400, 1500),
    mac: fc.constantFrom(undefined, Uint8Array.of(2, 0, 0, 0, 0, 1), Uint8Array.of(2, 0, 0, 0, 0, 2)),
    carrier: fc.boolean(),
    master: fc.constantFrom(undefined, 3, 4),
  })
  .map((part): LinkInfo => ({ ...link, ...part }));

const optional = <K extends string, T>(key: K, ...values: T[]) =>
  fc.constantFrom({}, ...values.map((value) => ({ [key]: value }) as { [_ in K]: T }));
const addresses = fc
  .tuple(
    fc.constantFrom(
      v4,
      { ...v4, address: "192.0.2.1/32", peer: "192.0.2.2" },
      v6,
      { ...v6, peer: "2001:db8::2" },
      { ...v6, address: "2001:db8::9/64" },
    ),
    optional("tentative", true),
    optional("deprecated", true),
    optional("validLifetime", 10, 20),
  )
  .map((parts): Address => Object.assign({}, ...parts));
const addressSets = fc.uniqueArray(addresses, { selector: identity, maxLength: 4 });

type Step = (tracker: ChangeTracker, kernel: { link: LinkInfo; addresses: Map<string, Address> }) => LinkChange[];

const steps: fc.Arbitrary<Step> = fc.oneof(
  links.map(
    (next): Step =>
      (tracker, kernel) => {
        kernel.link = next;
        return tracker.setLink(next);
      },
  ),
  addresses.map(
    (address): Step =>
      (tracker, kernel) => {
        kernel.addresses.set(identity(address), address);
        return tracker.setAddress(address);
      },
  ),
  addresses.map(
    (address): Step =>
      (tracker, kernel) => {
        // The kernel tells an address as it was when it went.
        const gone = kernel.addresses.get(identity(address)) ?? address;
        kernel.addresses.delete(identity(address));
        return tracker.removeAddress(gone);
      },
  ),
  fc.tuple(links, addressSets).map(
    ([next, list]): Step =>
      (tracker, kernel) => {
        kernel.link = next;
        kernel.addresses = new Map(list.map((address) => [identity(address), address]));
        return tracker.reset(next, list);
      },
  ),
);

test("ChangeTracker: replaying the changes gives the state after each notification and each reset, and none comes twice", () => {
  fc.assert(
    fc.property(links, addressSets, fc.array(steps, { maxLength: 30 }), (first, list, sequence) => {
      const kernel = { link: first, addresses: new Map(list.map((address) => [identity(address), address])) };
      const tracker = new ChangeTracker(first, list);
      const told = new Told(first);
      for (const address of list) told.addresses.set(identity(address), address);
      for (const step of sequence) {
        for (const change of step(tracker, kernel)) told.apply(change);
        expect(told.link).toEqual(new Told(kernel.link).link);
        const now = (map: Map<string, Address>) =>
          Object.fromEntries([...map].map(([key, value]) => [key, settled(value)]));
        expect(now(told.addresses)).toEqual(now(kernel.addresses));
        expect(tracker.up).toBe((kernel.link.flags & IFF_UP) !== 0);
      }
    }),
    { numRuns: 1000 },
  );
});
