/** A Worker of index.ts: relays between a queue of each interface, until it is told to end. */
import { adopt } from "../../src/index.ts";

/** What it is told first. */
export interface Task {
  /** The fd of a queue of each interface: the Worker's to close from now on. */
  readonly left: number;
  readonly right: number;
}

declare const self: Worker;

self.addEventListener("message", ({ data }: MessageEvent<Task | "end">) => (data === "end" ? end() : begin(data)), {});

let end = (): void => {};

function begin(task: Task): void {
  const offload = true;
  const left = adopt(task.left, { offload, reuseBuffers: true, data: (_, packets) => void right.sendMany(packets) });
  const right = adopt(task.right, { offload, reuseBuffers: true, data: (_, packets) => void left.sendMany(packets) });
  end = () => {
    postMessage(left.counters().framesReceived + right.counters().framesReceived);
    left.close();
    right.close();
    process.exit();
  };
  postMessage("ready");
}
