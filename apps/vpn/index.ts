/**
 * bun run apps/vpn --help
 *
 * A point-to-point VPN over UDP between two hosts. On both the same key, then
 * one listens and the other one connects:
 *
 *   bun run apps/vpn keygen > vpn.key
 *   sudo bun run apps/vpn listen --key vpn.key --port 51820 \
 *     --address 198.51.100.1/30 --address 2001:db8:1::1/64
 *   sudo bun run apps/vpn connect 192.0.2.1:51820 --key vpn.key \
 *     --address 198.51.100.2/30 --address 2001:db8:1::2/64
 *
 *   bun build --compile apps/vpn/index.ts --outfile vpn
 */
import { help, parseCommandLine, UsageError } from "./command-line.ts";
import { makeKey, restrict } from "./key-file.ts";
import { openTunnel, type Tunnel, type TunnelOptions } from "./tunnel.ts";

try {
  const command = await parseCommandLine(process.argv.slice(2));
  if (command.name === "help") console.log(help);
  else if (command.name === "keygen") printKey();
  else await run(command.options);
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = error instanceof UsageError ? 2 : 1;
}

function printKey(): void {
  restrict(process.stdout.fd);
  console.log(makeKey());
}

/** Until a signal ends it, or the interface goes. */
async function run(options: Omit<TunnelOptions, "tell" | "ended">): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  using tunnel = await openTunnel({ ...options, tell: (event, peer) => print({ event, peer }), ended: reject });
  const { tun, port } = tunnel;
  process.on("SIGUSR1", () => printStats(tunnel));
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => resolve());
  print({ event: "up", name: tun.name, mtu: tun.mtu, addresses: tun.addresses().map(({ address }) => address), port });
  try {
    await promise;
  } finally {
    printStats(tunnel);
    process.removeAllListeners();
  }
}

function printStats({ counters, peer }: Tunnel): void {
  print({ event: "stats", peer, ...counters });
}

function print(line: object): void {
  console.log(JSON.stringify(line));
}
