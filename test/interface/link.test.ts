/** Links on kernels that differ from this one. */
import { describe, expect, test } from "bun:test";
import { systemError } from "../../src/errors.ts";
import type { InterfaceClient } from "../../src/interface/client.ts";
import { Link } from "../../src/interface/link.ts";
import { openNetns } from "../../src/sys/netns.ts";
import { closeFd } from "../../src/sys/tun.ts";
import { persistentInterface, refusal } from "../device/support.ts";
import { describeWithTools } from "../support/privilege.ts";

/** An interface of that name, whose move the kernel refuses with EINVAL. */
function refusing(name: string): Link {
  const client = {
    info: () => ({ name, addressMode: undefined }),
    request: () => {
      throw systemError(-22, "netlink(RTM_NEWLINK)");
    },
  };
  return new Link(client as unknown as InterfaceClient);
}

test("setMtu() where the kernel has no IPv6 sets the MTU alone, also after setIPv6(false)", () => {
  const calls: string[] = [];
  const info = { name: "tun0", mtu: 1500, flags: 1, addressMode: undefined };
  const request = (...[call, , , , , what]: Parameters<InterfaceClient["request"]>): void =>
    void calls.push(`${call} ${what}`);
  const link = new Link({ info: () => info, request } as unknown as InterfaceClient);
  link.setIPv6(false);
  link.setMtu(1400);
  expect(calls).toEqual(["RTM_NEWLINK MTU 1400"]);
});

describeWithTools("Link.move() on Linux 5.10 and 6.1, which say EINVAL", ["ip"], () => {
  describe.each([
    { name: "taken0", code: "EEXIST" },
    { name: "free0", code: "EINVAL" },
  ])("with the name $name", ({ name, code }) => {
    test(`is ${code}`, () => {
      using _taken = persistentInterface("taken0", "tun");
      const netns = openNetns("/proc/thread-self/ns/net");
      try {
        expect(refusal(() => refusing(name).move(netns))).toMatchObject({ code, syscall: "netlink(RTM_NEWLINK)" });
      } finally {
        closeFd(netns);
      }
    });
  });
});
