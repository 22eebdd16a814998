/** A report of a machine where all is well, and how to make others of it. */

import { checksOf } from "../../src/probe/checks.ts";
import type { ProbeFacts, ProbeFailure, ProbeReport, ProbeTrial } from "../../src/probe/report.ts";

export const works: ProbeTrial = { works: true, failure: null };
export const untried: ProbeTrial = { works: null, failure: null };

/** A failure as a TunTapError of the kernel has it. */
export function refused(code: string, errno: number, syscall: string, hint: string | null = null): ProbeTrial {
  return { works: false, failure: failure(code, errno, syscall, hint) };
}

export function failure(code: string, errno: number | null, syscall: string | null, hint: string | null): ProbeFailure {
  return { code, message: `${code}: said by the test`, errno, syscall, hint };
}

export const well: ProbeFacts = {
  command: "bun app.ts",
  bun: { version: "1.4.5", minimum: "1.4.1", supported: true },
  system: { platform: "linux", arch: "x64", kernel: "6.18.0", libc: "glibc", container: null },
  shim: { ...works, compileMs: 6.5 },
  user: {
    uid: 0,
    capabilities: { netAdmin: true, sysAdmin: true },
    netAdmin: works,
    initialUserNamespace: true,
    networkNamespaces: works,
    userNamespaces: works,
  },
  node: {
    path: "/dev/net/tun",
    kind: "character device",
    mode: "0666",
    device: "10:200",
    driver: true,
    opening: works,
  },
  tun: works,
  tap: works,
  attachable: [],
  features: { IFF_TUN: true, IFF_TAP: true, IFF_VNET_HDR: true, IFF_BACKPRESSURE: false },
  offloads: { TUN_F_CSUM: true, TUN_F_TSO4: true, TUN_F_USO4: false },
  waker: { kind: "aio", chosen: false, failure: null },
  rtnetlink: works,
  networkManagers: [],
};

/** Facts, and facts of facts, that differ from {@link well}. */
export type Differences = {
  readonly [K in keyof ProbeFacts]?: ProbeFacts[K] extends readonly unknown[] | null
    ? ProbeFacts[K]
    : Partial<ProbeFacts[K]> | (null extends ProbeFacts[K] ? null : never);
};

export function facts(differences: Differences = {}): ProbeFacts {
  const merged = Object.entries(well).map(([key, value]) => {
    const difference = differences[key as keyof ProbeFacts];
    if (difference === undefined) return [key, value];
    return [
      key,
      Array.isArray(difference) || difference === null || typeof difference !== "object"
        ? difference
        : { ...(value as object), ...difference },
    ];
  });
  return Object.fromEntries(merged) as ProbeFacts;
}

export function report(differences: Differences = {}): ProbeReport {
  const made = facts(differences);
  const ok = made.tun.works === true && made.rtnetlink.works === true && made.waker.kind !== null;
  return { ok, ...made, checks: checksOf(made) };
}
