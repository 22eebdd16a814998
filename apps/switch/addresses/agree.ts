/** All hubs of a LAN have one pool: the first one writes it into the store. */
import { ProgramError } from "../../../src/cli/program.ts";
import type { Pool } from "./pool.ts";
import { POOL_KEY, parsePoolRecord } from "./records.ts";
import { ConflictError, type LeaseStore } from "./store.ts";

/** Time for one answer of the store. */
const WAIT_MS = 2000;

/** Makes sure that all hubs of the LAN have the same pool. @throws {ProgramError} If they have not */
export async function agreeOnPool(store: LeaseStore, pool: Pool): Promise<void> {
  const text = pool.toString();
  try {
    await store.write(POOL_KEY, JSON.stringify({ pool: text }), 0, WAIT_MS);
    return;
  } catch (error) {
    if (!(error instanceof ConflictError)) throw error;
  }
  const entry = await store.read(POOL_KEY, WAIT_MS);
  const there = parsePoolRecord(entry?.value ?? "")?.pool;
  if (there === text) return;
  const what =
    there === undefined
      ? "the store has something else where the LAN's pool should be"
      : `the LAN has the pool ${there}`;
  throw new ProgramError(
    `--pool ${text} cannot be used, as ${what}: give all hubs the same pool, or stop them all and delete the store's bucket`,
  );
}
