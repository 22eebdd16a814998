/** The LAN at work: three hosts, each in a network namespace of its own, that see nothing of each other but what the switch carries. */
import { afterAll, beforeAll, beforeEach, expect, test } from "bun:test";
import { describeWithTools } from "../support/privilege.ts";
import { answersIn, until } from "../support/system.ts";
import { Lan, type Running, tools } from "./switch-lan.ts";

const addressOf = (client: number): string => `198.51.100.${client}`;
const pairs = [1, 2, 3].flatMap((from) => [1, 2, 3].filter((to) => to !== from).map((to) => ({ from, to })));

describeWithTools("a LAN of three over the switch", [...tools, "iperf3"], () => {
  let lan: Lan;
  let server: Running;
  const clients: Running[] = [];

  beforeAll(async () => {
    lan = await Lan.open(3);
    server = await lan.serve();
  }, 120_000);
  beforeEach(async () => {
    for (const number of [1, 2, 3])
      if (clients[number - 1]?.ended !== false) clients[number - 1] = await lan.join(number);
  }, 120_000);
  afterAll(async () => expect(await lan.end()).toEqual([]), 60_000);

  test.each(pairs)("client $from reaches client $to", ({ from, to }) => {
    expect(answersIn(lan.ping(from, addressOf(to)))).toBeGreaterThanOrEqual(3);
  });

  test("the switch has learned who is where, and tells it", async () => {
    for (const { from, to } of pairs) lan.ping(from, addressOf(to));
    const { macAddresses, ports } = lan.status();
    expect(macAddresses).toBe(3);
    for (const number of [1, 2, 3]) {
      const { address, macs } = ports.find(({ id }) => id === `client${number}`) as (typeof ports)[number];
      expect({ address, macs: [...macs] }).toEqual({
        address: `${addressOf(number)}/24`,
        macs: [lan.interfaceOf(number).address as string],
      });
    }
    await until(() => server.log.includes("client3"), "the switch's word of its third client");
    expect(server.log).toMatch(/^join {2}client3 from 192\.0\.2\.13, 198\.51\.100\.3\/24; \d here$/m);
  });

  test("frames for one client do not reach the third", () => {
    const before = lan.port(3).framesOut;
    lan.site(1).run("ping", "-q", "-f", "-c", "500", "-w", "30", addressOf(2));
    expect(lan.port(3).framesOut - before).toBeLessThan(100);
  });

  /** Pings a group twice, and again until each of the others has answered: ping ends when one of them has, both times. */
  async function allAnswer(from: number, group: readonly string[], others: readonly string[]): Promise<void> {
    const ping = ["ping", "-c", "2", "-i", "0.2", "-w", "30", ...group];
    let output = "";
    const haveAnswered = (): boolean => {
      output += lan.site(from).run(...ping);
      return others.every((other) => output.includes(`from ${other}: icmp_seq=`));
    };
    await until(haveAnswered, () => `answers of ${others.join(", ")} in ${output}`);
  }

  test("a broadcast reaches all others", async () => {
    await allAnswer(1, ["-b", "198.51.100.255"], [2, 3].map(addressOf));
  });

  test("an IPv6 multicast reaches all others", async () => {
    const others = [1, 3].map((other) => {
      const found = lan.interfaceOf(other).addr_info?.find(({ local }) => local.startsWith("fe80:"));
      return `${found?.local}%lan0`;
    });
    await allAnswer(2, ["-6", "ff02::1%lan0"], others);
  });

  test("TCP and UDP pass as iperf3 sends them, in order", async () => {
    const iperf = async (...options: string[]) => {
      using listener = lan.site(2).start("iperf3", "-s", "-1", "--forceflush");
      await listener.line();
      const output = lan.site(1).run("iperf3", "-c", addressOf(2), "--connect-timeout", "30000", "-J", ...options);
      return JSON.parse(output).end;
    };
    const tcp = await iperf("-n", "100M");
    expect(tcp.sum_received.bytes).toBeGreaterThan(95 * 2 ** 20);
    const udp = await iperf("-u", "-b", "50M", "-l", "1400", "-n", "5M");
    const { packets, lost_packets, out_of_order } = udp.streams[0].udp;
    expect(packets).toBeGreaterThan(1000);
    // How many are lost for want of room depends on what else the machine does.
    expect({ some: packets - lost_packets > 100, out_of_order }).toEqual({ some: true, out_of_order: 0 });
    for (const number of [1, 2, 3]) {
      const { short, long, source } = lan.port(number).dropped;
      expect({ short, long, source }).toEqual({ short: 0, long: 0, source: 0 });
    }
  }, 120_000);

  test("a client killed and started again keeps address and MAC, and is reached again", async () => {
    const before = lan.interfaceOf(2);
    await clients[1]?.end("SIGKILL");
    clients[1] = await lan.join(2);
    const after = lan.interfaceOf(2);
    const known = ({ address, addr_info = [] }: typeof after) => ({
      address,
      addresses: addr_info.map(({ local, prefixlen }) => `${local}/${prefixlen}`).sort(),
    });
    expect(known(after)).toEqual(known(before));
    expect(after.ifindex).not.toBe(before.ifindex);
    for (const from of [1, 3]) expect(answersIn(lan.ping(from, addressOf(2)))).toBeGreaterThanOrEqual(3);
    expect(lan.status().ports).toHaveLength(3);
  });

  test("without a switch, interfaces stay without carrier; a new switch finds everything unchanged", async () => {
    const before = [1, 2, 3].map((number) => lan.interfaceOf(number));
    await server.end();
    await until(() => !lan.interfaceOf(3).flags.includes("LOWER_UP"), "carrier gone");
    expect(lan.interfaceOf(3).addr_info).toEqual(before[2]?.addr_info as never);
    server = await lan.serve();
    await until(() => lan.status().ports.length === 3, "all three are back");
    await until(() => lan.interfaceOf(3).flags.includes("LOWER_UP"), "carrier back");
    [1, 2, 3].forEach((number, i) => {
      const [now, then] = [lan.interfaceOf(number), before[i]];
      expect([now.ifindex, now.address, now.addr_info]).toEqual([then?.ifindex, then?.address, then?.addr_info]);
      expect(lan.port(number).address).toBe(`${addressOf(number)}/24`);
    });
    for (const { from, to } of pairs) expect(answersIn(lan.ping(from, addressOf(to)))).toBeGreaterThanOrEqual(3);
  }, 120_000);

  test("a client that is told to end takes its interface with it, and the switch its port", async () => {
    expect(await clients[2]?.end("SIGTERM")).toBe(0);
    expect(lan.site(3).run("ip", "-o", "link")).not.toContain("lan0");
    await until(() => lan.status().ports.length === 2, "the port is gone");
    expect(server.log).toMatch(/leave client3 after \d+ s: connection lost; 2 here\n/);
  });

  test("deleting the interface ends the client, which says why", async () => {
    const first = clients[0] as Running;
    lan.site(1).run("ip", "link", "delete", "lan0");
    expect(await first.exited).toBe(1);
    expect(first.log).toContain("EBADFD");
  });
});
