/** Two hosts of a rig with a tunnel between them, and what passes it. */
import { expect } from "bun:test";
import { until } from "../../support/system.ts";
import { type Host, keys, Rig } from "./rig.ts";

/** Programs that these tests need. */
export const tools: readonly string[] = ["wg", "wireguard-go", "ping", "nsenter", "unshare", "socat", "ip"];
/** The program that ours is tested against. */
export const theirs: readonly string[] = ["wireguard-go"];
/** MiB of a transfer. */
export const megabytes: number = Number(process.env["BUN_TUNTAP_WIREGUARD_MB"] ?? 20);

/** One end of a tunnel. */
export interface End {
  readonly host: Host;
  readonly name: string;
  readonly inner4: string;
  readonly inner6: string;
}

/** Two hosts with a tunnel between them. */
export interface Tunnelled extends Disposable {
  readonly rig: Rig;
  readonly a: End;
  readonly b: End;
  readonly keyOf: { readonly a: string; readonly b: string };
}

/** Two hosts with a tunnel that only `a` can begin. */
export async function tunnel(
  first: readonly string[],
  second: readonly string[],
  options: { outer?: 4 | 6; preshared?: boolean; mtu?: number } = {},
): Promise<Tunnelled> {
  const rig = await Rig.open(2);
  try {
    const end = (number: number): End => ({
      host: rig.host(number),
      name: `wg${number}`,
      inner4: `198.51.100.${number}`,
      inner6: `2001:db8:2::${number}`,
    });
    const [a, b] = [end(1), end(2)];
    await Promise.all([rig.serve(a.host, first, a.name), rig.serve(b.host, second, b.name)]);
    const [ka, kb] = [keys(), keys()];
    const preshared = options.preshared
      ? ["preshared-key", rig.file("psk", Bun.spawnSync(["wg", "genpsk"]).stdout.toString())]
      : [];
    const endpoint = options.outer === 6 ? `[${b.host.ipv6}]:51820` : `${b.host.ipv4}:51820`;
    const allowed = (end: End): string[] => ["allowed-ips", `${end.inner4}/32,${end.inner6}/128`];
    a.host.run(
      "wg",
      "set",
      a.name,
      "private-key",
      rig.file("a", ka.private),
      "peer",
      kb.public,
      ...preshared,
      "endpoint",
      endpoint,
      ...allowed(b),
    );
    b.host.run(
      "wg",
      "set",
      b.name,
      "listen-port",
      "51820",
      "private-key",
      rig.file("b", kb.private),
      "peer",
      ka.public,
      ...preshared,
      ...allowed(a),
    );
    for (const { host, name, inner4, inner6 } of [a, b]) {
      host.run("ip", "addr", "add", `${inner4}/24`, "dev", name);
      host.run("ip", "addr", "add", `${inner6}/64`, "dev", name);
      host.run("ip", "link", "set", name, "up", ...(options.mtu === undefined ? [] : ["mtu", String(options.mtu)]));
    }
    // Each opens its socket when the kernel tells it that its interface is up.
    for (const { host, name } of [a, b]) {
      await host.usable(name);
      const port = (): string => host.run("wg", "show", name, "listen-port").trim();
      await until(() => port() !== "0" && host.run("ss", "-Hun", "-a", `sport = :${port()}`) !== "", "open socket");
    }
    return { rig, a, b, keyOf: { a: ka.public, b: kb.public }, [Symbol.dispose]: () => rig[Symbol.dispose]() };
  } catch (error) {
    rig[Symbol.dispose]();
    throw error;
  }
}

/** One at a time: of several, ping(8) does not wait long for the last one. */
export function ping(from: End, to: string, ...options: string[]): void {
  for (let i = 0; i < 3; i++) from.host.run("ping", "-c", "1", "-W", "30", ...options, to);
}

/** Sends that many MiB over TCP, and compares what arrives. */
export async function transfer(from: End, to: End, address: string, size: number = megabytes): Promise<void> {
  const port = "9000";
  const bracketed = address.includes(":") ? `[${address}]` : address;
  const listen = `TCP${address.includes(":") ? "6" : "4"}-LISTEN:${port},bind=${bracketed},reuseaddr`;
  const receiver = to.host.start(["sh", "-c", `socat -u ${listen} - | sha256sum`]);
  await until(() => to.host.run("ss", "-Hltn", `sport = :${port}`) !== "", "listening socket");
  // The same bytes on both sides: a cipher's stream of a fixed key.
  const make = `openssl enc -aes-128-ctr -nosalt -K 00112233445566778899aabbccddeeff -iv 0 </dev/zero 2>/dev/null | head -c ${size}M`;
  const sent = from.host.run(
    "sh",
    "-c",
    `${make} | tee /proc/self/fd/3 3>&1 >/dev/null | sha256sum; ${make} | socat -u - TCP:${bracketed}:${port}`,
  );
  expect((await receiver.stdout.text()).trim()).toBe(sent.trim());
}
