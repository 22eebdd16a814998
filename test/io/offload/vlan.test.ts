/**
 * Segments behind VLAN tags: with the kernel's own VLAN interfaces where it
 * has them, and where this process puts the tags on and takes them off again:
 *
 *   left host -- TAP ~ tag ~ TAP -- bridge -- TAP ~ untag ~ TAP -- right host
 */
import { expect, test } from "bun:test";
import { type Device, openTap } from "../../../src/index.ts";
import { fileBytes } from "../../support/effort.ts";
import { describeWithTools } from "../../support/privilege.ts";
import { Namespace } from "./support/namespaces.ts";
import { openWire } from "./support/relay.ts";
import { overTcp, overUdp } from "./support/transfer.ts";

const BYTES = fileBytes / 4;
const TIMEOUT_MS = 300_000;
const TOOLS = ["python3", "nsenter", "unshare", "ip"];

/** CONFIG_VLAN_8021Q */
const hasVlans = Bun.spawnSync([
  "unshare",
  "--net",
  "ip",
  "link",
  "add",
  "link",
  "lo",
  "name",
  "v",
  "type",
  "vlan",
  "id",
  "1",
]).success;
const missing = hasVlans ? "" : " [skipped: this kernel has no VLAN interfaces]";

const modes = { plain: false, offload: true, raw: { raw: true } } as const;

/** A frame with these bytes behind its MAC addresses. */
function tagged(frame: Uint8Array, tags: Uint8Array): Uint8Array {
  const out = new Uint8Array(frame.length + tags.length);
  out.set(frame.subarray(0, 12));
  out.set(tags, 12);
  out.set(frame.subarray(12), 12 + tags.length);
  return out;
}

function untagged(frame: Uint8Array, tags: Uint8Array): Uint8Array {
  for (const [at, byte] of tags.entries())
    if (frame[12 + at] !== byte) throw new Error("The tags are not those that were put on");
  const out = new Uint8Array(frame.length - tags.length);
  out.set(frame.subarray(0, 12));
  out.set(frame.subarray(12 + tags.length), 12);
  return out;
}

describeWithTools("VLAN tags", TOOLS, () => {
  test.each([
    { name: "no tag", tags: "" },
    { name: "802.1Q", tags: "8100002a" },
    { name: "802.1ad", tags: "88a80064" },
    { name: "802.1ad and 802.1Q", tags: "88a800648100002a" },
  ])(
    "TCP and UDP arrive through a bridge: $name",
    async ({ tags: text }) => {
      const tags = Uint8Array.fromHex(text);
      using middle = await Namespace.open();
      // The other end of the bridge, for each direction.
      const across: { right?: Device; left?: Device } = {};
      let [ahead, behind]: (Device | undefined)[] = [];
      using wire = await openWire({
        ethernet: true,
        offload: true,
        forward: (frames, _, direction) => {
          const entry = direction === "right" ? ahead : behind;
          entry?.sendMany(frames.map((frame) => tagged(frame, tags)));
        },
      });
      const port = (name: string, towards: "right" | "left"): Device =>
        openTap({
          ...{ netns: middle.path, name, up: true, txQueueLength: 4000, offload: true, reuseBuffers: true, mtu: 1508 },
          data: (_, frames) => void across[towards]?.sendMany(frames.map((frame) => untagged(frame, tags))),
        });
      using first = port("first", "left");
      using second = port("second", "right");
      middle.run("ip", "link", "add", "bridge0", "type", "bridge", "forward_delay", "0", "mcast_snooping", "0");
      for (const name of ["first", "second"]) middle.run("ip", "link", "set", name, "master", "bridge0");
      middle.run("ip", "link", "set", "bridge0", "up");
      [ahead, behind] = [first, second];
      across.right = wire.right.device;
      across.left = wire.left.device;
      for (const address of ["192.0.2.2", "2001:db8::2"]) {
        const before = { frames: second.counters().framesReceived, handed: second.stats().txPackets };
        const { sent, arrived } = await overTcp(wire, address, BYTES);
        expect(arrived).toEqual(sent);
        const frames = second.counters().framesReceived - before.frames;
        const handed = second.stats().txPackets - before.handed;
        // The kernel has left segments together, behind the tags too.
        expect(frames).toBeGreaterThan(1.2 * handed);
        const datagrams = await overUdp(wire, address, 1200, 500, 50);
        expect(datagrams.arrived).toEqual(datagrams.sent);
      }
      for (const device of [first, second, wire.left.device, wire.right.device]) {
        expect(device.counters()).toMatchObject({ malformed: 0, truncated: 0, refused: 0 });
      }
    },
    TIMEOUT_MS,
  );

  test.skipIf(!hasVlans).each(Object.entries(modes))(
    `the kernel's own VLAN interfaces, one and one in another: %s${missing}`,
    async (_, offload) => {
      using wire = await openWire({ ethernet: true, offload });
      for (const [host, { netns }] of [
        [1, wire.left],
        [2, wire.right],
      ] as const) {
        const add = (on: string, name: string, ...how: string[]): string =>
          netns.run("ip", "link", "add", "link", on, "name", name, "type", "vlan", ...how);
        add("wire0", "one", "id", "42");
        add("wire0", "outer", "protocol", "802.1ad", "id", "100");
        add("outer", "two", "id", "43");
        netns.run("ip", "address", "add", `198.51.100.${host}/24`, "dev", "one");
        netns.run("ip", "address", "add", `203.0.113.${host}/24`, "dev", "two");
        netns.run("ip", "address", "add", `2001:db8:1::${host}/64`, "dev", "one", "nodad");
        for (const name of ["one", "outer", "two"]) netns.run("ip", "link", "set", name, "up");
      }
      for (const address of ["198.51.100.2", "2001:db8:1::2", "203.0.113.2"]) {
        const { sent, arrived } = await overTcp(wire, address, BYTES);
        expect(arrived).toEqual(sent);
      }
      expect(wire.left.device.counters().malformed).toBe(0);
    },
    TIMEOUT_MS,
  );
});
