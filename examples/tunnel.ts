/**
 * The shortest fast tunnel between two hosts: IP packets in UDP datagrams.
 *
 * NOTHING IS ENCRYPTED, and nobody proves who they are: anybody on the way can read and forge what goes through. For
 * networks that you trust; apps/ has the programs that encrypt.
 *
 *   on one host     sudo bun examples/tunnel.ts --peer 192.0.2.2 --address 10.9.0.1/24
 *   on the other    sudo bun examples/tunnel.ts --peer 192.0.2.1 --address 10.9.0.2/24
 *   then            ping 10.9.0.2
 *
 *   bun build --compile examples/tunnel.ts --outfile tunnel && sudo ./tunnel --peer …
 *
 * Packets move in batches: the kernel hands over up to 64 KiB of TCP at once (offload), and takes up to 64 datagrams in
 * one system call (UDP_SEGMENT).
 */
import { parseArgs } from "node:util";
import { openTun, relay, TunTapError } from "../src/index.ts";
import { openUdp } from "../src/udp/index.ts";

const usage = `Usage: tunnel --peer ADDRESS --address CIDR [options]

  --peer ADDRESS    the other host, IPv4 or IPv6
  --address CIDR    this end's address inside the tunnel, such as 10.9.0.1/24; may be given again
  --route CIDR      a network behind the other end; may be given again
  --port PORT       UDP port of both hosts; default 4789
  --mtu BYTES       of the packets inside; default 1452, which fits 1500 with IPv6 outside
  --name NAME       of the interface; default tunnel0

There is no encryption.`;

process.exitCode = await main();

async function main(): Promise<number> {
  if (process.argv.includes("--help")) {
    console.log(usage);
    return 0;
  }
  try {
    return await tunnel(settings());
  } catch (error) {
    if (!(error instanceof TunTapError || error instanceof TypeError || error instanceof RangeError)) throw error;
    console.error(error.message);
    return 1;
  }
}

function settings() {
  const text = { type: "string" } as const;
  const { values } = parseArgs({
    options: {
      peer: text,
      address: { ...text, multiple: true },
      route: { ...text, multiple: true },
      port: { ...text, default: "4789" },
      mtu: { ...text, default: "1452" },
      name: { ...text, default: "tunnel0" },
    },
  });
  const { peer, address, route = [], name } = values;
  if (peer === undefined || address === undefined) throw new TypeError(usage);
  return { peer, addresses: address, routes: route, name, port: Number(values.port), mtu: Number(values.mtu) };
}

async function tunnel({ peer, addresses, routes, name, port, mtu }: ReturnType<typeof settings>): Promise<number> {
  const stop = new AbortController();
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => stop.abort());

  using tun = openTun({ name, addresses, routes, mtu, offload: true, reuseBuffers: true, signal: stop.signal });
  // Room for what comes while this thread is busy: the kernel's default holds no 100 datagrams.
  const room = { sendBuffer: 4 << 20, receiveBuffer: 4 << 20 };
  using udp = openUdp({ port, peer: { address: peer, port }, ...room, reuseBuffers: true, signal: stop.signal });
  using joined = relay(tun, udp);

  console.log(`${tun.name} to ${peer} port ${port}, not encrypted; Ctrl-C ends it`);
  const reason = await joined.finished;
  const { forward, back } = joined.counters();
  console.log(`${forward.frames} packets sent, ${back.frames} received, ${udp.counters().lost} lost for want of room`);
  if (stop.signal.aborted) return 0;
  console.error(reason?.message ?? "the tunnel has ended");
  return 1;
}
