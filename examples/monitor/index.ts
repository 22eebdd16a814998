/**
 * sudo bun run examples/monitor                                      two interfaces, and a page at http://127.0.0.1:8080/
 * sudo bun run examples/monitor --left-netns a --right-netns b       each in a network namespace that exists
 * sudo bun run examples/monitor --listen 127.0.0.1:9000 --offload    another port, and super-packets
 * bun build --compile examples/monitor/index.ts --outfile monitor && sudo ./monitor
 *
 * A relay between two TUN interfaces, and a page to watch the left one:
 * throughput, protocols, talkers, the latest packets, and a download for
 * Wireshark. Ctrl-C ends it, and the interfaces with it.
 */
import { parseArgs } from "node:util";
import { type Device, openTun, TunTapError } from "../../src";
import { serveMonitor } from "./server";

const usage = `bun run examples/monitor [options]

A relay between two TUN interfaces, and a page to watch the left one.

  --listen ADDRESS:PORT   where the page is; default 127.0.0.1:8080. Whoever
                          reaches it sees the traffic: there is no password.
  --left-netns NETNS      network namespace of the left interface, a name or a
                          path; default: this one
  --right-netns NETNS     and of the right one
  --left-address CIDR     default 192.0.2.1/24 (may be given again, for IPv6)
  --right-address CIDR    default 198.51.100.1/24
  --left-route CIDR       what is reached through the left one; default: the right one's networks
  --right-route CIDR      default: the left one's networks
  --offload               segmentation offload: several times as fast
  --help
`;

process.exitCode = await main();

async function main(): Promise<number> {
  let settings: Settings;
  try {
    settings = parseSettings();
  } catch (error) {
    console.error(`${(error as Error).message}\n\n${usage}`);
    return 2;
  }
  if (settings.help) {
    console.log(usage);
    return 0;
  }
  try {
    await watchRelay(settings);
    return 0;
  } catch (error) {
    if (!(error instanceof TunTapError) && (error as { code?: string }).code !== "EADDRINUSE") throw error;
    console.error((error as Error).message);
    return 1;
  }
}

async function watchRelay({ hostname, port, left, right, offload }: Settings): Promise<void> {
  const common = { offload, reuseBuffers: true } as const;
  using rightTun = openTun({
    ...common,
    ...right,
    name: "right%d",
    data: (_, frames) => void leftTun.sendMany(frames),
  });
  using leftTun: Device = openTun({
    ...common,
    ...left,
    name: "left%d",
    // What it does not take is dropped, as a router does: the page counts it.
    data: (_, frames) => void rightTun.sendMany(frames),
  });
  await using server = serveMonitor(leftTun, { hostname, port });
  console.log(`${leftTun.name} and ${rightTun.name} are joined; watch ${leftTun.name} at ${server.url}`);
  const { promise, resolve } = Promise.withResolvers<void>();
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => resolve());
  await promise;
}

interface Side {
  addresses: string[];
  routes: string[];
  netns?: string;
}

interface Settings {
  help: boolean;
  hostname: string;
  port: number;
  left: Side;
  right: Side;
  offload: boolean;
}

function parseSettings(): Settings {
  const many = { type: "string", multiple: true } as const;
  const { values } = parseArgs({
    options: {
      listen: { type: "string", default: "127.0.0.1:8080" },
      "left-netns": { type: "string" },
      "right-netns": { type: "string" },
      "left-address": { ...many, default: ["192.0.2.1/24"] },
      "right-address": { ...many, default: ["198.51.100.1/24"] },
      "left-route": many,
      "right-route": many,
      offload: { type: "boolean", default: false },
      help: { type: "boolean", default: false },
    },
  });
  const listen = /^\[?([^\]]+?)\]?:(\d{1,5})$/.exec(values.listen);
  const port = Number(listen?.[2]);
  if (listen?.[1] === undefined || port > 65_535) {
    throw new RangeError(`--listen is "${values.listen}", wanted ADDRESS:PORT, such as 127.0.0.1:8080`);
  }
  const side = (addresses: string[], routes: string[], netns: string | undefined): Side => ({
    addresses,
    routes,
    ...(netns !== undefined && { netns }),
  });
  const [lefts, rights] = [values["left-address"], values["right-address"]];
  return {
    help: values.help,
    hostname: listen[1],
    port,
    left: side(lefts, values["left-route"] ?? rights.map(network), values["left-netns"]),
    right: side(rights, values["right-route"] ?? lefts.map(network), values["right-netns"]),
    offload: values.offload,
  };
}
