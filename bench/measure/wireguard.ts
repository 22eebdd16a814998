import type { Contender, Programs } from "../contender.ts";
import { configure } from "../netns.ts";
import { Program, run, until } from "../processes.ts";
import { transfer, transferColumns } from "./iperf.ts";
import type { Kind, Sample, Setting } from "./kind.ts";
import { openWire } from "./udp.ts";
import { warmSecondsOf } from "./warm.ts";

/** Addresses inside the tunnel, and of the wire under it. */
const inside = { a: "198.51.100.1", b: "198.51.100.2" };
const outside = { a: "192.0.2.1", b: "192.0.2.2" };
const PORT = "51820";
const MTU = 1420;
const SECONDS_MAX = "120";
const PINGS = 1000;
/**
 * Pings before those that count. The engine has met no single packets during the transfer, and compiles their way for
 * some ten thousand: at both ends at the same ping, as their counts are the same, so that both processors are taken.
 */
const WARM_PINGS = 10_000;

/** iperf3 and ping through an implementation of the WireGuard protocol at each end of a veth pair. */
export const wireguardKind: Kind = {
  columns: [
    ...transferColumns.filter(({ key }) => key !== "lostPercent"),
    { key: "ping50", label: "ping p50, ms", digits: 3, compared: true },
    { key: "ping99", label: "p99, ms", digits: 3, compared: true },
  ],
  needs: ["gcc", "iperf3", "wg", "wireguard-go", "ping"],
  async measure({ contender, programs, seconds, network }: Setting): Promise<Sample> {
    const { a, b } = await openWire();
    const { pids, name } = await (contender.program === "c" ? openInC : openWithWg)(a, b, contender, programs);
    for (const [netns, address] of [[a, inside.a] as const, [b, inside.b] as const]) {
      await configure(netns, [`link set ${name} mtu ${MTU} up`, `address add ${address}/24 dev ${name}`]);
    }
    const sample = await transfer({
      a,
      b,
      address: inside.b,
      seconds,
      network,
      pids,
      calls: programs.calls,
      warmSeconds: warmSecondsOf({ seconds }),
    });
    return { ...sample, ...(await ping(a)) };
  },
};

interface Opened {
  /** The processes at both ends. */
  readonly pids: readonly number[];
  /** The interface, which has the same name in both namespaces. */
  readonly name: string;
}

/** The program in C has one static key. */
async function openInC(a: number, b: number, _contender: Contender, programs: Programs): Promise<Opened> {
  const name = "wg0";
  const end = (netns: number, peer: string): Program =>
    new Program([...programs.wireguard.c, name, peer, PORT, SECONDS_MAX], { netns });
  const ends = [end(a, outside.b), end(b, outside.a)];
  await Promise.all(ends.map((program) => program.ready()));
  return { pids: ends.map(({ pid }) => pid), name };
}

/** Implementations that `wg` configures. Both ends share a mount namespace of their own, so one starts after the other. */
async function openWithWg(a: number, b: number, contender: Contender, programs: Programs): Promise<Opened> {
  const name = "wg0";
  const keys = { a: await makeKey(), b: await makeKey() };
  const open = async (netns: number, own: "a" | "b", other: "a" | "b"): Promise<number> => {
    // The socket's path is the same at both ends, so each sees a /run of its own.
    const command = [...(contender.command ?? programs.wireguard.ours), ...contender.options, "-f", name];
    const script = 'mount -t tmpfs none /run && mkdir /run/wireguard && exec "$@"';
    const program = new Program(["unshare", "--mount", "sh", "-c", script, "sh", ...command], { netns });
    const config = [
      `[Interface]\nPrivateKey = ${keys[own].own}\nListenPort = ${PORT}`,
      `[Peer]\nPublicKey = ${keys[other].shared}\nAllowedIPs = ${inside[other]}/32`,
      `Endpoint = ${outside[other]}:${PORT}`,
    ].join("\n");
    const at = ["nsenter", "--target", `${program.pid}`, "--mount", "--net"];
    await until(`${contender.name} listens`, () => serves(at, name));
    // Through cat(1), as a socket cannot be opened by its name.
    await run([...at, "sh", "-c", `cat | wg setconf ${name} /dev/stdin`], { netns, stdin: `${config}\n` });
    return program.pid;
  };
  return { pids: [await open(a, "a", "b"), await open(b, "b", "a")], name };
}

/** Tells whether the configuration socket is there, seen from where `at` leads: each end has a /run of its own. */
function serves(at: readonly string[], name: string): boolean {
  return Bun.spawnSync([...at, "test", "-S", `/run/wireguard/${name}.sock`]).success;
}

async function makeKey(): Promise<{ own: string; shared: string }> {
  const own = (await run(["wg", "genkey"], { netns: "fresh" })).trim();
  const shared = (await run(["wg", "pubkey"], { netns: "fresh", stdin: own })).trim();
  return { own, shared };
}

/** Measures round trips of ping(8) through the tunnel, one each 2 ms. */
async function ping(netns: number): Promise<{ ping50: number; ping99: number }> {
  await run(["ping", "-n", "-q", "-c", `${WARM_PINGS}`, "-i", "0.001", "-W", "2", inside.b], { netns }, 60_000);
  const text = await run(["ping", "-n", "-c", `${PINGS}`, "-i", "0.002", "-W", "2", inside.b], { netns }, 20_000);
  const times = [...text.matchAll(/time=([\d.]+) ms/g)].map(([, time]) => Number(time)).sort((x, y) => x - y);
  const at = (share: number): number => times[Math.floor(times.length * share)] ?? Number.NaN;
  return { ping50: at(0.5), ping99: at(0.99) };
}
