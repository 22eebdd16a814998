/** Two hosts, each in a network namespace of its own, for relays between them. */
import { Namespace } from "../io/offload/support/namespaces.ts";
import { answersIn } from "../support/system.ts";

export { Namespace };

/** Returns what a program in a namespace prints; this thread, which relays, goes on meanwhile. */
export async function output(from: Namespace, ...command: string[]): Promise<string> {
  const child = Bun.spawn(["nsenter", `--net=${from.path}`, ...command], { stdout: "pipe", stderr: "pipe" });
  const [text, errors] = await Promise.all([child.stdout.text(), child.stderr.text()]);
  await child.exited;
  return text + errors;
}

/** Pings an address from a namespace until it has answered three times, or fails after some seconds. */
export async function ping(from: Namespace, address: string): Promise<void> {
  // Without -w ping waits for a late answer no longer than the others took.
  const text = await output(from, "ping", "-q", "-c", "3", "-i", "0.05", "-w", "30", address);
  // NaN where it could not be started, or said something else.
  if (!(answersIn(text) >= 3)) throw new Error(text);
}

/** Sends three pings that nobody answers. */
export async function pingInVain(from: Namespace, address: string): Promise<void> {
  await output(from, "ping", "-q", "-c", "3", "-i", "0.05", "-W", "0.1", address);
}

/** Two namespaces joined by a veth pair: `wire0` in both, 198.51.100.1 and 198.51.100.2. */
export async function wired(): Promise<{ left: Namespace; right: Namespace } & Disposable> {
  using stack = new DisposableStack();
  const [left, right] = [stack.use(await Namespace.open()), stack.use(await Namespace.open())];
  left.run("ip", "link", "add", "wire0", "type", "veth", "peer", "name", "wire0", "netns", right.path);
  for (const [netns, host] of [
    [left, 1],
    [right, 2],
  ] as const) {
    netns.run("ip", "address", "add", `198.51.100.${host}/24`, "dev", "wire0");
    netns.run("ip", "link", "set", "wire0", "up");
  }
  const owned = stack.move();
  return { left, right, [Symbol.dispose]: () => owned.dispose() };
}
