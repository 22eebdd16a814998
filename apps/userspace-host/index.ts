/** A host that exists only in TypeScript, behind a TUN interface: see README.md. */

import { runProgram } from "../../src/cli/program.ts";
import type { Tun } from "../../src/index.ts";
import { describe } from "../../src/packet/index.ts";
import { attach, type Gate, openTunTo } from "./attach.ts";
import { Host } from "./host.ts";
import { type Options, readOptions, USAGE } from "./options.ts";

await runProgram<Options>({ help: USAGE, parse: readOptions, run: serve });

async function serve(options: Options, stop: AbortSignal): Promise<void> {
  const { ipv4, ipv6, kernelIPv4, kernelIPv6, name } = options;
  const ended = Promise.withResolvers<void>();
  using tun = openTunTo(
    { address: kernelIPv4, peer: ipv4 },
    { address: kernelIPv6, peer: ipv6 },
    { name, close: (_, reason) => (reason === undefined ? ended.resolve() : ended.reject(reason)) },
  );
  const secret = crypto.getRandomValues(new Uint8Array(32));
  const running = attach(tun, new Host({ ipv4, ipv6, mtu: tun.mtu, secret }), gateFor(options));
  stop.addEventListener("abort", () => tun.close());
  introduce(tun, ipv4, ipv6);
  await Promise.all([ended.promise, running]);
}

/** Returns a gate that loses every `lose`th packet, and prints the others. */
function gateFor({ lose, show }: Options): Gate {
  let passed = 0;
  return (packets, direction) => {
    const passing = lose === 0 ? packets : packets.filter(() => ++passed % lose !== 0);
    if (show) for (const packet of passing) console.log(`${direction.padEnd(13)}  ${describe(packet, "tun")}`);
    return passing;
  };
}

function introduce(tun: Tun, ipv4: string, ipv6: string): void {
  console.log(`${ipv4} and ${ipv6} are behind ${tun.name}, and exist only in TypeScript. In another shell:

  ping -c 3 ${ipv4}
  ping -c 3 ${ipv6}
  curl http://${ipv4}/
  curl 'http://[${ipv6}]/'
  curl 'http://${ipv4}/big?bytes=5000000' | sha256sum
  echo hello | socat -t 1 - udp:${ipv4}:7

Ctrl-C ends it, and takes ${tun.name} away.`);
}
