/** A sample of `run.ts`, which lets every call of every scenario fail. */
import { expect, test } from "bun:test";
import { describeWithTools } from "../support/privilege.ts";
import type { Verdict } from "./cases.ts";
import type { Task } from "./child.ts";
import { type Outcome, runScenario, type Waker } from "./driver.ts";
import { scenarios } from "./scenarios/index.ts";

const LIMIT_MS = 120_000;

async function run(name: string, waker: Waker, choice: Parameters<typeof runScenario>[2]): Promise<Outcome> {
  const scenario = scenarios.find((each) => each.name === name);
  if (scenario === undefined) throw new Error(`There is no scenario "${name}"`);
  return runScenario(scenario, waker, choice);
}

/** The runs of a scenario, at most, until it makes the call that is to fail: under load some need no wake-up. */
const TRIES = 15;

/** Runs a scenario in which something fails. */
async function runFailing(...how: Parameters<typeof run>): Promise<Outcome> {
  for (let tries = 1; ; tries++) {
    const outcome = await run(...how);
    const hasFailed = outcome.crashes.length > 0 || outcome.verdicts.some(({ failed }) => failed > 0);
    if (hasFailed || tries === TRIES) {
      expect(hasFailed).toBe(true);
      return outcome;
    }
  }
}

/** Returns what is wrong with an outcome. */
function faultsOf({ verdicts, crashes }: Outcome): { broken: readonly Verdict[]; crashes: readonly string[] } {
  return { broken: verdicts.filter(({ complaints }) => complaints.length > 0), crashes };
}

const fine = { broken: [], crashes: [] };

describeWithTools("a call that fails", ["ip", "unshare"], () => {
  /** Each has failed before: the calls of one kind, one after the other, with one errno. */
  const rows: readonly (readonly [string, Waker, NonNullable<Task["only"]>])[] = [
    ["move to another network namespace and back, with changes", "aio", { call: "recv", errno: "ENOMEM" }],
    [
      "move to another network namespace and back, with changes",
      "aio",
      { call: "rtnetlink(RTM_GETLINK)", errno: "ENOMEM" },
    ],
    ["changes, by handler and by iteration", "aio", { call: "recv", errno: "ENOMEM" }],
    ["open in another network namespace", "aio", { call: "recv", errno: "ENOMEM" }],
    ["receive by batches()", "aio", { call: "io_submit", errno: "EAGAIN" }],
    ["ref() and unref() with traffic", "aio", { call: "io_submit", errno: "ENOMEM" }],
    ["observe what passes, and end in the observer", "aio", { call: "epoll_ctl(EPOLL_CTL_MOD)", errno: "ENOENT" }],
    ["relay from one device to another", "aio", { call: "epoll_ctl(EPOLL_CTL_MOD)", errno: "ENOENT" }],
    ["the probe, which opens one to try", "aio", { call: "wait4", errno: "EINTR" }],
    ["UDP: send datagrams, and have them back", "aio", { call: "recvmsg(UDP)", errno: "ENOMEM", lasting: true }],
    ["UDP: send to peers in turn", "aio", { call: "sendmmsg", errno: "EAGAIN" }],
  ];
  for (const [name, waker, only] of rows) {
    test(
      `leaves nothing, and harms no other device: ${only.call} ${only.errno}, ${name}`,
      async () => expect(faultsOf(await runFailing(name, waker, { only }))).toEqual(fine),
      LIMIT_MS,
    );
  }

  const sample: readonly (readonly [string, Waker, number])[] = [
    ["open a TUN with ten options", "aio", 23],
    ["attach to a persistent interface with other options", "aio", 37],
    ["hand over within one process", "aio", 11],
    ["the first device of a process", "thread", 17],
    ["receive by a data handler", "thread", 3],
  ];
  for (const [name, waker, step] of sample) {
    test(
      `leaves nothing, and harms no other device: every ${step}th failure, ${name}, ${waker}`,
      async () => expect(faultsOf(await runFailing(name, waker, { step }))).toEqual(fine),
      LIMIT_MS,
    );
  }
});
