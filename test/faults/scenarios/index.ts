import type { Scenario } from "../scenario.ts";
import { around } from "./around.ts";
import { first } from "./first.ts";
import { life } from "./life.ts";
import { opening } from "./open.ts";
import { traffic } from "./traffic.ts";
import { udp } from "./udp.ts";

/** All of them, in the order in which they are run. */
export const scenarios: readonly Scenario[] = [...first, ...opening, ...traffic, ...life, ...udp, ...around];

/** The scenarios in which much depends on what wakes the thread. */
export const waking: readonly Scenario[] = [...first, ...traffic, ...life, ...udp, ...around];
