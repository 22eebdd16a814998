/** What /proc says about another process. */
import { readdirSync, readFileSync } from "node:fs";

/** What a process has used up. */
interface Effort {
  /** utime and stime of all threads, in ticks of 10 ms. */
  readonly cpuTicks: number;
  /** Time on a CPU of all threads, in ns. */
  readonly cpuNs: number;
  /** Times that any thread went to sleep, which is how often one woke. */
  readonly contextSwitches: number;
}

/** What a process does in a second. */
export interface Idleness {
  /** The part of the time in which a thread was on a CPU: 1 is all of one CPU. */
  readonly cpu: number;
  readonly wakeUps: number;
}

/** proc_pid_stat(5), proc_pid_status(5), Documentation/scheduler/sched-stats.rst. */
function effort(pid: number): Effort {
  // The name, in parentheses, may hold spaces: fields are counted from behind it, where number 3 begins.
  const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  let cpuNs = 0;
  let contextSwitches = 0;
  for (const thread of readdirSync(`/proc/${pid}/task`)) {
    const status = readFileSync(`/proc/${pid}/task/${thread}/status`, "latin1");
    contextSwitches += Number(/^voluntary_ctxt_switches:\s*(\d+)/m.exec(status)?.[1]);
    cpuNs += Number(readFileSync(`/proc/${pid}/task/${thread}/schedstat`, "latin1").split(" ")[0]);
  }
  return { cpuTicks: Number(fields[11]) + Number(fields[12]), cpuNs, contextSwitches };
}

/** Measures a process for `windowMs`, or as long as that takes on a busy machine, once its start is over: after 300 ms without a tick. */
export async function measureIdle(pid: number, windowMs: number): Promise<Idleness> {
  const deadline = performance.now() + 30_000;
  for (let before = effort(pid), since = performance.now(); performance.now() - since < 300; await Bun.sleep(20)) {
    const now = effort(pid);
    if (now.cpuTicks !== before.cpuTicks) since = performance.now();
    before = now;
    if (performance.now() > deadline) throw new Error("The process never came to rest");
  }
  const [before, since] = [effort(pid), performance.now()];
  // Time is what is measured here.
  await Bun.sleep(windowMs);
  const [after, seconds] = [effort(pid), (performance.now() - since) / 1000];
  return {
    cpu: (after.cpuNs - before.cpuNs) / 1e9 / seconds,
    wakeUps: (after.contextSwitches - before.contextSwitches) / seconds,
  };
}
