/** `addAddress(…, { untilUsable: true })`: the end of duplicate address detection, by a neighbour's answer or without one. */
import { beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { type Address, type Device, openTap, openTun, type Tap, TunTapError } from "../../src/index.ts";
import { addressesByIp } from "../interface/support.ts";
import { describePrivileged, describeWithTools } from "../support/privilege.ts";
import { run, until } from "../support/system.ts";
import { leavingNothing, otherNamespace, warmUp, withQuietIPv6 } from "./support.ts";

// Detection takes the kernel a second or two.
setDefaultTimeout(60_000);

const address = "2001:db8::1/64";
const usable = { address, family: 6, scope: "global" } as const;
const now = { untilUsable: true } as const;

/** Returns what a promise is rejected with; fails the test if it is not. */
async function rejection(promise: Promise<unknown>): Promise<unknown> {
  const settled = await promise.then(
    (value) => ({ value }),
    (error: unknown) => ({ error }),
  );
  if ("error" in settled) return settled.error;
  throw new Error(`It was resolved: ${Bun.inspect(settled.value)}`);
}

const shownTentative = ({ name }: Device): (boolean | undefined)[] =>
  addressesByIp(name).map(({ tentative }) => tentative);

/** The ICMPv6 checksum of RFC 4443 section 2.3 over an IPv6 packet. */
function icmpChecksum(packet: Uint8Array): number {
  const payload = packet.subarray(40);
  const bytes = [...packet.subarray(8, 40), 0, 0, payload.length >> 8, payload.length & 0xff, 0, 0, 0, 58, ...payload];
  let sum = 0;
  for (let i = 0; i < bytes.length; i += 2) sum += ((bytes[i] as number) << 8) | (bytes[i + 1] ?? 0);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >> 16);
  return ~sum & 0xffff;
}

/** The neighbour advertisement by which another host defends the address that a solicitation is about (RFC 4861 section 4.4). */
function advertisementFor(frame: Uint8Array): Uint8Array | null {
  const isSolicitation = frame[12] === 0x86 && frame[13] === 0xdd && frame[20] === 58 && frame[54] === 135;
  if (!isSolicitation) return null;
  const target = frame.slice(62, 78);
  const [mac, allNodes] = [Uint8Array.fromHex("02005e005302"), Uint8Array.fromHex(`ff02${"00".repeat(13)}01`)];
  const body = Uint8Array.of(136, 0, 0, 0, 0x20, 0, 0, 0, ...target, 2, 1, ...mac);
  const packet = Uint8Array.of(0x60, 0, 0, 0, 0, body.length, 58, 255, ...target, ...allNodes, ...body);
  packet.set([icmpChecksum(packet) >> 8, icmpChecksum(packet) & 0xff], 42);
  return Uint8Array.of(0x33, 0x33, 0, 0, 0, 1, ...mac, 0x86, 0xdd, ...packet);
}

/** As a handler of a TAP: another host has every address that is asked for. */
function defend(tap: Tap, frames: Uint8Array[]): void {
  for (const frame of frames) {
    const answer = advertisementFor(frame);
    if (answer !== null) tap.send(answer);
  }
}

const detectionOf = ({ name }: Tap): string => `/proc/sys/net/ipv6/conf/${name}/dad_transmits`;

/** Lets duplicate address detection on an interface take so many seconds, where a busy machine comes too late for one. */
function detectFor(seconds: number, tap: Tap): void {
  writeFileSync(detectionOf(tap), `${seconds}`);
}

describePrivileged("addAddress() until it is usable", () => {
  withQuietIPv6();
  beforeAll(warmUp);

  test("on a TAP it is resolved when duplicate address detection ends, with the address", async () => {
    using tap = openTap({ up: true });
    detectFor(5, tap);
    const promise = tap.addAddress(address, now);
    expect(shownTentative(tap)).toEqual([true]);
    let resolved = false;
    void promise.then(() => {
      resolved = true;
    });
    await until(() => resolved || shownTentative(tap)[0] === undefined, "the end of detection");
    expect(await promise).toEqual(usable);
    expect(shownTentative(tap)).toEqual([undefined]);
    expect(tap.addresses()).toEqual([usable]);
  });

  test.each([
    { what: "an IPv4 address on a TAP", open: openTap, like: "192.0.2.1/24", options: { up: true } },
    { what: "noDad on a TAP", open: openTap, like: { address, noDad: true }, options: { up: true } },
    { what: "an IPv4 address on a TUN that is down", open: openTun, like: "192.0.2.1/24", options: {} },
    { what: "a peer on a TUN", open: openTun, like: { address: "192.0.2.1", peer: "192.0.2.2" }, options: {} },
  ])("$what is usable at once", async ({ open, like, options }) => {
    using device: Device = open(options);
    const found: Address = await device.addAddress(like, now);
    expect([found]).toEqual(addressesByIp(device.name));
    expect(found.tentative).toBeUndefined();
  });

  test("on a TUN no other host can have the address: it can be used at once", async () => {
    using tun = openTun({ up: true });
    expect(await tun.addAddress("2001:DB8:0::1/64", now)).toEqual(usable);
    expect(addressesByIp(tun.name)).toEqual([usable]);
  });

  test("on a TAP that is down it waits until that is up", async () => {
    using tap = openTap();
    const promise = tap.addAddress(address, now);
    expect(shownTentative(tap)).toEqual([true]);
    tap.up();
    expect(await promise).toEqual(usable);
  });

  test("several at once, each for itself", async () => {
    using tap = openTap({ up: true });
    const all = Array.from({ length: 5 }, (_, i) => `2001:db8::${i + 1}/64`);
    const found = await Promise.all(all.map((each) => tap.addAddress(each, now)));
    expect(found.map(({ address }) => address)).toEqual(all);
    expect(shownTentative(tap)).toEqual(all.map(() => undefined));
  });

  test.each([
    { what: "for ever", like: address },
    { what: "for a time", like: { address, validLifetime: 1000 } },
  ])("EADDRINUSE where another host answers that it has it, $what; it is removed", async ({ like }) => {
    using tap = openTap({ up: true, data: defend });
    detectFor(30, tap);
    const error = await rejection(tap.addAddress(like, now));
    expect(error).toBeInstanceOf(TunTapError);
    expect(error).toMatchObject({ code: "EADDRINUSE", errno: -98, detail: address });
    expect((error as TunTapError).hint).toContain("another host");
    await until(() => addressesByIp(tap.name).length === 0, "the address is removed");
    expect(tap.addresses()).toEqual([]);
    expect(tap.closed).toBe(false);
  });

  test("addresses() tells a duplicate that was not waited for", async () => {
    using tap = openTap({ up: true, data: defend });
    detectFor(30, tap);
    tap.addAddress(address);
    await until(() => addressesByIp(tap.name)[0]?.duplicate === true, "a duplicate");
    expect(tap.addresses()).toEqual([{ ...usable, tentative: true, duplicate: true }]);
  });

  test("the signal's reason when it is aborted; the address stays, and becomes usable", async () => {
    using tap = openTap({ up: true });
    detectFor(5, tap);
    const aborting = new AbortController();
    const reason = new Error("no more time");
    const promise = rejection(tap.addAddress(address, { ...now, signal: aborting.signal }));
    aborting.abort(reason);
    expect(await promise).toBe(reason);
    expect(shownTentative(tap)).toEqual([true]);
    await until(() => shownTentative(tap)[0] === undefined, "the end of detection");
    expect(tap.addresses()).toEqual([usable]);
  });

  test("a signal that is aborted already: its reason, and no address", async () => {
    using tap = openTap({ up: true });
    const reason = new Error("never mind");
    expect(await rejection(tap.addAddress(address, { ...now, signal: AbortSignal.abort(reason) }))).toBe(reason);
    expect(tap.addresses()).toEqual([]);
  });

  test("ERR_TUNTAP_CLOSED when the device is closed meanwhile", async () => {
    await leavingNothing(async () => {
      const tap = openTap({ up: true });
      const promise = rejection(tap.addAddress(address, now));
      tap.close();
      expect(await promise).toMatchObject({ code: "ERR_TUNTAP_CLOSED" });
    });
  });

  test("ERR_TUNTAP_CLOSED, and why, when its interface is deleted meanwhile", async () => {
    using tap = openTap({ up: true });
    detectFor(60, tap);
    const promise = rejection(tap.addAddress(address, now));
    run("ip", "link", "delete", tap.name);
    expect(await promise).toMatchObject({ code: "ERR_TUNTAP_CLOSED", cause: { code: "EBADFD" } });
  });

  test("EADDRNOTAVAIL when the address is removed meanwhile", async () => {
    using tap = openTap({ up: true });
    detectFor(60, tap);
    const promise = rejection(tap.addAddress(address, now));
    run("ip", "address", "delete", address, "dev", tap.name);
    const error = (await promise) as TunTapError;
    expect(error).toMatchObject({ code: "EADDRNOTAVAIL", errno: -99, detail: address });
    expect(error.hint).toContain("removed it");
  });

  test("what addAddress() throws without it is a rejection: EEXIST, RangeError, TypeError", async () => {
    using tap = openTap({ addresses: ["192.0.2.1/24"] });
    expect(await rejection(tap.addAddress("192.0.2.1/24", now))).toMatchObject({
      code: "EEXIST",
      hint: expect.stringContaining("has that address already"),
    });
    expect(await rejection(tap.addAddress("192.0.2.1/33", now))).toBeInstanceOf(RangeError);
    expect(await rejection(tap.addAddress({ address, nodad: true } as never, now))).toBeInstanceOf(TypeError);
    expect(tap.addresses()).toHaveLength(1);
  });
});

describeWithTools("addAddress() until it is usable, where the kernel of another namespace has it", ["nsenter"], () => {
  withQuietIPv6();

  test("EADDRINUSE over a wire of two TAPs; another address is usable", async () => {
    using other = await otherNamespace();
    // A wire: what one interface sends the other gets.
    const there = openTap({ netns: other.pid, ipv6: false, data: (_, frames) => void here.sendMany(frames) });
    const here = openTap({ up: true, data: (_, frames) => void there.sendMany(frames) });
    try {
      there.addAddress({ address, noDad: true });
      there.up();
      detectFor(30, here);
      expect(await rejection(here.addAddress(address, now))).toMatchObject({ code: "EADDRINUSE" });
      detectFor(1, here);
      expect(await here.addAddress("2001:db8::2/64", now)).toMatchObject({ address: "2001:db8::2/64" });
      expect(addressesByIp(here.name).map((each) => each.address)).toEqual(["2001:db8::2/64"]);
      // And the other way round, through the calls of a device that is there.
      const detect = (seconds: number): string => other.run("sh", "-c", `echo ${seconds} > ${detectionOf(there)}`);
      detect(30);
      expect(await rejection(there.addAddress("2001:db8::2/64", now))).toMatchObject({ code: "EADDRINUSE" });
      detect(1);
      expect(await there.addAddress("2001:db8::3/64", now)).toMatchObject({ address: "2001:db8::3/64" });
    } finally {
      here.close();
      there.close();
    }
  });
});
