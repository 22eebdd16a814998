/** What the monitor makes of messages that are malformed or about others, and of changes that nobody takes. */
import { beforeAll, expect, test } from "bun:test";
import { openTun, type Tun } from "../../src/index.ts";
import { listenTo, textOf } from "../support/namespaces.ts";
import { describeWithTools } from "../support/privilege.ts";
import { quietIPv6, run, until } from "../support/system.ts";

/** Sends `body` as a message of that type to everybody who listens to links, as the kernel does. */
function broadcast(type: number, body: Uint8Array): void {
  const send = `
import socket, struct, sys
body = bytes.fromhex(sys.argv[2])
s = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE)
s.bind((0, 0))
s.sendto(struct.pack("=IHHII", 16 + len(body), int(sys.argv[1]), 0, 0, 0) + body, (0, 1))`;
  run("python3", "-c", send, `${type}`, body.toHex());
}

/** struct ifinfomsg of the interface `index`, or as long an ifaddrmsg, and attributes. */
function message(family: number, index: number, ...attributes: number[]): Uint8Array {
  const bytes = new Uint8Array(16 + attributes.length);
  bytes[0] = family;
  new DataView(bytes.buffer).setInt32(4, index, true);
  bytes.set(attributes, 16);
  return bytes;
}

/** include/uapi/linux/rtnetlink.h */
const RTM_NEWLINK = 16;
const RTM_DELLINK = 17;
const RTM_NEWADDR = 20;

describeWithTools("the monitor", ["ip", "python3"], () => {
  beforeAll(quietIPv6);

  test.each([
    { what: "an attribute that ends nowhere", type: RTM_NEWLINK, attributes: [2, 0, 4, 0] },
    { what: "an MTU of two bytes", type: RTM_NEWLINK, attributes: [6, 0, 4, 0, 1, 1, 0, 0] },
    { what: "a deletion with such an attribute", type: RTM_DELLINK, attributes: [6, 0, 4, 0, 1, 1, 0, 0] },
    { what: "an address with such an attribute", type: RTM_NEWADDR, attributes: [5, 0, 1, 0], family: 2 },
  ])("does not look at another interface's message: $what", async ({ type, attributes, family = 0 }) => {
    using tun = openTun();
    const changes = listenTo(tun);
    broadcast(type, message(family, tun.index + 1, ...attributes));
    tun.setMtu(1400);
    await until(() => changes.texts().length > 0 || tun.closed, "a change of its own");
    expect({ closed: tun.closed, told: changes.texts() }).toEqual({ closed: false, told: ["mtu 1400"] });
  });

  test("of changes that nobody takes a bounded number waits: `lost` says how many went, and the newest follow", async () => {
    using tun = openTun();
    const [unread, read] = [tun.changes(), listenTo(tun)];
    const total = 17_000;
    for (let made = 0; made < total; ) {
      for (let i = 0; i < 1000; i++) tun.setMtu(1300 + (made++ % 100));
      await until(() => read.told.length === made, "all that was made is told");
    }
    const first = await unread.next();
    const { count } = first.value as { type: "lost"; count: number };
    expect(first.value).toEqual({ type: "lost", count: expect.any(Number) });
    expect(count).toBeGreaterThan(0);
    for (const expected of read.texts().slice(count)) expect(textOf((await unread.next()).value)).toBe(expected);
    // From there on it goes on as before.
    tun.setMtu(1400);
    expect((await unread.next()).value).toEqual({ type: "mtu", mtu: 1400 });
    expect(read.texts().filter((text) => text.startsWith("lost"))).toEqual([]);
  }, 300_000);

  test("the end is told behind what was lost", async () => {
    const tun: Tun = openTun();
    const [unread, read] = [tun.changes(), listenTo(tun)];
    for (let made = 0; made < 17_000; ) {
      for (let i = 0; i < 1000; i++) tun.setMtu(1300 + (made++ % 100));
      await until(() => read.told.length === made, "all that was made is told");
    }
    run("ip", "link", "delete", tun.name);
    await read.ended;
    const types: string[] = [];
    for await (const { type } of unread) types.push(type);
    expect([types[0], types.at(-1)]).toEqual(["lost", "deleted"]);
    expect(types.length).toBeLessThan(16_400);
  }, 300_000);
});
