/** A page to watch a device: see README.md. */
import { parseArgs } from "node:util";
import { aborted, runProgram } from "../../src/cli/program.ts";
import { type Device, openTun, relay } from "../../src/index.ts";
import { type Listen, listening, parseListen } from "../support/listen.ts";
import { attach, openTunTo } from "../userspace-host/attach.ts";
import { Host } from "../userspace-host/host.ts";
import { serveMonitor } from "./server.ts";

const help = `Usage: sudo bun apps/monitor [options]

A page to watch a device.

  --listen ADDRESS:PORT  where the page is; default 127.0.0.1:8080. Whoever can
                         reach it sees the traffic: there is no password.
  --relay NETNS          relay into that network namespace, a name or a path,
                         and watch the end that is here; without it, there is a
                         host behind the interface that exists in TypeScript only
  --left CIDR            the relay's address here; default 192.0.2.1/24
  --right CIDR           and there; default 198.51.100.1/24
  --offload              the relay moves super-packets: several times as fast
  --help`;

async function watch({ listen, relay, left, right, offload }: Settings, stop: AbortSignal): Promise<void> {
  await using stack = new AsyncDisposableStack();
  const there = relay === undefined ? openHost(stack) : openRelay(stack, { netns: relay, left, right, offload });
  const { url } = stack.use(listening(listen, () => serveMonitor(there.device, listen)));
  console.log(`${there.description}\n\nWatch ${there.device.name} here; Ctrl-C ends it:\n\n  ${url}`);
  await Promise.race([there.ended, aborted(stop)]);
  // Deleted by somebody else: there is nothing to watch any more.
  if (there.device.closeReason !== undefined) throw there.device.closeReason;
}

/** A device to watch. */
interface Watched {
  device: Device;
  description: string;
  /** Resolves when there is nothing to watch any more. */
  ended: Promise<unknown>;
}

function openHost(stack: AsyncDisposableStack): Watched {
  const [ipv4, ipv6] = ["198.51.100.2", "2001:db8::2"];
  const tun = stack.use(openTunTo({ address: "198.51.100.1", peer: ipv4 }, { address: "2001:db8::1", peer: ipv6 }));
  const secret = crypto.getRandomValues(new Uint8Array(32));
  const ended = attach(tun, new Host({ ipv4, ipv6, mtu: tun.mtu, secret }));
  const tries = [`ping ${ipv4}`, `curl http://${ipv4}/`, `curl -o /dev/null 'http://[${ipv6}]/big?bytes=16000000'`];
  const description = `Behind ${tun.name} there is a host. In another shell:\n\n  ${tries.join("\n  ")}`;
  return { device: tun, description, ended };
}

function openRelay(
  stack: AsyncDisposableStack,
  { netns, left, right, offload }: { netns: string; left: string; right: string; offload: boolean },
): Watched {
  const common = { offload, reuseBuffers: true, ipv6: false } as const;
  const here = stack.use(openTun({ ...common, name: "left%d", addresses: [left], routes: [bare(right)] }));
  const there = stack.use(openTun({ ...common, name: "right%d", netns, addresses: [right], routes: [bare(left)] }));
  const joined = stack.use(relay(here, there));
  const description = `${here.name} is joined to ${there.name} in ${netns}. In another shell:\n\n  ping ${bare(right)}`;
  return { device: here, description, ended: joined.finished };
}

function bare(cidr: string): string {
  return cidr.replace(/\/.*/, "");
}

interface Settings {
  readonly listen: Listen;
  readonly relay: string | undefined;
  readonly left: string;
  readonly right: string;
  readonly offload: boolean;
}

function parse(args: string[]): Settings {
  const { values } = parseArgs({
    args,
    options: {
      listen: { type: "string", default: "127.0.0.1:8080" },
      relay: { type: "string" },
      left: { type: "string" },
      right: { type: "string" },
      offload: { type: "boolean" },
    },
  });
  const { relay, left = "192.0.2.1/24", right = "198.51.100.1/24", offload = false } = values;
  const stray = (["left", "right", "offload"] as const).find((name) => values[name] !== undefined);
  if (relay === undefined && stray !== undefined) throw new RangeError(`--${stray} is for a relay: it needs --relay`);
  return { listen: parseListen("listen", values.listen), relay, left, right, offload };
}

await runProgram({ help, parse, run: watch });
