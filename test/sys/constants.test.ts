/** The numbers and message layouts of src/, held by gcc against this system's own C headers. */
import { expect, test } from "bun:test";
import * as netlink from "../../src/netlink/constants.ts";
import * as network from "../../src/netlink/network-constants.ts";
import * as sys from "../../src/sys/constants.ts";
import { describeUnless } from "../support/privilege.ts";
import { top } from "../support/programs.ts";
import { headersMissing, isNumber, preamble, refuted } from "./headers.ts";

type Numbers = readonly (readonly [name: string, value: number])[];

/** The names whose numbers the headers do not confirm. */
function wrong(numbers: Numbers): string[] {
  return refuted(
    preamble,
    numbers.map(([name, value]) => isNumber(name, value)),
  );
}

const missing = headersMissing();

describeUnless(missing, "the constants of", () => {
  test.each([
    ["src/sys/constants.ts", sys],
    ["src/netlink/constants.ts", netlink],
    ["src/netlink/network-constants.ts", network],
  ] as const)("%s are the headers' own", (_file, module) => {
    const numbers = Object.entries(module) as unknown as Numbers;
    expect(numbers.length).toBeGreaterThan(30);
    expect(wrong(numbers)).toEqual([]);
  });

  test("this test, if they were wrong, would be noticed by it", () => {
    expect(wrong([["IFF_TUN", 1]])).toEqual([]);
    expect(
      wrong([
        ["IFF_TUN", 2],
        ["RTM_NEWLINK", 17],
        ["NO_SUCH_NAME", 1],
        ["TUN_PI_LEN", 5],
      ]),
    ).toEqual(["IFF_TUN", "NO_SUCH_NAME", "RTM_NEWLINK", "TUN_PI_LEN"]);
  });
});

describeUnless(missing, "the layout of", () => {
  test("every message of src/netlink is the headers' own", async () => {
    const local = async (file: string, name: string): Promise<number> => {
      const text = await Bun.file(`${top}/src/netlink/${file}`).text();
      return Number(new RegExp(`const ${name} = (\\d+);`).exec(text)?.[1]);
    };
    const sizes = {
      NLMSG_HDRLEN: await local("message.ts", "NLMSG_HDRLEN"),
      "sizeof(struct nlattr)": await local("message.ts", "NLA_HDRLEN"),
      "sizeof(struct ifinfomsg)": await local("link.ts", "IFINFOMSG_LEN"),
      "sizeof(struct ifaddrmsg)": await local("address.ts", "IFADDRMSG_LEN"),
      "sizeof(struct rtmsg)": await local("route.ts", "RTMSG_LEN"),
      "sizeof(struct fib_rule_hdr)": await local("rule.ts", "FIB_RULE_HDR_LEN"),
      "offsetof(struct fib_rule_hdr, dst_len)": 1,
      "offsetof(struct fib_rule_hdr, src_len)": 2,
      "offsetof(struct fib_rule_hdr, tos)": 3,
      "offsetof(struct fib_rule_hdr, table)": 4,
      "offsetof(struct fib_rule_hdr, action)": 7,
      "offsetof(struct fib_rule_hdr, flags)": 8,
      "offsetof(struct nlmsgerr, msg)": 4,
      "offsetof(struct nlmsghdr, nlmsg_type)": 4,
      "offsetof(struct nlmsghdr, nlmsg_flags)": 6,
      "offsetof(struct nlmsghdr, nlmsg_seq)": 8,
      "offsetof(struct ifinfomsg, ifi_index)": 4,
      "offsetof(struct ifinfomsg, ifi_flags)": 8,
      "offsetof(struct ifinfomsg, ifi_change)": 12,
      "offsetof(struct ifaddrmsg, ifa_prefixlen)": 1,
      "offsetof(struct ifaddrmsg, ifa_scope)": 3,
      "offsetof(struct ifaddrmsg, ifa_index)": 4,
      RT_SCOPE_UNIVERSE: 0,
      RT_SCOPE_SITE: 200,
      RT_SCOPE_LINK: 253,
      RT_SCOPE_HOST: 254,
      RT_SCOPE_NOWHERE: 255,
    };
    const counters = ["packets", "bytes", "errors", "dropped"].flatMap((name) => [`rx_${name}`, `tx_${name}`]);
    const numbers = [
      ...Object.entries(sizes),
      ...counters.map((name, i): [string, number] => [`offsetof(struct rtnl_link_stats64, ${name})`, 8 * i]),
    ];
    expect(wrong(numbers)).toEqual([]);
  });
});
