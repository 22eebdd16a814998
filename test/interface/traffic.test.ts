/** Two hosts in namespaces of their own, and a relay in TypeScript between them: ping and curl, over IPv4 and IPv6. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import type { AddressLike, Device, RouteLike } from "../../src/index.ts";
import { Namespace } from "../io/offload/support/namespaces.ts";
import { describeWithTools } from "../support/privilege.ts";
import { answersIn } from "../support/system.ts";
import { kinds } from "./support.ts";

interface Host {
  readonly addresses: AddressLike[];
  readonly routes?: RouteLike[];
}

interface Variant {
  readonly how: string;
  readonly left: Host;
  readonly right: Host;
  /** What the left one asks the right one for. */
  readonly targets: readonly [v4: string, v6: string];
}

const variants: readonly Variant[] = [
  {
    how: "on one network",
    left: { addresses: ["192.0.2.1/24", "2001:db8::1/64"] },
    right: { addresses: ["192.0.2.2/24", "2001:db8::2/64"] },
    targets: ["192.0.2.2", "2001:db8::2"],
  },
  {
    how: "with peer addresses",
    left: {
      addresses: [
        { address: "192.0.2.1", peer: "198.51.100.1" },
        { address: "2001:db8::1", peer: "2001:db8:1::1" },
      ],
    },
    right: {
      addresses: [
        { address: "198.51.100.1", peer: "192.0.2.1" },
        { address: "2001:db8:1::1", peer: "2001:db8::1" },
      ],
    },
    targets: ["198.51.100.1", "2001:db8:1::1"],
  },
  {
    how: "with routes to what is behind the other",
    left: {
      addresses: ["192.0.2.1/24", "2001:db8::1/64"],
      routes: [
        { to: "203.0.113.0/24", via: "192.0.2.2" },
        { to: "2001:db8:2::/48", via: "2001:db8::2" },
      ],
    },
    right: { addresses: ["192.0.2.2/24", "2001:db8::2/64", "203.0.113.1/32", "2001:db8:2::1/128"] },
    targets: ["203.0.113.1", "2001:db8:2::1"],
  },
  {
    how: "with routes on the link alone",
    left: { addresses: ["192.0.2.1", "2001:db8::1"], routes: ["198.51.100.0/24", "2001:db8:1::/48"] },
    right: { addresses: ["198.51.100.1", "2001:db8:1::1"], routes: ["192.0.2.0/24", "2001:db8::/64"] },
    targets: ["198.51.100.1", "2001:db8:1::1"],
  },
];

const BYTES = 4 * 1024 * 1024;
const PORT = "8080";

describeWithTools("traffic through a relay", ["ip", "ping", "curl", "python3", "sha256sum", "nsenter"], () => {
  let folder: string;
  let digest: string;
  beforeAll(() => {
    folder = mkdtempSync(`${tmpdir()}/bun-tuntap-traffic-`);
    const file = crypto.getRandomValues(new Uint8Array(65536));
    const body = new Uint8Array(BYTES);
    for (let at = 0; at < BYTES; at += file.length) body.set(file, at);
    writeFileSync(`${folder}/file`, body);
    digest = new Bun.CryptoHasher("sha256").update(body).digest("hex");
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  test.each(kinds.flatMap(({ kind, open }) => variants.map((variant) => ({ kind, open, ...variant }))))(
    "a $kind $how",
    async ({ open, left, right, targets }) => {
      using stack = new DisposableStack();
      const [here, there] = [stack.use(await Namespace.open()), stack.use(await Namespace.open())];
      const ends: Device[] = [];
      const forwardTo = (end: number) => (_: Device, frames: Uint8Array[]) => void ends[end]?.sendMany(frames);
      const common = { name: "host0", txQueueLength: 2000 };
      ends.push(stack.use(open({ ...common, ...left, netns: here.path, data: forwardTo(1) })));
      ends.push(stack.use(open({ ...common, ...right, netns: there.path, data: forwardTo(0) })));
      for (const target of targets) {
        const ping = here.start("ping", "-q", "-c", "5", "-i", "0.05", "-w", "30", target);
        expect(answersIn(await ping.rest())).toBeGreaterThanOrEqual(5);
        using server = there.start("python3", "-u", "-m", "http.server", PORT, "--bind", target, "--directory", folder);
        expect(await server.line()).toContain("Serving HTTP");
        const url = `http://${target.includes(":") ? `[${target}]` : target}:${PORT}/file`;
        const curl = here.start("sh", "-c", `curl --silent --fail --max-time 50 '${url}' | sha256sum`);
        expect(await curl.rest()).toStartWith(digest);
      }
      for (const device of ends) {
        const { framesReceived, framesSent, refused, truncated } = device.counters();
        expect({ refused, truncated }).toEqual({ refused: 0, truncated: 0 });
        expect(Math.min(framesReceived, framesSent)).toBeGreaterThan(100);
      }
    },
    60_000,
  );
});
