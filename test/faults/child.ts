/**
 * Runs one scenario again and again, each time with another call that fails,
 * and prints a verdict a line. Ends after the first one that it cannot go on
 * from; run.ts then starts it again behind that.
 *
 * Arguments, as JSON: see {@link Task}.
 */
import "../support/preload.ts";
import { mkdtempSync, rmSync } from "node:fs";
import { currentWaker } from "../../src/io/reactor.ts";
import { run } from "../support/system.ts";
import { type Case, casesOf, type Verdict } from "./cases.ts";
import { type Errno, errnos } from "./errnos.ts";
import { begin, counted, end, type Kind, resume, spare, suspend } from "./injection.ts";
import { Bystander, mappings, resources, settledDifference, waitingThread } from "./judge.ts";
import { tryOnce, uncaught } from "./outcome.ts";
import type { Scenario, World } from "./scenario.ts";
import { scenarios } from "./scenarios/index.ts";

/** What the child is asked to do. */
export interface Task {
  readonly scenario: string;
  /** The number of the first case. */
  readonly from: number;
  /** 2 to run every second case, and so on. */
  readonly step: number;
  /** Only calls of this kind, with this errno: one at a time, or if `lasting` all from the n-th on. */
  readonly only?: { readonly call: string; readonly errno: Errno; readonly lasting?: true } | undefined;
  /** True if only calls of waiting are to fail. */
  readonly isOfWaitingAlone: boolean;
  /** For a scenario that needs a process of its own each time: the one case, and what a run leaves in which nothing fails. */
  readonly first?: { readonly given: Case; readonly expected: readonly string[] };
}

/** What it prints beside verdicts. */
export interface Progress {
  /** The number of all cases. */
  readonly total?: number;
  /** The number of the case that begins. */
  readonly at?: number;
  readonly mappings?: number;
  /** For a scenario that needs a process of its own each time. */
  readonly first?: { readonly cases: readonly Case[]; readonly expected: readonly string[] };
  readonly verdict?: Verdict;
  readonly done?: boolean;
}

/** The calls that differ with what wakes the thread, and those that all devices of a thread share. */
function isOfWaiting({ kind }: { kind: Kind }): boolean {
  return /^(epoll|eventfd|io_|pthread|poll|read|write|pipe2|fcntl\(F_DUPFD)/.test(kind.name);
}

function say(progress: Progress): void {
  process.stdout.write(`${JSON.stringify(progress)}\n`);
}

/** Returns what is left after a run, and should not be. */
function left(
  scenario: Scenario,
  before: readonly string[],
  world: World,
  waker: string | undefined,
): Promise<string[]> {
  return settledDifference(
    before,
    world,
    (each) => isOfLooking(scenario, each) || (currentWaker() !== waker && waitingThread.includes(each)),
  );
}

/** Tells whether it is a pipe of a program that was run to look at the state: those go when they like. */
function isOfLooking(scenario: Scenario, each: string): boolean {
  return scenario.state !== undefined && each === "gone: fd of socket";
}

/** Returns what a failure, after which the rollback had all it needs, has changed. */
function changed(scenario: Scenario, world: World, before: string | undefined, sticky: boolean): string[] {
  const now = scenario.state?.(world);
  if (now === before) return [];
  scenario.repair?.(world);
  return sticky ? [] : [`the state differs: ${before} became ${now}`];
}

async function judge(scenario: Scenario, world: World, bystander: Bystander, given: Case): Promise<Verdict> {
  const { kind, nth, errno, sticky } = given;
  const state = scenario.state?.(world);
  const before = resources(world);
  const waker = currentWaker();
  uncaught.length = 0;
  bystander.poke();
  begin({ kind, nth, errno: errnos[errno], sticky });
  const { outcome, complaints } = await tryOnce(scenario, world);
  const failed = end();
  complaints.push(...(await left(scenario, before, world, waker)));
  const complaint = await bystander.complaint();
  if (complaint !== undefined) complaints.push(complaint);
  complaints.push(...changed(scenario, world, state, sticky));
  complaints.push(...uncaught);
  return { scenario: scenario.name, call: kind.name, nth, errno, sticky, failed, outcome, complaints };
}

/** Judges what is the first of its process: afterwards it works, and leaves what it leaves without a failure. */
async function judgeFirst(
  scenario: Scenario,
  world: World,
  given: Case,
  expected: readonly string[],
): Promise<Verdict> {
  const { kind, nth, errno, sticky } = given;
  begin({ kind, nth, errno: errnos[errno], sticky });
  const { outcome, complaints } = await tryOnce(scenario, world);
  const failed = end();
  const again = await tryOnce(scenario, world);
  if (again.outcome !== "went on") complaints.push(`then, with nothing failing: ${again.outcome}`, ...again.complaints);
  complaints.push(...(await left(scenario, expected, world, process.env["BUN_TUNTAP_WAKER"])), ...uncaught);
  return { scenario: scenario.name, call: kind.name, nth, errno, sticky, failed, outcome, complaints };
}

async function holder(): Promise<Bun.Subprocess<"ignore", "pipe", "inherit">> {
  const command = ["unshare", "--net", "sh", "-c", "echo ready; exec sleep 3600"];
  const child = Bun.spawn(command, { stdin: "ignore", stdout: "pipe", stderr: "inherit" });
  await child.stdout.getReader().read();
  return child;
}

async function main(task: Task): Promise<boolean> {
  const scenario = scenarios.find((each) => each.name === task.scenario);
  if (scenario === undefined) throw new Error(`There is no scenario "${task.scenario}"`);
  // Duplicate address detection would take a second.
  run("sh", "-c", "echo 0 > /proc/sys/net/ipv6/conf/default/accept_dad");
  run("ip", "link", "set", "lo", "up");
  const child = await holder();
  const folder = mkdtempSync("/tmp/bun-tuntap-faults-");
  const calmly = <T>(look: () => T): T => {
    const was = suspend();
    try {
      return look();
    } finally {
      resume(was);
    }
  };
  const world: World = { other: child.pid, folder, calmly };
  try {
    return await (scenario.isFirst ? runFirst(scenario, world, task) : runCases(scenario, world, task));
  } finally {
    rmSync(folder, { recursive: true, force: true });
    child.kill();
  }
}

/** The calls of a run in which nothing fails; throws if that fails all the same. */
async function calls(scenario: Scenario, world: World, runs: number): Promise<ReturnType<typeof counted>> {
  for (let i = 0; i < runs; i++) {
    const before = resources(world);
    begin();
    const { outcome, complaints } = await tryOnce(scenario, world);
    end();
    if (i > 0) complaints.push(...(await settledDifference(before, world, (each) => isOfLooking(scenario, each))));
    complaints.push(...uncaught);
    if (outcome !== "went on" || complaints.length > 0) {
      throw new Error(`"${scenario.name}" fails when nothing does: ${outcome}\n${complaints.join("\n")}`);
    }
  }
  return counted();
}

/** All cases in this process, until one leaves something; false then. */
async function runCases(
  scenario: Scenario,
  world: World,
  { from, step, isOfWaitingAlone, only }: Task,
): Promise<boolean> {
  using bystander = new Bystander();
  const putBack = scenario.prepare?.(world);
  spare(bystander.fds);
  try {
    // The first runs load what is loaded late, and open what stays.
    const all = await calls(scenario, world, 3);
    const cases = casesOf(isOfWaitingAlone ? all.filter(isOfWaiting) : all).filter(
      ({ kind, errno, sticky }) =>
        only === undefined || (kind.name === only.call && errno === only.errno && sticky === (only.lasting ?? false)),
    );
    say({ total: cases.length, mappings: mappings() });
    for (let at = from; at < cases.length; at += step) {
      say({ at });
      const verdict = await judge(scenario, world, bystander, cases[at] as Case);
      say({ verdict });
      // What is left would be counted again; and where the thread has taken over it stays.
      if (verdict.complaints.length > 0 || currentWaker() !== process.env["BUN_TUNTAP_WAKER"]) return false;
    }
    say({ done: true, mappings: mappings() });
    return true;
  } finally {
    putBack?.();
  }
}

/** One case, or if none is given, which there are. */
async function runFirst(scenario: Scenario, world: World, { first }: Task): Promise<boolean> {
  if (first !== undefined) {
    say({ verdict: await judgeFirst(scenario, world, first.given, first.expected) });
    return true;
  }
  const cases = casesOf((await calls(scenario, world, 1)).filter(isOfWaiting));
  await calls(scenario, world, 1);
  // Streams of Bun let go of what they hold a moment later.
  await Bun.sleep(50);
  say({ first: { cases, expected: resources(world) } });
  return true;
}

try {
  process.exit((await main(JSON.parse(process.argv.at(-1) ?? "{}") as Task)) ? 0 : 3);
} catch (error) {
  console.error(error);
  process.exit(4);
}
