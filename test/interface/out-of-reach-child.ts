/**
 * Adopts fd 3, and prints what is told about it; answers to words on stdin,
 * each by one line of JSON. Imports nothing but the library: it runs as users
 * that can read no more.
 */
import { adopt, type Device, openTun, TunTapError } from "../../src/index.ts";

const echoRequest = Uint8Array.fromHex("4500001c000100004001f6dcc0000202c00002010800a4fd53010001");
const say = (what: string, value: unknown): void => console.log(JSON.stringify({ what, value }));

let frames = 0;
const far = adopt(3, {
  data(_, batch) {
    frames += batch.length;
  },
  change: (_, change) => say("handler", change),
});
void (async () => {
  for await (const change of far.changes()) say("iteration", change);
  say("iteration", "ended");
})();

let decoy: Device | undefined;
const calls: Record<string, () => unknown> = {
  isUp: () => far.isUp,
  name: () => far.name,
  mtu: () => far.mtu,
  up: () => far.up() ?? null,
  setMtu: () => far.setMtu(1300) ?? null,
  addresses: () => far.addresses(),
  stats: () => `${far.stats().rxPackets}`,
  info: () => far.info(),
  send: () => far.send(echoRequest),
  frames: () => frames,
  close: () => far.close() ?? null,
  /** Another interface of that name, where this process is. */
  decoy() {
    decoy = openTun({ name: far.name, mtu: 1234 });
    return decoy.mtu;
  },
  "the decoy's mtu": () => decoy?.mtu,
};

say("adopted", far.name);
let words = "";
process.stdin.on("data", (chunk) => {
  words += chunk;
  const lines = words.split("\n");
  words = lines.pop() ?? "";
  for (const word of lines) {
    try {
      say(word, calls[word]?.());
    } catch (error) {
      const { code, hint } = error as TunTapError;
      say(word, error instanceof TunTapError ? { code, hint } : String(error));
    }
  }
});
process.stdin.on("end", () => {
  far.close();
  decoy?.close();
});
