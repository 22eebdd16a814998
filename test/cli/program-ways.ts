/** A program for the tests of programs: does what its first argument names. */
import { aborted, ProgramError, runProgram } from "../../src/cli/program.ts";

const ways: Record<string, (stop: AbortSignal) => Promise<number> | Promise<void>> = {
  done: async () => {},
  three: async () => 3,
  explained: async () => {
    throw new ProgramError("It is explained");
  },
  kernel: async () => {
    throw Object.assign(new Error("EPERM: not allowed"), { code: "EPERM" });
  },
  defect: async () => {
    throw new TypeError("A defect");
  },
  waits: async (stop) => {
    using _ = keepsRunning();
    await aborted(stop);
    console.log(`stopped by ${stop.reason}`);
  },
  stays: async () => {
    using _ = keepsRunning();
    await new Promise(() => {});
  },
};

function keepsRunning(): Disposable {
  const timer = setInterval(() => {}, 1000);
  console.log("ready");
  return { [Symbol.dispose]: () => clearInterval(timer) };
}

await runProgram({
  help: "All about it",
  parse: ([name = ""]) => {
    const way = ways[name];
    if (way === undefined) throw new RangeError(`There is no "${name}"`);
    return way;
  },
  run: (way, stop) => way(stop),
});
