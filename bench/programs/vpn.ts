/**
 * bun vpn.ts [--copy] NAME_A NAME_B SECONDS_MAX
 *
 * Both ends of the VPN of apps/vpn in one process, over loopback. Prints
 * "ready" once there is a session between them, and {"dropped":N} when SIGTERM
 * ends it; it ends after SECONDS_MAX whatever happens.
 *
 *   --copy  packets are copied, not encrypted: what is left is what else a VPN takes
 */
import { parseArgs } from "node:util";
import { makeKey, parseKey } from "../../apps/vpn/key-file.ts";
import { Session } from "../../apps/vpn/session.ts";
import { openTunnel, type Tunnel } from "../../apps/vpn/tunnel.ts";
import { DATA_HEADER_LENGTH, TAG_LENGTH } from "../../apps/vpn/wire.ts";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { copy: { type: "boolean", default: false } },
});
const [nameA, nameB, secondsMax] = positionals;
if (nameA === undefined || nameB === undefined || secondsMax === undefined) {
  throw new TypeError("usage: vpn [--copy] NAME_A NAME_B SECONDS_MAX");
}

/** As many bytes in datagrams of the same length. */
class CopiedSession extends Session {
  protected override protect(packet: Uint8Array, datagram: Buffer): void {
    datagram.set(packet, DATA_HEADER_LENGTH);
  }

  protected override expose(datagram: Buffer): Uint8Array {
    return new Uint8Array(datagram.subarray(DATA_HEADER_LENGTH, -TAG_LENGTH));
  }
}

Bun.spawnSync(["ip", "link", "set", "lo", "up"]);
setTimeout(() => process.exit(1), Number(secondsMax) * 1000);

const key = parseKey(makeKey(), "key");
const { promise: connected, resolve } = Promise.withResolvers<void>();
const end = (name: string, endpoint?: { address: string; port: number }): Promise<Tunnel> =>
  openTunnel({
    ...{ key, name, endpoint, port: 0, mtu: 1420, addresses: [], routes: [] },
    ...{ keepAliveMs: 10_000, rekeyAfterMs: 120_000, rekeyAfterPackets: 2 ** 32 },
    makeSession: values.copy ? (keys) => new CopiedSession(keys) : undefined,
    // The listening end is the last to know.
    tell: () => endpoint === undefined && resolve(),
    ended: () => process.exit(1),
  });
const listening = await end(nameB);
const connecting = await end(nameA, { address: "127.0.0.1", port: listening.port });
await connected;

process.on("SIGTERM", () => {
  const all = [listening, connecting].flatMap(({ counters }) => Object.values(counters.dropped));
  console.log(JSON.stringify({ dropped: all.reduce((sum, count) => sum + count, 0) }));
  process.exit(0);
});
console.log("ready");
