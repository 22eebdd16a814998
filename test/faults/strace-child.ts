/** Runs one scenario in a program as users have it, prints what came of it, and fails if something is left or the next device does not work. */
import { mkdtempSync, rmSync } from "node:fs";
import { openFds } from "./judge.ts";
import { tryOnce, uncaught } from "./outcome.ts";
import type { World } from "./scenario.ts";
import { scenarios } from "./scenarios/index.ts";

const scenario = scenarios.find(({ name }) => name === process.argv.at(-1));
if (scenario === undefined) throw new Error(`There is no scenario "${process.argv.at(-1)}"`);
const before = new Set(openFds().map(([fd]) => fd));
const folder = mkdtempSync("/tmp/bun-tuntap-faults-");
const world: World = { other: process.pid, folder, calmly: (look) => look() };
const { outcome, complaints } = await tryOnce(scenario, world);
const again = await tryOnce(scenario, world);
if (again.outcome !== "went on") complaints.push(`then: ${again.outcome}`, ...again.complaints);
// Streams of Bun let go of what they hold a moment later.
await Bun.sleep(100);
const tuns = openFds().filter(([fd, target]) => !before.has(fd) && /\/tun$|socket:/.test(target));
rmSync(folder, { recursive: true });
complaints.push(...tuns.map(([fd, target]) => `left: ${fd} of ${target}`), ...uncaught);
console.log([outcome, ...complaints].join("; "));
process.exit(complaints.length === 0 ? 0 : 1);
