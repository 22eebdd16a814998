/**
 * sudo bun run examples/userspace-host                        198.51.100.2 and 2001:db8::2 appear
 * sudo bun run examples/userspace-host --name web0 --ipv4 192.0.2.9 --ipv6 2001:db8:9::9
 * sudo bun run examples/userspace-host --lose 7               loses every seventh packet, as a bad link would
 * sudo bun run examples/userspace-host --show                 prints each packet
 * unshare -Urn bun run examples/userspace-host                without root, where /dev/net/tun has mode 0666
 * bun build --compile examples/userspace-host/index.ts --outfile host && sudo ./host
 *
 * A host that exists only in TypeScript, behind a TUN interface: it answers ping, echoes UDP on port
 * 7, and has a web server on port 80, with a TCP of its own (tcp.ts says what that leaves out).
 * Fragments are dropped, so the largest ping is `ping -s 1472`, over IPv6 `-s 1452`.
 *
 * The interface is made in the network namespace that this is started in, so that any other shell
 * can talk to the host, and is gone when it ends.
 */
import { isIPv4, isIPv6 } from "node:net";
import { parseArgs } from "node:util";
import { openTun, type Tun, TunTapError } from "../../src";
import { describe } from "../../src/packet";
import { Host } from "./host";

const USAGE = `Usage: sudo bun run examples/userspace-host [options]

  --name NAME          the interface                      (tun%d: the first that is free)
  --ipv4 ADDRESS       the host's                         (198.51.100.2)
  --ipv6 ADDRESS       the host's                         (2001:db8::2)
  --kernel-ipv4 ADDRESS  the kernel's, on the interface   (198.51.100.1)
  --kernel-ipv6 ADDRESS  the kernel's, on the interface   (2001:db8::1)
  --lose N             lose every Nth packet, both ways   (0: none)
  --show               print each packet
  --help`;

process.exitCode = await main();

async function main(): Promise<number> {
  const options = readOptions();
  if (typeof options === "number") return options;
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
    const running = run(tun, host, options);
    process.once("SIGINT", () => ended.resolve(130));
    process.once("SIGTERM", () => ended.resolve(0));
    introduce(tun, ipv4, ipv6);
    const code = await ended.promise;
    tun.close();
    await running;
    return code;
  } catch (error) {
    if (!(error instanceof TunTapError)) throw error;
    console.error(error.message);
    return 1;
  }
}

/** Carries packets between the interface and the host, and wakes the host when something is due. */
async function run(tun: Tun, host: Host, { lose, show }: Options): Promise<void> {
  let timer: Timer | undefined;
  let passed = 0;
  const survivors = (direction: string, packets: Uint8Array[]): Uint8Array[] => {
    const passing = lose === 0 ? packets : packets.filter(() => ++passed % lose !== 0);
    if (show) for (const packet of passing) console.log(`${direction}  ${describe(packet, "tun")}`);
    return passing;
  };
  const send = (packets: Uint8Array[]): void => {
    sendOrLose(tun, survivors("from the host", packets));
    clearTimeout(timer);
    const { deadline } = host;
    if (deadline === Number.POSITIVE_INFINITY) return;
    const wait = Math.max(1, Math.ceil(deadline - performance.now()));
    timer = setTimeout(() => send(host.tick(performance.now())), wait);
  };
  for await (const packets of tun.batches()) {
    send(host.receive(survivors("to the host  ", packets), performance.now()));
  }
  clearTimeout(timer);
}

/** What the kernel has no room for is lost, as on any link: whoever minds sends again. So it is while the interface is down. */
function sendOrLose(tun: Tun, packets: Uint8Array[]): void {
  try {
    tun.sendMany(packets);
  } catch (error) {
    if (!(error instanceof TunTapError) || (error.code !== "EIO" && error.code !== "ERR_TUNTAP_CLOSED")) throw error;
  }
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

interface Options {
  readonly name: string;
  readonly ipv4: string;
  readonly ipv6: string;
  readonly kernelIPv4: string;
  readonly kernelIPv6: string;
  readonly lose: number;
  readonly show: boolean;
}

/** What the command line says; or the code to end with. */
function readOptions(): Options | number {
  try {
    const text = (value: string): { type: "string"; default: string } => ({ type: "string", default: value });
    const { values } = parseArgs({
      options: {
        name: text("tun%d"),
        ipv4: text("198.51.100.2"),
        ipv6: text("2001:db8::2"),
        "kernel-ipv4": text("198.51.100.1"),
        "kernel-ipv6": text("2001:db8::1"),
        lose: text("0"),
        show: { type: "boolean", default: false },
        help: { type: "boolean", default: false },
      },
    });
    if (values.help) {
      console.log(USAGE);
      return 0;
    }
    const ipv4 = (option: "ipv4" | "kernel-ipv4"): string => {
      if (isIPv4(values[option])) return values[option];
      throw new TypeError(`--${option} is "${values[option]}", wanted an IPv4 address such as 198.51.100.2`);
    };
    const ipv6 = (option: "ipv6" | "kernel-ipv6"): string => {
      // As RFC 5952 has it, which is how addresses are compared.
      if (isIPv6(values[option])) return new URL(`http://[${values[option]}]`).hostname.slice(1, -1);
      throw new TypeError(`--${option} is "${values[option]}", wanted an IPv6 address such as 2001:db8::2`);
    };
    if (!/^\d{1,6}$/.test(values.lose) || values.lose === "1") {
      throw new TypeError(`--lose is "${values.lose}", wanted 0 or a number from 2`);
    }
    return {
      name: values.name,
      ipv4: ipv4("ipv4"),
      ipv6: ipv6("ipv6"),
      kernelIPv4: ipv4("kernel-ipv4"),
      kernelIPv6: ipv6("kernel-ipv6"),
      lose: Number(values.lose),
      show: values.show,
    };
  } catch (error) {
    console.error(`${error instanceof Error ? error.message : error}\n\n${USAGE}`);
    return 2;
  }
}
