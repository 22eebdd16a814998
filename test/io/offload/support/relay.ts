/**
 * Two hosts, each in a namespace of its own, and a wire between them that is
 * this process:
 *
 *   left host -- left device -- forward() -- right device -- right host
 *   192.0.2.1, 2001:db8::1                   192.0.2.2, 2001:db8::2
 */
import { type Device, type OffloadOptions, type OpenOptions, openTap, openTun } from "../../../../src/index.ts";
import { Random } from "../../../support/random.ts";
import { Namespace } from "./namespaces.ts";

/** What is on the wire, in its direction: what comes in and what goes on from there. */
export type Forward = (frames: Uint8Array[], to: Device, direction: "right" | "left") => void;

export interface WireOptions {
  readonly ethernet: boolean;
  readonly offload: boolean | OffloadOptions;
  /** Of the right device, where it is another. */
  readonly rightOffload?: boolean | OffloadOptions;
  readonly reuseBuffers?: boolean;
  readonly forward?: Forward;
}

export interface Wire extends Disposable {
  readonly left: { readonly netns: Namespace; readonly device: Device };
  readonly right: { readonly netns: Namespace; readonly device: Device };
}

const straight: Forward = (frames, to) => void to.sendMany(frames);

export async function openWire(options: WireOptions): Promise<Wire> {
  const { ethernet, offload, rightOffload = offload, reuseBuffers = true, forward = straight } = options;
  const open = ethernet ? openTap : openTun;
  using stack = new DisposableStack();
  const [here, there] = [stack.use(await Namespace.open()), stack.use(await Namespace.open())];
  const common = (netns: Namespace, host: number): OpenOptions<never> => ({
    netns: netns.path,
    name: "wire0",
    // More than the 500 of a TUN: what the queue has no room for, TCP sends again, which is slow.
    txQueueLength: 4000,
    addresses: [`192.0.2.${host}/24`, `2001:db8::${host}/64`],
    reuseBuffers,
  });
  const ends: { right?: Device } = {};
  const data = (_: Device, frames: Uint8Array[]): void => {
    if (ends.right !== undefined && !ends.right.closed) forward(frames, ends.right, "right");
  };
  const left = stack.use(open({ ...common(here, 1), offload, data } as OpenOptions<never>)) as Device;
  const back = (_: Device, frames: Uint8Array[]): void => {
    if (!left.closed) forward(frames, left, "left");
  };
  const right = stack.use(
    open({ ...common(there, 2), offload: rightOffload, data: back } as OpenOptions<never>),
  ) as Device;
  ends.right = right;
  // Known beforehand: while it is being asked for a neighbour's address, the kernel drops all but some of what is for it.
  if (ethernet) {
    know(here, 2, right.mac);
    know(there, 1, left.mac);
  }
  const owned = stack.move();
  return {
    left: { netns: here, device: left },
    right: { netns: there, device: right },
    [Symbol.dispose]: () => owned.dispose(),
  };
}

function know(netns: Namespace, host: number, mac: string): void {
  for (const address of [`192.0.2.${host}`, `2001:db8::${host}`]) {
    netns.run("ip", "neigh", "replace", address, "lladdr", mac, "dev", "wire0");
  }
}

/**
 * A wire that loses one frame in a hundred, and lets one in a hundred wait
 * until three more have passed it; the same ones each time.
 */
export function lossy(): { forward: Forward; lost: () => number; late: () => number } {
  let [lost, late] = [0, 0];
  const random = new Random(1);
  const waiting = {
    right: [] as { frame: Uint8Array; until: number }[],
    left: [] as { frame: Uint8Array; until: number }[],
  };
  const passed = { right: 0, left: 0 };
  const forward: Forward = (frames, to, direction) => {
    const queue = waiting[direction];
    const out: Uint8Array[] = [];
    for (const frame of frames) {
      const chance = random.fraction();
      if (chance < 0.01) {
        lost++;
        continue;
      }
      if (chance < 0.02) {
        late++;
        // It is valid until this returns only.
        queue.push({ frame: frame.slice(), until: passed[direction] + 3 });
        continue;
      }
      out.push(frame);
      passed[direction]++;
      while (queue[0] !== undefined && queue[0].until <= passed[direction])
        out.push((queue.shift() as (typeof queue)[0]).frame);
    }
    to.sendMany(out);
  };
  return { forward, lost: () => lost, late: () => late };
}
