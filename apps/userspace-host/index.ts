/**
 * sudo bun run apps/userspace-host                        198.51.100.2 and 2001:db8::2 appear
 * sudo bun run apps/userspace-host --name web0 --ipv4 192.0.2.9 --ipv6 2001:db8:9::9
 * sudo bun run apps/userspace-host --lose 7               loses every seventh packet, as a bad link would
 * sudo bun run apps/userspace-host --show                 prints each packet
 * unshare -Urn sh -c 'bun run apps/userspace-host & sleep 1; curl http://198.51.100.2/; kill $!'
 *                                                             without root, where /dev/net/tun has mode 0666
 * bun build --compile apps/userspace-host/index.ts --outfile host && sudo ./host
 *
 * A host that exists only in TypeScript, behind a TUN interface: it answers ping, echoes UDP on port
 * 7, and has a web server on port 80, with a TCP of its own (tcp.ts says what that leaves out).
 * Fragments are dropped, so the largest ping is `ping -s 1472`, over IPv6 `-s 1452`.
 *
 * The interface is made in the network namespace that this is started in, so that any other shell
 * can talk to the host, and is gone when it ends.
 */
import { openTun, type Tun, TunTapError } from "../../src/index.ts";
import { describe } from "../../src/packet/index.ts";
import { attach, type Gate } from "./attach.ts";
import { Host } from "./host.ts";
import { type Options, readOptions, USAGE } from "./options.ts";

process.exitCode = await main();

async function main(): Promise<number> {
  let options: Options | undefined;
  try {
    options = readOptions();
  } catch (error) {
    console.error(`${(error as Error).message}\n\n${USAGE}`);
    return 2;
  }
  if (options === undefined) {
    console.log(USAGE);
    return 0;
  }
  return serve(options);
}

async function serve(options: Options): Promise<number> {
  const { ipv4, ipv6, kernelIPv4, kernelIPv6, name } = options;
  try {
    const ended = Promise.withResolvers<number>();
    using tun = openTun({
      name,
      addresses: [
        { address: kernelIPv4, peer: ipv4 },
        { address: kernelIPv6, peer: ipv6, noDad: true },
      ],
      ipv6: false,
      close: (_, reason) => {
        if (reason !== undefined) console.error(reason.message);
        ended.resolve(1);
      },
    });
    const secret = crypto.getRandomValues(new Uint8Array(32));
    const host = new Host({ ipv4, ipv6, mtu: tun.mtu, secret });
    const running = attach(tun, host, gateFor(options));
    process.once("SIGINT", () => ended.resolve(130));
    process.once("SIGTERM", () => ended.resolve(0));
    introduce(tun, ipv4, ipv6);
    const code = await ended.promise;
    tun.close();
    await running;
    return code;
  } catch (error) {
    // A RangeError is of a name that no interface can have.
    if (!(error instanceof TunTapError || error instanceof RangeError)) throw error;
    console.error(error.message);
    return 1;
  }
}

/** Loses every `lose`th packet, and prints the others. */
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
