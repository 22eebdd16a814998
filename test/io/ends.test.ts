/**
 * Devices that end in the middle of a flood, for each way to receive and each
 * waker: each ends once, with its reason, delivers what it had read, and
 * another device of the thread goes on.
 *
 * BUN_TUNTAP_ENDS=1000 bun test test/io/ends.test.ts    takes 20 minutes
 */
import { expect, test } from "bun:test";
import { describeWithTools } from "../support/privilege.ts";
import { ways } from "./ways.ts";

const count = Number(process.env["BUN_TUNTAP_ENDS"] ?? 4);

describeWithTools("the end of a device under flood", ["unshare", "ip"], () => {
  for (const waker of ["aio", "thread"]) {
    for (const kind of ["deletion", "namespace"]) {
      test(
        `by ${kind === "deletion" ? "the deletion of its interface" : "the end of its namespace"}, woken by ${waker}`,
        async () => {
          const child = Bun.spawn([process.execPath, `${import.meta.dir}/ends-child.ts`, kind, `${count}`], {
            env: { ...process.env, BUN_TUNTAP_WAKER: waker },
            stderr: count > 100 ? "inherit" : "ignore",
          });
          expect(JSON.parse(await child.stdout.text())).toEqual({ ends: ways.length * count, problems: [] });
          expect(await child.exited).toBe(0);
        },
        60_000 + count * 2000,
      );
    }
  }
});
