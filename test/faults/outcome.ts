/** What comes of a run of a scenario. */
import { TunTapError } from "../../src/index.ts";
import { Ended, PATIENCE_MS, type Scenario, type World } from "./scenario.ts";

/** Longer than a scenario waits for what it misses. */
const HANG_MS = 2 * PATIENCE_MS;

/** What nobody has caught. */
export const uncaught: string[] = [];
for (const event of ["uncaughtException", "unhandledRejection"] as const) {
  process.on(event, (error: unknown) => {
    uncaught.push(`${event}: ${error instanceof Error ? (error.stack ?? error.message) : Bun.inspect(error)}`);
  });
}

/** Returns what came of a run: an outcome, and what must not be. */
export async function tryOnce(scenario: Scenario, world: World): Promise<{ outcome: string; complaints: string[] }> {
  let timer: Timer | undefined;
  const hung = new Promise<string>((resolve) => {
    timer = setTimeout(() => resolve("hung"), HANG_MS);
  });
  const ran = scenario.run(world).then(() => "went on", explain);
  const outcome = await Promise.race([ran, hung]);
  clearTimeout(timer);
  const isFine = /^(went on|(ended: )?[A-Z][A-Z0-9_]+)$/.test(outcome);
  return { outcome: isFine ? outcome : "broken", complaints: isFine ? [] : [outcome] };
}

function explain(error: unknown): string {
  if (error instanceof TunTapError) return error.code;
  if (error instanceof Ended && error.reason !== undefined) return `ended: ${error.reason.code}`;
  return `untyped: ${error instanceof Error ? (error.stack ?? error.message) : Bun.inspect(error)}`;
}
