import { type Check, checkOptions, text } from "../checks.ts";
import { createLab } from "./lab.ts";
import { labChecks, timeout } from "./options.ts";
import type { Lab, LabOptions } from "./types.ts";

/** Options of {@link withLab}. */
export interface WithLabOptions extends LabOptions {
  /** The folder that a failure is written to, as by `lab.dump()`. Default: none. */
  dump?: string;
  /** Milliseconds after which the test fails, with a dump; below the timeout of `bun test`, which makes none. Default 4500. */
  timeout?: number;
}

/**
 * Makes the function of a test out of one that takes a lab. The lab is made
 * before and closed after it. If it fails, the seed is printed, and the lab is
 * dumped first, with what each link has seen.
 *
 * @example
 * ```ts
 * import { test } from "bun:test";
 * import { withLab } from "bun-tuntap/lab";
 *
 * test("answers", withLab({ seed: 7, dump: "artifacts/answers" }, async (lab) => {
 *   const link = lab.link(lab.host("a"), lab.host("b"), { loss: 0.1 });
 * }));
 * ```
 */
export function withLab(options: WithLabOptions, body: (lab: Lab) => Promise<void> | void): () => Promise<void> {
  checkOptions(options, checks, undefined);
  if (typeof body !== "function") throw new TypeError(`"body" must be a function, got ${Bun.inspect(body)}`);
  const { dump, timeout: timeoutMs = 4500, ...rest } = options;
  return async () => {
    await using lab = await createLab(rest);
    try {
      await inTime(body, lab, timeoutMs);
    } catch (error) {
      const where = dump === undefined || lab.closed ? "" : await dumped(lab, dump);
      process.stderr.write(`The lab had the seed ${lab.seed} (BUN_TUNTAP_LAB_SEED=${lab.seed} repeats it)${where}\n`);
      throw error;
    }
  };
}

const checks: { readonly [K in keyof WithLabOptions]-?: Check<unknown> } = {
  ...labChecks,
  dump: text,
  timeout,
};

/** Dumps the lab, and says where. That it cannot be must not hide why the test has failed. */
async function dumped(lab: Lab, folder: string): Promise<string> {
  try {
    await lab.dump(folder);
    return `; its last frames are in ${folder}`;
  } catch (error) {
    return `; its last frames could not be written: ${(error as Error).message}`;
  }
}

async function inTime(body: (lab: Lab) => Promise<void> | void, lab: Lab, timeoutMs: number): Promise<void> {
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(
    () => late.reject(new Error(`The test with the lab took more than ${timeoutMs} ms`)),
    timeoutMs,
  );
  try {
    await Promise.race([body(lab), late.promise]);
  } finally {
    clearTimeout(timer);
  }
}
