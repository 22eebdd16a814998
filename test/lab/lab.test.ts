/** Hosts, links and what runs on hosts, in the kernel's own network namespaces. */
import { expect, test } from "bun:test";
import { mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync, writeFileSync } from "node:fs";
import { createLab, type Host, type Lab } from "../../src/lab/index.ts";
import { describePrivileged } from "../support/privilege.ts";
import { thrownBy } from "../support/programs.ts";
import { run, until } from "../support/system.ts";
import { echoOnce, floodUdp, reach, udpSink } from "./traffic.ts";

const own = (): string => readlinkSync("/proc/thread-self/ns/net");

async function twoHosts(options: Parameters<Lab["link"]>[2] = {}) {
  const lab = await createLab({ seed: 7 });
  const [client, server] = [lab.host("client"), lab.host("server")];
  const link = lab.link(client, server, options);
  return { lab, client, server, link, [Symbol.asyncDispose]: () => lab.close() };
}

describePrivileged("a host", () => {
  test("is a namespace with loopback up, and addresses of the documentation prefixes", async () => {
    await using net = await twoHosts();
    expect(net.client.address).toBe("203.0.113.1");
    expect(net.server.address).toBe("203.0.113.2");
    expect(net.server.address6).toBe("2001:db8:0:1::2");
    const links = JSON.parse(net.server.enter(() => run("ip", "-j", "address")));
    expect(links.map(({ ifname }: { ifname: string }) => ifname)).toEqual(["lo", "eth0"]);
    expect(links[0].flags).toContain("UP");
    expect(links[1].addr_info.map(({ local }: { local: string }) => local)).toEqual(["203.0.113.2", "2001:db8:0:1::2"]);
  });

  test("answers to the others by IPv4 and IPv6, and to nobody else", async () => {
    await using net = await twoHosts();
    await reach(net.client, net.server);
    await reach(net.client, net.server.address6);
    await reach(net.server, net.server);
    expect(await net.client.ping("192.0.2.99")).toBeNull();
    await reach(net.client, net.server, { size: 20_000 });
  });

  test("spawn(): the program is in the namespace, knows the others' addresses, and dies with the lab", async () => {
    const net = await twoHosts();
    const program = net.server.spawn(["sh", "-c", "readlink /proc/self/ns/net; echo $LAB_CLIENT $LAB_SERVER6 $MORE"], {
      env: { MORE: "more" },
    });
    const [netns, line] = (await new Response(program.stdout).text()).split("\n");
    expect(netns).not.toBe(own());
    expect(line).toBe("203.0.113.1 2001:db8:0:1::2 more");
    const long = net.server.spawn(["sh", "-c", "sleep 1000 & sleep 1000"], { stdout: "ignore" });
    await until(() => inNamespace(netns as string).length === 4, "the shell, its two programs and the guard run");
    await net.lab.close();
    expect(inNamespace(netns as string)).toEqual([]);
    expect(long.signalCode).toBe("SIGKILL");
  });

  test("enter(): sockets belong to the host, the thread comes back, also from an exception", async () => {
    await using net = await twoHosts();
    const before = own();
    expect(net.client.enter(own)).not.toBe(before);
    expect(
      thrownBy(() =>
        net.client.enter(() =>
          net.server.enter(() => {
            throw new Error("inside");
          }),
        ),
      ),
    ).toMatchObject({ message: "inside" });
    expect(own()).toBe(before);
    expect(net.client.enter(() => [own(), net.server.enter(own), own()])).toEqual([
      net.client.enter(own),
      net.server.enter(own),
      net.client.enter(own),
    ]);
    expect(() => net.client.enter(async () => {})).toThrow(TypeError);
    expect(await echoOnce(net.client, net.server, "hello")).toBe("hello");
  });

  test("enter(): Bun.serve and a request by Bun.connect, and net.createServer", async () => {
    await using net = await twoHosts();
    using web = net.server.enter(() =>
      Bun.serve({ hostname: net.server.address, port: 8080, fetch: () => new Response("the page") }),
    );
    expect(web.port).toBe(8080);
    const answer = Promise.withResolvers<string>();
    const socket = await net.client.enter(() =>
      Bun.connect({
        hostname: net.server.address,
        port: 8080,
        socket: {
          open: (socket) => void socket.write("GET / HTTP/1.1\r\nHost: server\r\nConnection: close\r\n\r\n"),
          data: (_socket, data) => answer.resolve(data.toString()),
        },
      }),
    );
    expect(await answer.promise).toEndWith("the page");
    socket.end();
    await web.stop(true);
  });

  test("worker(): the thread lives on the host", async () => {
    await using net = await twoHosts();
    const worker = net.server.worker(new URL("./worker.ts", import.meta.url));
    const message = await new Promise<{ netns: string }>((resolve) => {
      worker.onmessage = ({ data }) => resolve(data);
    });
    expect(message.netns).toBe(net.server.enter(own));
    expect(await echoOnce(net.client, net.server, "to the worker", 4000)).toBe("to the worker");
  });

  test.each([
    ["web-1", "web_1", "LAB_WEB_1"],
    ["a", "A", "LAB_A"],
    ["b6", "b", "LAB_B6"],
    ["é", "É", "LAB_É"],
  ])("with a name like another's: %j and %j would share variables", async (first, second, shared) => {
    await using lab = await createLab();
    const host = lab.host(first);
    const error = thrownBy(() => lab.host(second));
    expect(error).toBeInstanceOf(RangeError);
    for (const named of [`"${first}"`, `"${second}"`, ` ${shared}:`]) expect((error as Error).message).toContain(named);
    host.close();
    expect(lab.host(second).name).toBe(second);
  });

  test("with a name of any script has a variable of its own, which its programs see", async () => {
    await using lab = await createLab();
    const [one, other] = [lab.host("東京"), lab.host("大阪")];
    lab.link(one, other);
    const program = one.spawn(["env"], { env: {} });
    const found = (await program.stdout.text()).split("\n").filter((line) => /^LAB_(大阪|東京)=/.test(line));
    expect(found.sort()).toEqual([`LAB_大阪=${other.address}`, `LAB_東京=${one.address}`]);
  });

  test("without IPv6 has IPv4 alone, and the others have both", async () => {
    await using lab = await createLab();
    const [without, other, far, router] = [
      lab.host("without"),
      lab.host("other"),
      lab.host("far"),
      lab.router("router"),
    ];
    without.enter(() => writeFileSync("/proc/sys/net/ipv6/conf/all/disable_ipv6", "1"));
    lab.link(router, far);
    lab.switch([without, other, router]);
    for (const host of [other, router, far]) await reach(without, host);
    await reach(other, far.address6);
    expect(without.enter(() => run("ip", "-6", "-o", "address"))).toBe("");
    expect(await other.ping(without.address6)).toBeNull();
  });

  test("names itself when it is used after close, and its links go with it", async () => {
    await using net = await twoHosts();
    net.server.close();
    expect(net.link.closed).toBe(true);
    expect(thrownBy(() => net.server.spawn(["true"]))).toMatchObject({
      code: "ERR_TUNTAP_CLOSED",
      message: expect.stringContaining('"server"'),
    });
    expect(thrownBy(() => net.lab.link(net.client, net.server))).toMatchObject({ code: "ERR_TUNTAP_CLOSED" });
    expect(thrownBy(() => net.link.update({}))).toMatchObject({ message: expect.stringContaining('"client-server"') });
    expect(thrownBy(() => net.client.address)).toMatchObject({
      code: "EADDRNOTAVAIL",
      message: expect.stringContaining('"client"'),
    });
    // The name is free again.
    const link = net.lab.link(net.client, net.lab.host("server"));
    expect(link.name).toBe("client-server");
    await reach(net.client, "203.0.113.6");
  });

  test("an address that cannot be leaves no interface, and the error names host and link", async () => {
    await using net = await twoHosts();
    const third = net.lab.host("third", { address6: "ff02::1/64" });
    const error = thrownBy(() => net.lab.link(third, net.client)) as Error;
    expect(error.message).toContain('the host "third", the link "third-client"');
    expect(third.enter(() => readFileSync("/proc/thread-self/net/dev", "latin1"))).not.toContain("eth");
    expect(net.client.enter(() => readFileSync("/proc/thread-self/net/dev", "latin1"))).not.toContain("eth1");
  });
});

describePrivileged("a link", () => {
  test("delays by what update() says, each way", async () => {
    await using net = await twoHosts();
    await reach(net.client, net.server);
    net.link.update({ forward: { delay: 30 } });
    expect(await reach(net.client, net.server)).toBeGreaterThanOrEqual(30);
    net.link.update({ delay: 20 });
    const times = await Promise.all([1, 2, 3].map(() => reach(net.client, net.server)));
    for (const milliseconds of times) expect(milliseconds).toBeGreaterThanOrEqual(40);
    net.link.update({ delay: 0 });
    // The kernel may have asked by ARP meanwhile, and that waits as it was sent.
    await until(() => net.link.stats().forward.waiting === 0, "nothing waits any more");
  });

  test("is cut and restored, with or without the carrier", async () => {
    await using net = await twoHosts();
    await reach(net.client, net.server);
    net.link.cut();
    expect(await net.client.ping(net.server, { timeout: 50 })).toBeNull();
    expect(net.link.stats().forward.cut).toBeGreaterThan(0);
    net.link.restore();
    await reach(net.client, net.server);
    net.link.cut({ carrier: true });
    const [, eth0] = JSON.parse(net.client.enter(() => run("ip", "-j", "link")));
    expect(eth0.flags).not.toContain("LOWER_UP");
    net.link.restore();
    await reach(net.client, net.server);
  });

  test("loses, duplicates and reorders datagrams: the same ones for the same seed", async () => {
    const orders: number[][] = [];
    for (const seed of [7, 7, 8]) {
      await using lab = await createLab({ seed });
      const [a, b] = [lab.host("a"), lab.host("b")];
      const link = lab.link(a, b, { forward: { loss: 0.1, duplicate: 0.1, reorder: 0.1 } });
      const sink = await udpSink(b);
      await floodUdp(a, b, sink.port, 300);
      const { stats } = { stats: () => link.stats().forward };
      await until(() => stats().frames >= 300 && stats().waiting === 0, "all datagrams have passed");
      await until(
        () => sink.numbers.length >= 300 - stats().lost + stats().duplicated,
        "all that was not lost has arrived",
      );
      expect(stats()).toMatchObject({ refused: 0, queueDropped: 0 });
      expect(stats().reordered).toBeGreaterThan(0);
      orders.push([...sink.numbers]);
      sink.close();
    }
    expect(orders[1]).toEqual(orders[0] as number[]);
    expect(orders[2]).not.toEqual(orders[0] as number[]);
  });

  test("damages packets, and the kernel's checksums catch it", async () => {
    await using net = await twoHosts({ forward: { corrupt: 1 } });
    const sink = await udpSink(net.server);
    await floodUdp(net.client, net.server, sink.port, 200);
    await until(() => net.link.stats().forward.corrupted >= 200, "all datagrams were damaged");
    await until(() => errorsAt(net.server) >= 150, "the kernel has counted damaged packets");
    expect(sink.numbers.length).toBe(0);
    sink.close();
  });

  test("captures what the first host sends and gets, as tshark reads it", async () => {
    const folder = mkdtempSync(`${process.env["TMPDIR"] ?? "/tmp"}/bun-tuntap-lab-`);
    try {
      await using net = await twoHosts();
      const capture = await net.link.capture(`${folder}/ping.pcapng`);
      await reach(net.client, net.server);
      await capture.close();
      const file = await Bun.file(`${folder}/ping.pcapng`).bytes();
      const { parseCapture } = await import("../../src/capture/index.ts");
      const { describe } = await import("../../src/packet/index.ts");
      const lines = [...parseCapture(file)].map(({ frame }) => describe(frame, "tap"));
      expect(lines.filter((line) => line.includes("ICMP echo"))).toEqual([
        expect.stringContaining("203.0.113.1 > 203.0.113.2: ICMP echo request"),
        expect.stringContaining("203.0.113.2 > 203.0.113.1: ICMP echo reply"),
      ]);
      await expect(net.link.capture("/nowhere/x.pcapng")).rejects.toThrow();
      await expect(net.link.capture(`${folder}/x`, { host: "nobody" })).rejects.toThrow(TypeError);
      await expect(net.link.capture(`${folder}/x`, null as never)).rejects.toThrow('"options" must be an object');
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  test("dump() writes last frames, state and seed", async () => {
    const folder = mkdtempSync(`${process.env["TMPDIR"] ?? "/tmp"}/bun-tuntap-lab-`);
    try {
      await using net = await twoHosts();
      await reach(net.client, net.server);
      await net.lab.dump(`${folder}/failed`);
      expect(readdirSync(`${folder}/failed`).sort()).toEqual([
        "client-server.pcapng",
        "client-server.txt",
        "client.json",
        "lab.json",
        "server.json",
      ]);
      expect(readFileSync(`${folder}/failed/client-server.txt`, "utf8")).toMatch(
        /client > server: IP .* ICMP echo request/,
      );
      const state = JSON.parse(readFileSync(`${folder}/failed/server.json`, "utf8"));
      expect(state.interfaces[0]).toMatchObject({
        name: "eth0",
        addresses: [{ address: "203.0.113.2/30" }, { address: "2001:db8:0:1::2/64" }],
      });
      expect(state.udp[0]).toContain("local_address");
      expect(JSON.parse(readFileSync(`${folder}/failed/lab.json`, "utf8")).seed).toBe(7);
      net.lab.host("lab");
      await net.lab.dump(folder);
      const [host, summary] = ["lab", "lab-2"].map((name) =>
        JSON.parse(readFileSync(`${folder}/${name}.json`, "utf8")),
      );
      expect([host.name, summary.seed]).toEqual(["lab", 7]);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});

describePrivileged("topologies", () => {
  test("a switch: hosts reach each other, and learnt addresses keep frames from the others", async () => {
    await using lab = await createLab({ seed: 7 });
    const hosts = ["a", "b", "c"].map((name) => lab.host(name));
    const [a, b, c] = hosts as [(typeof hosts)[0], (typeof hosts)[0], (typeof hosts)[0]];
    const lan = lab.switch(hosts);
    expect(a.address).toBe("192.0.2.1");
    for (const one of hosts) for (const other of hosts) await reach(one, other);
    const seen: string[] = [];
    // IPv4 (EtherType 0x0800) with ICMP in it.
    const isEcho = (frame: Uint8Array): boolean => frame[12] === 8 && frame[13] === 0 && frame[23] === 1;
    for (const host of [b, c]) {
      lan.port(host).intercept((frame) => {
        if (isEcho(frame)) seen.push(host.name);
        return undefined;
      });
    }
    for (let i = 0; i < 5; i++) await reach(a, b);
    expect(seen).toEqual(new Array(10).fill("b"));
    lan.port(b).update({ delay: 15 });
    expect(await reach(a, b)).toBeGreaterThanOrEqual(30);
    expect(await fastestPing(a, c)).toBeLessThan(30);
    const d = lab.host("d");
    lan.attach(d, { loss: 1 });
    expect(await d.ping(a, { timeout: 30 })).toBeNull();
    lan.port(b).close();
    expect(() => lan.port(b)).toThrow(RangeError);
    lan.close();
    expect(() => a.address).toThrow('"a" is on no network');
  });

  test("routers forward between links, switches and each other", async () => {
    await using lab = await createLab({ seed: 7 });
    const [near, far] = [lab.router("near"), lab.router("far")];
    const [client, server] = [lab.host("client"), lab.host("server")];
    const path = lab.link(near, far, { delay: 10 });
    lab.link(client, near);
    lab.switch([far, server]);
    const serverNetwork = "192.0.2.0/24";
    near.route(serverNetwork, far);
    far.route(`${client.address}/32`, near);
    near.route({ to: "2001:db8:0:3::/64" }, far);
    far.route({ to: `${client.address6}/128` }, near);
    expect(await reach(client, server)).toBeGreaterThanOrEqual(20);
    expect(await reach(client, server.address6)).toBeGreaterThanOrEqual(20);
    expect(near.addressOn(path).address).toBe("203.0.113.1");
    expect(() => client.addressOn(path)).toThrow('"client" is not on "near-far"');
  });

  test("addresses that the caller gives are given to nobody else, whoever comes first", async () => {
    await using lab = await createLab();
    const [a, b] = [lab.host("a"), lab.host("b")];
    const named = lab.host("named", { address: "192.0.2.1/24", address6: "2001:db8:0:1:0:0:0:2/64" });
    lab.switch([a, named, b]);
    expect([a, named, b].map(({ address }) => address)).toEqual(["192.0.2.2", "192.0.2.1", "192.0.2.3"]);
    expect([a, b].map(({ address6 }) => address6)).toEqual(["2001:db8:0:1::1", "2001:db8:0:1::3"]);
    for (const host of [a, b]) await reach(host, named);
    await reach(a, named.address6);
  });

  test("addresses and networks that the caller gives", async () => {
    await using lab = await createLab();
    const a = lab.host("a", { address: "10.1.2.3/8" });
    const b = lab.host("b");
    lab.link(a, b, { subnet: "10.0.0.0/8", subnet6: "fd00::/64", name: "wide" });
    expect([a.address, b.address, a.address6]).toEqual(["10.1.2.3", "10.0.0.1", "fd00::1"]);
    await reach(b, a);
    expect(() => lab.link(a, b, { subnet: "10.0.0.1/8" })).toThrow('Option "subnet" must be a network');
    expect(() => lab.link(a, b, { name: "wide" })).toThrow('There is a link "wide" already');
    expect(() => lab.host("a")).toThrow('There is a host "a" already');
    expect(() => lab.link(a, a)).toThrow('got "a" twice');
    expect(() => lab.link(a, b, { loss: 2 })).toThrow('Option "loss" must be a probability from 0 to 1, got 2');
    expect(() => lab.link(a, b, { los: 0.1 } as object)).toThrow('Unknown option "los"');
    const ping = a.ping.bind(a) as (to: unknown, options?: unknown) => Promise<unknown>;
    for (const to of [null, {}, lab])
      await expect(ping(to)).rejects.toThrow('"to" must be a host or an IP address, got');
    await expect(ping(lab.host("alone"))).rejects.toThrow('the host "alone" is on no network yet');
    await expect(ping(b, null)).rejects.toThrow('Option "options" must be an object, got null');
    await expect(ping(b, { timeuot: 1 })).rejects.toThrow('did you mean "timeout"');
    await expect(ping(b, { timeout: Number.NaN })).rejects.toThrow('"timeout" must be milliseconds above 0, got NaN');
    const route = a.route.bind(a) as (to: unknown, via?: unknown) => void;
    for (const via of [null, 5, {}, lab]) {
      expect(() => route("default", via)).toThrow('"via" must be a host or an IP address, got');
    }
    for (const to of [null, undefined, {}]) expect(() => route(to)).toThrow("A route must be text");
  });
});

/** The shortest of several round trips: a busy machine makes single ones long. */
async function fastestPing(from: Host, to: Host): Promise<number> {
  const times: number[] = [];
  for (let i = 0; i < 10; i++) times.push(await reach(from, to));
  return Math.min(...times);
}

/** The processes in a network namespace, by their ids. */
function inNamespace(netns: string): string[] {
  return readdirSync("/proc").filter((pid) => {
    try {
      return /^\d+$/.test(pid) && readlinkSync(`/proc/${pid}/ns/net`) === netns;
    } catch {
      return false;
    }
  });
}

/** Packets that the kernel of a host has found damaged, whatever part of it. */
function errorsAt(host: Host): number {
  const text = host.enter(() => run("cat", "/proc/self/net/snmp"));
  const value = (protocol: string, name: string): number => {
    const [names, values] = text
      .split("\n")
      .filter((line) => line.startsWith(`${protocol}:`))
      .map((line) => line.split(" "));
    return Number(values?.[names?.indexOf(name) ?? 0]);
  };
  return (
    value("Udp", "InErrors") +
    value("Ip", "InHdrErrors") +
    value("Ip", "InAddrErrors") +
    value("Udp", "NoPorts") +
    value("Ip", "InUnknownProtos") +
    value("Ip", "InDiscards")
  );
}
