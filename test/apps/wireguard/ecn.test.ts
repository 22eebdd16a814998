/** ECN across the tunnel (RFC 6040), seen by tcpdump outside and inside, with the marks of a router made by nft. */
import { expect, test } from "bun:test";
import { describeWithTools } from "../../support/privilege.ts";
import { until } from "../../support/system.ts";
import { type Host, ours } from "./rig.ts";
import { type End, ping, theirs, tools, transfer, tunnel } from "./tunnelled.ts";

/** Packets of an interface as tcpdump reads them: the ECN bits of each. */
interface Watching extends Disposable {
  /** The bits of all packets by now. */
  seen(): number[];
}

async function watch(host: Host, name: string, filter: string): Promise<Watching> {
  const child = host.start([
    "tcpdump",
    "-i",
    name,
    "-Q",
    "in",
    "-n",
    "-v",
    "-l",
    "--immediate-mode",
    // Its ring has slots of this size: eight of the default on a TUN, and the kernel drops what finds none free.
    ...["-s", "128"],
    ...filter.split(" "),
  ]);
  let text = "";
  let isListening = false;
  void (async () => {
    for await (const part of child.stdout.pipeThrough(new TextDecoderStream())) text += part;
  })();
  void (async () => {
    for await (const part of child.stderr.pipeThrough(new TextDecoderStream()))
      if (part.includes("listening on")) isListening = true;
  })();
  await until(() => isListening, "tcpdump listening");
  return {
    seen: () =>
      [...text.matchAll(/IP6? \((?:tos 0x([0-9a-f]+)|class 0x([0-9a-f]+)|flowlabel|hlim)/g)].map(
        ([, tos, trafficClass]) => Number.parseInt(tos ?? trafficClass ?? "0", 16) & 3,
      ),
    [Symbol.dispose]: () => child.kill("SIGKILL"),
  };
}

/** Marks what comes to the tunnel's port, as a router does that has met congestion; or what such a router would drop, too. */
function markCongestion({ host }: End, which: "capable" | "all"): void {
  host.run("nft", "add", "table", "inet", "router");
  host.run("nft", "add", "chain", "inet", "router", "in", "{ type filter hook prerouting priority -200; }");
  for (const family of ["ip", "ip6"]) {
    const condition = which === "capable" ? [family, "ecn", "!=", "not-ect"] : [];
    host.run(
      ...["nft", "add", "rule", "inet", "router", "in", "udp", "dport", "51820"],
      ...[...condition, family, "ecn", "set", "ce"],
    );
  }
}

const families = ([4, 6] as const).flatMap((outer) => ([4, 6] as const).map((inner) => ({ outer, inner })));

describeWithTools("ECN", [...tools, "tcpdump", "nft"], () => {
  test.each(families)(
    "IPv$inner in IPv$outer: the outer header has the inner one's bits",
    async ({ outer, inner }) => {
      using made = await tunnel(ours, theirs, { outer });
      const { a, b } = made;
      ping(a, b.inner4);
      const address = inner === 4 ? b.inner4 : b.inner6;
      // Data messages of that size alone: neither handshakes nor keep-alives.
      using outside = await watch(b.host, "eth0", "udp dst port 51820 and greater 500");
      for (const ecn of [2, 1, 3, 0]) ping(a, address, "-Q", String(ecn), "-s", "500");
      await until(() => outside.seen().length >= 12, "12 messages");
      expect(outside.seen()).toEqual([2, 2, 2, 1, 1, 1, 3, 3, 3, 0, 0, 0]);
    },
    120_000,
  );

  test.each(families)(
    "IPv$inner in IPv$outer: congestion met outside is told inside, or the packet is dropped",
    async ({ outer, inner }) => {
      using made = await tunnel(theirs, ours, { outer });
      const { a, b } = made;
      ping(a, b.inner4);
      markCongestion(b, "all");
      const address = inner === 4 ? b.inner4 : b.inner6;
      using inside = await watch(b.host, b.name, inner === 4 ? "icmp" : "icmp6");
      // wireguard-go sends all of these with the bits of the inner header, and nft makes CE of them.
      for (const ecn of [2, 1, 3]) ping(a, address, "-Q", String(ecn));
      expect(a.host.try("ping", "-c", "2", "-i", "0.2", "-W", "1", "-Q", "0", address).exitCode).toBe(1);
      ping(a, address, "-Q", "2");
      await until(() => inside.seen().length >= 12, "12 packets");
      expect(inside.seen()).toEqual(Array(12).fill(3));
    },
    120_000,
  );

  test("TCP with ECN passes a router that marks all that may be marked", async () => {
    using made = await tunnel(ours, ours);
    const { a, b } = made;
    for (const { host } of [a, b]) host.run("sysctl", "-qw", "net.ipv4.tcp_ecn=1");
    ping(a, b.inner4);
    markCongestion(b, "capable");
    using inside = await watch(b.host, b.name, "tcp");
    await transfer(a, b, b.inner4, 2);
    await transfer(b, a, a.inner6, 2);
    await until(() => inside.seen().filter((bits) => bits === 3).length > 10, "marked segments");
  }, 120_000);
});
