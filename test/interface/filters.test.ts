/** What a TAP's interface lets through: TUNSETTXFILTER and classic BPF, tried with frames of the kernel's. */
import { beforeAll, expect, test } from "bun:test";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { openTap, openTun, type Tap } from "../../src/index.ts";
import { leavingNothing, refusal, warmUp } from "../device/support.ts";
import { testOnKernel } from "../support/kernel.ts";
import { describeWithTools } from "../support/privilege.ts";
import { quietIPv6, run, until } from "../support/system.ts";
import { ipJson } from "./support.ts";

const hosts = Array.from({ length: 12 }, (_, i) => ({
  ip: `192.0.2.${10 + i}`,
  mac: `02:00:5e:00:53:${(0x10 + i).toString(16)}`,
}));
type Host = (typeof hosts)[number];
const macOf = ({ mac }: Host): string => mac;

/** A TAP on whose network these hosts are known, so that nobody asks for them. */
function tapWithHosts(): Tap {
  const tap = openTap({ name: "filter0", addresses: ["192.0.2.1/24"], txQueueLength: 1000 });
  for (const { ip, mac } of hosts) run("ip", "neigh", "add", ip, "lladdr", mac, "dev", "filter0");
  return tap;
}

/** Datagrams of the kernel's, and one that says that no more will come; returns the texts of those that came. */
async function passing(
  tap: Tap,
  texts: readonly (readonly [text: string, to: string, port?: number])[],
): Promise<string[]> {
  using socket = disposable(await Bun.udpSocket({ hostname: "192.0.2.1" }));
  socket.it.setBroadcast(true);
  for (const [text, to, port = 9] of texts) socket.it.send(text, port, to);
  // They are in the queue before send() returns, or not at all.
  const found: string[] = [];
  for (let frame = tap.tryReceive(); frame !== null; frame = tap.tryReceive()) {
    const text = new TextDecoder().decode(frame.subarray(42));
    found.push(frame[12] === 8 && frame[13] === 0 && frame[23] === 17 ? text : frame.subarray(0, 14).toHex());
  }
  return found;
}

function disposable<T extends { close(): void }>(it: T): { it: T } & Disposable {
  return { it, [Symbol.dispose]: () => it.close() };
}

const toAll = hosts.map(({ ip }) => [ip, ip] as const);

describeWithTools("setTxFilter()", ["ip"], () => {
  beforeAll(quietIPv6);

  test("the addresses given pass, and broadcast; null lets everything pass again", async () => {
    using tap = tapWithHosts();
    const everything = [...toAll, ["all", "192.0.2.255"], ["group", "224.0.0.1"]] as const;
    const texts = everything.map(([text]) => text);
    run("ip", "route", "add", "224.0.0.0/4", "dev", "filter0");
    expect(await passing(tap, everything)).toEqual(texts);
    for (const count of [1, 2, 7, 8]) {
      tap.setTxFilter(hosts.slice(0, count).map(macOf));
      expect(await passing(tap, everything)).toEqual([...texts.slice(0, count), "all"]);
    }
    tap.setTxFilter([macOf(hosts[3] as Host)], { broadcast: false, allMulticast: true });
    // Broadcast is a group, too.
    expect(await passing(tap, everything)).toEqual([hosts[3]?.ip as string, "all", "group"]);
    tap.setTxFilter([macOf(hosts[3] as Host)], { broadcast: false });
    expect(await passing(tap, everything)).toEqual([hosts[3]?.ip as string]);
    tap.setTxFilter(null);
    expect(await passing(tap, everything)).toEqual(texts);
  });

  test("no address at all lets nothing pass, where the kernel's empty filter lets everything", async () => {
    using tap = tapWithHosts();
    const some = [...toAll, ["all", "192.0.2.255"]] as const;
    tap.setTxFilter([]);
    expect(await passing(tap, some)).toEqual(["all"]);
    tap.setTxFilter([], { broadcast: false });
    expect(await passing(tap, some)).toEqual([]);
  });

  test("a ninth unicast address, with which the kernel would let everything pass: RangeError, and the filter stays", async () => {
    using tap = tapWithHosts();
    tap.setTxFilter([macOf(hosts[0] as Host)]);
    expect(() => tap.setTxFilter(hosts.slice(0, 9).map(macOf))).toThrow("attachFilter()");
    expect(await passing(tap, toAll)).toEqual([hosts[0]?.ip as string]);
    // The same one twice is one.
    tap.setTxFilter([...hosts.slice(0, 8), ...hosts.slice(0, 8)].map(macOf));
    expect(await passing(tap, toAll)).toEqual(hosts.slice(0, 8).map(({ ip }) => ip));
  });

  test("any number of groups beside eight hosts", async () => {
    using tap = tapWithHosts();
    run("ip", "route", "add", "224.0.0.0/4", "dev", "filter0");
    const groups = Array.from({ length: 20 }, (_, i) => ({
      ip: `239.1.1.${i}`,
      mac: `01:00:5e:01:01:${(0x100 + i).toString(16).slice(1)}`,
    }));
    tap.setTxFilter([...groups, ...hosts.slice(0, 8)].map(macOf), { broadcast: false });
    const wanted = [...hosts.slice(0, 8), ...groups].map(({ ip }) => ip);
    const found = await passing(tap, [...toAll, ...groups.map(({ ip }) => [ip, ip] as const)]);
    expect(found).toEqual(wanted);
  });

  test("refuses a value that is no list of MAC addresses, and a TUN has none of these calls", () => {
    using tap = openTap();
    for (const wrong of ["02:00:5e:00:53:10", {}, 7]) expect(() => tap.setTxFilter(wrong as never)).toThrow(TypeError);
    expect(() => tap.setTxFilter(["02:00"])).toThrow(RangeError);
    using tun = openTun();
    const asTap = tun as unknown as Tap;
    for (const call of [
      () => asTap.setTxFilter([]),
      () => asTap.attachFilter([[6, 0, 0, 0]]),
      () => asTap.detachFilter(),
    ]) {
      expect(refusal(call)).toMatchObject({ code: "EINVAL", hint: expect.stringContaining("TUN") });
    }
  });
});

/** Returns what tcpdump compiles: the first line is the number of instructions, each of the others is one. */
function compiled(expression: string): number[][] {
  const [, ...lines] = run("tcpdump", "-y", "EN10MB", "-ddd", ...expression.split(" "))
    .trim()
    .split("\n");
  return lines.map((line) => line.split(" ").map(Number));
}

describeWithTools("attachFilter()", ["ip", "tcpdump"], () => {
  beforeAll(() => {
    quietIPv6();
    warmUp();
  });

  test("what matches an expression of tcpdump passes, whole, and no other frame", async () => {
    using tap = tapWithHosts();
    const some = [
      ["one", "192.0.2.10", 53],
      ["two", "192.0.2.11", 53],
      ["three", "192.0.2.10", 54],
    ] as const;
    const cases: [string, string[]][] = [
      ["udp port 53", ["one", "two"]],
      ["ip host 192.0.2.10", ["one", "three"]],
      ["udp dst port 53 and ip dst 192.0.2.10", ["one"]],
      ["arp", []],
      ["ether dst 02:00:5e:00:53:11", ["two"]],
    ];
    for (const [expression, wanted] of cases) {
      tap.attachFilter(compiled(expression));
      expect({ expression, found: await passing(tap, some) }).toEqual({ expression, found: wanted });
    }
    tap.detachFilter();
    expect(await passing(tap, some)).toEqual(["one", "two", "three"]);
  });

  test("more hosts than setTxFilter() takes", async () => {
    using tap = tapWithHosts();
    tap.attachFilter(
      compiled(
        hosts
          .slice(0, 11)
          .map(({ mac }) => `ether dst ${mac}`)
          .join(" or "),
      ),
    );
    expect(await passing(tap, toAll)).toEqual(hosts.slice(0, 11).map(({ ip }) => ip));
  });

  test("a program that the kernel refuses: EINVAL with what it wants, and the one before stays", async () => {
    using tap = tapWithHosts();
    tap.attachFilter(compiled("ip host 192.0.2.10"));
    const refused = [
      [[0x28, 0, 0, 12]],
      [
        [0x15, 5, 5, 0],
        [6, 0, 0, 0xffff],
      ],
      [[0xff, 0, 0, 0]],
    ];
    for (const program of refused) {
      const error = await leavingNothing(() => refusal(() => tap.attachFilter(program)));
      expect(error).toMatchObject({ code: "EINVAL", hint: expect.stringContaining("classic BPF") });
    }
    for (const wrong of [[], [[6, 0, 0]], [[6, 0, 0, -1]], [[6, 0, 256, 0]], [["6", 0, 0, 0]], [6]]) {
      expect(() => tap.attachFilter(wrong as number[][])).toThrow(RangeError);
    }
    expect(await passing(tap, toAll)).toEqual([hosts[0]?.ip as string]);
  });

  testOnKernel("filterLimit", "longer than the kernel's limit of memory: ENOMEM, with what raises it", async () => {
    using tap = openTap();
    const limit = "/proc/sys/net/core/optmem_max";
    const before = existsSync(limit) ? readFileSync(limit, "latin1") : undefined;
    if (before !== undefined) writeFileSync(limit, "4096");
    try {
      const program = Array.from({ length: 4096 }, () => [6, 0, 0, 0]);
      const error = await leavingNothing(() => refusal(() => tap.attachFilter(program)));
      expect(error).toMatchObject({ code: "ENOMEM", hint: expect.stringContaining("sysctl net.core.optmem_max=") });
    } finally {
      if (before !== undefined) writeFileSync(limit, before);
    }
  });

  test("ret #0 lets nothing pass", async () => {
    using tap = tapWithHosts();
    tap.attachFilter([[6, 0, 0, 0]]);
    expect(await passing(tap, toAll)).toEqual([]);
  });

  testOnKernel("longFilter", "4096 instructions are taken, 4097 are not", async () => {
    using tap = tapWithHosts();
    const tooLong = "A filter must be a list of 1 to 4096 instructions";
    const long = [...Array.from({ length: 4095 }, () => [0, 0, 0, 0]), [6, 0, 0, 0xffff]];
    tap.attachFilter(long);
    expect(await passing(tap, toAll)).toEqual(hosts.map(({ ip }) => ip));
    expect(() => tap.attachFilter([[0, 0, 0, 0], ...long])).toThrow(new RangeError(`${tooLong}, got 4097`));
  });
});

describeWithTools("setCarrier()", ["ip"], () => {
  beforeAll(quietIPv6);

  test.each([
    { kind: "tun", open: openTun },
    { kind: "tap", open: openTap },
  ])("a $kind has a carrier, or not, as ip shows it", async ({ open }) => {
    using device = open({ name: "carrier0", up: true });
    const flags = (): string[] => ipJson<{ flags: string[] }>("link show dev carrier0")[0]?.flags ?? [];
    for (const on of [false, true, false]) {
      device.setCarrier(on);
      expect(device.info().carrier).toBe(on);
      // The flag is of the operational state, which Linux 5.10 and 6.1 change in a work queue.
      await until(() => flags().includes("NO-CARRIER") !== on, `ip shows ${on}`);
    }
    expect(() => device.setCarrier(1 as unknown as boolean)).toThrow(TypeError);
  });
});
