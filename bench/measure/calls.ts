import { existsSync } from "node:fs";
import { Program } from "../processes.ts";

/** The folder in which the kernel shows the tracepoint of system calls. */
const TRACEPOINT = "/sys/kernel/tracing/events/raw_syscalls/sys_enter/id";

/** Counts the system calls of processes while `during` runs; undefined where the kernel shows no tracepoints. */
export async function countCalls(
  command: readonly string[],
  pids: readonly number[],
  during: () => Promise<unknown>,
): Promise<number | undefined> {
  if (!existsSync(TRACEPOINT)) return undefined;
  const counter = new Program([...command, ...pids.map(String)], { netns: "fresh" });
  await counter.ready();
  await during();
  return JSON.parse(await counter.end()).calls;
}
