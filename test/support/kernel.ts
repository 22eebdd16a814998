/** The features of newer kernels that tests ask for, each probed once, and how a test without its feature skips in sight. */
import { test } from "bun:test";
import { existsSync } from "node:fs";
import { openTap, openTun } from "../../src/index.ts";
import { RouteSocket } from "../../src/netlink/socket.ts";
import { isInNamespaceOf } from "../../src/sys/tun.ts";
import { describeUnless, missing, skipIsFailure } from "./privilege.ts";
import { run } from "./system.ts";

interface Feature {
  /** Feature and first version, as the name of a skipped test says them. */
  readonly needs: string;
  /** Asks the kernel. */
  probe(): boolean;
}

export type KernelFeature =
  | "udpOffload"
  | "udpSegment"
  | "fullRun"
  | "longFilter"
  | "filterLimit"
  | "liveRename"
  | "netnsOfInterface";

const features: Record<KernelFeature, Feature> = {
  /** TUN_F_USO4 and TUN_F_USO6, and the packet socket's VIRTIO_NET_HDR_GSO_UDP_L4. */
  udpOffload: {
    needs: "UDP segmentation offload on TUN and TAP (Linux 6.2)",
    probe() {
      using tun = openTun({ offload: true });
      return tun.offload?.udp === true;
    },
  },
  /** udp_send_skb() of net/ipv4/udp.c: EIO without checksum offload. */
  udpSegment: {
    needs: "UDP_SEGMENT on interfaces without checksum offload (Linux 6.11)",
    probe() {
      using _tun = openTun({ addresses: ["192.0.2.1/24"], up: true });
      const call =
        "s = socket(AF_INET, SOCK_DGRAM); s.setsockopt(17, 103, 100); s.sendto(bytes(300), ('192.0.2.2', 9))";
      if (Bun.which("python3") === null) return false;
      return Bun.spawnSync(["python3", "-c", `from socket import *; ${call}`]).exitCode === 0;
    },
  },
  /** net/ipv4/udp.c, udp_send_skb(): before, the headers count among the bytes of the 64 datagrams. */
  fullRun: {
    needs: "UDP_SEGMENT for 64 datagrams (Linux 5.16)",
    probe() {
      if (Bun.which("python3") === null) return false;
      const call =
        "s = socket(AF_INET, SOCK_DGRAM); s.setsockopt(17, 103, 100); s.sendto(bytes(6400), ('127.0.0.1', 9))";
      return Bun.spawnSync(["python3", "-c", `from socket import *; ${call}`]).exitCode === 0;
    },
  },
  /** A filter's memory counts against net.core.optmem_max, 20480 bytes by default before Linux 6.8 (net/core/filter.c). */
  longFilter: {
    needs: "room for a filter of 4096 instructions in net.core.optmem_max (the default from Linux 6.8)",
    probe() {
      using tap = openTap();
      try {
        tap.attachFilter([...Array.from({ length: 4095 }, () => [0, 0, 0, 0]), [6, 0, 0, 0xffff]]);
        return true;
      } catch {
        return false;
      }
    },
  },
  /** Each network namespace has its own limit since Linux 6.9; before, the default is less than the longest filter takes. */
  filterLimit: {
    needs:
      "a limit of a filter's memory within reach: a net.core.optmem_max for each namespace (Linux 6.9), or the old default",
    probe: () => existsSync("/proc/sys/net/core/optmem_max") || !kernelHas("longFilter"),
  },
  /** net/core/dev.c, dev_change_name(). */
  liveRename: {
    needs: "renaming an interface that is up (Linux 6.2)",
    probe() {
      using tun = openTun({ up: true });
      try {
        run("ip", "link", "set", "dev", tun.name, "name", `${tun.name}x`);
        return true;
      } catch {
        return false;
      }
    },
  },
  /** TUNGETDEVNETNS of drivers/net/tun.c, and SIOCGSKNS of net/socket.c to compare with. */
  netnsOfInterface: {
    needs: "the network namespaces of interfaces and sockets (Linux 5.2, but not qemu-user)",
    probe() {
      using tun = openTun();
      const socket = new RouteSocket();
      try {
        return isInNamespaceOf(tun.fd, socket.fd) !== undefined;
      } finally {
        socket.close();
      }
    },
  },
};

const known = new Map<KernelFeature, boolean>();

/** Tells whether this kernel has a feature; false where no interface can be made at all. */
export function kernelHas(feature: KernelFeature): boolean {
  const before = known.get(feature);
  if (before !== undefined) return before;
  const has = missing === undefined && features[feature].probe();
  known.set(feature, has);
  return has;
}

const reason = (feature: KernelFeature): string | undefined =>
  kernelHas(feature) ? undefined : `needs a kernel with ${features[feature].needs}`;

/** Tests that make interfaces and need a kernel feature; skipped in sight without it. */
export function describeOnKernel(feature: KernelFeature, name: string, tests: () => void): void {
  describeUnless(missing ?? reason(feature), name, tests);
}

/** One test that needs a kernel feature; skipped in sight without it, which is a failure in CI. */
export function testOnKernel(
  feature: KernelFeature,
  name: string,
  body: () => void | Promise<void>,
  ms?: number,
): void {
  const why = reason(feature);
  if (why === undefined || skipIsFailure) test(name, body, ms);
  else test.skip(`${name} [skipped: ${why}]`, body);
}
