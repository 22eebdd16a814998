/**
 * Relays frames for as long as one likes, in every way there is, while
 * interfaces are renamed, go down and change their MTU, and Workers, captures,
 * observers and other devices come and go. Each frame is numbered and checked:
 * sequence, content, and that every lost one was refused because its interface
 * was down. See CONTRIBUTING.md.
 *
 * `--pause` is how many milliseconds there are between two disturbances.
 *
 *     sudo bun test/soak/soak.ts [--seconds N] [--frames N] [--epoch N] [--pause MS] [--calm] [--plant FAULT] [--write FILE]
 */
import "../support/preload.ts";
import { parseArgs } from "node:util";
import { openTap, type Tap } from "../../src/index.ts";
import { writeReport } from "../faults/report.ts";
import { run } from "../support/system.ts";
import { type Counts, disturb, noCounts, Wrong } from "./disturbances.ts";
import { type Health, healthAt } from "./health.ts";
import { type Passing, type Plant, passingWith, ways } from "./relays.ts";
import { type Epoch, report } from "./report.ts";
import { pass } from "./traffic.ts";

const { values } = parseArgs({
  options: {
    seconds: { type: "string", default: "60" },
    frames: { type: "string", default: "Infinity" },
    epoch: { type: "string", default: "1000000" },
    pause: { type: "string", default: "100" },
    calm: { type: "boolean", default: false },
    plant: { type: "string" },
    write: { type: "string" },
  },
});
const limit = { seconds: Number(values.seconds), frames: Number(values.frames) };
const perEpoch = Number(values.epoch);

/** Under a TAP's queue of 1,000 frames. */
const WINDOW = 500;
/** Ways that take one frame at a time carry fewer. */
const SINGLE = 10;

const started = performance.now();
const secondsNow = (): number => (performance.now() - started) / 1000;

function open(reuseBuffers: boolean): Tap {
  return openTap({ up: true, mtu: 9000, reuseBuffers });
}

/** Relays `count` frames each way; throws {@link Wrong} over what a disturbance finds. */
async function epoch(number: number, count: number, passing: Passing, counts: Counts): Promise<Epoch> {
  const names = Object.keys(ways);
  const name = names[number % names.length] as string;
  const frames = /relay|batches/.test(name) ? count : Math.ceil(count / SINGLE);
  const isBig = number % 4 === 3;
  const begun = performance.now();
  await using a = open(number % 3 === 0);
  await using b = open(number % 3 === 0);
  const relaying = ways[name]?.(a, b, passing);
  const first = (number % 1000) * 1_000_000;
  const load = { first, count: frames, minimum: 60, maximum: isBig ? 8000 : 600, window: WINDOW };
  let isOver = false;
  const there = pass(a.index, b.index, load);
  const back = pass(b.index, a.index, load);
  const both = Promise.all([there, back]).finally(() => {
    isOver = true;
  });
  const disturbing = values.calm ? undefined : disturb(a, b, counts, Number(values.pause), () => isOver);
  const [[forward, backward]] = await Promise.all([both, disturbing]);
  const refused = a.counters().refused + b.counters().refused;
  const overflowed = a.stats().txDropped + b.stats().txDropped;
  const { closed, closeReason } = a.closed ? a : b;
  if (closed) throw new Wrong(`a device has ended: ${closeReason?.message}`);
  a.close();
  b.close();
  await relaying;
  return { way: name, forward, backward, refused, overflowed, seconds: (performance.now() - begun) / 1000 };
}

/** Returns what is wrong with an epoch, or undefined. */
function complaintOf({ way, forward, backward, refused, overflowed }: Epoch): string | undefined {
  const complaints: string[] = [];
  for (const passed of [forward, backward]) {
    for (const fault of ["reordered", "duplicated", "damaged", "dropped"] as const) {
      if (passed[fault] > 0) complaints.push(`${passed[fault]} ${fault}`);
    }
  }
  const lost = forward.sent - forward.arrived + backward.sent - backward.arrived;
  if (lost !== refused)
    complaints.push(`${lost} lost, of which ${refused} were refused and ${overflowed} found a full queue`);
  return complaints.length === 0 ? undefined : `by ${way}: ${complaints.join(", ")}`;
}

run("sh", "-c", "echo 1 > /proc/sys/net/ipv6/conf/default/disable_ipv6");
const counts = noCounts();
const epochs: Epoch[] = [];
const samples: Health[] = [];
const complaints: string[] = [];
const passing = passingWith(values.plant as Plant | undefined, 5000);
let frames = 0;

async function write(isOver: boolean): Promise<void> {
  const text = report({ epochs, samples, counts, complaints, seconds: secondsNow(), isOver });
  if (values.write !== undefined) await writeReport(values.write, text);
  if (isOver) console.log(text);
}

for (let number = 0; frames < limit.frames && secondsNow() < limit.seconds && complaints.length === 0; number++) {
  try {
    const each = await epoch(number, Math.min(perEpoch, Math.ceil((limit.frames - frames) / 2)), passing, counts);
    epochs.push(each);
    frames += each.forward.arrived + each.backward.arrived;
    const complaint = complaintOf(each);
    if (complaint !== undefined) complaints.push(complaint);
  } catch (error) {
    complaints.push(error instanceof Wrong ? error.message : Bun.inspect(error));
  }
  samples.push(healthAt(secondsNow(), counts.workers));
  const { fds, mappings, rss } = samples.at(-1) as Health;
  console.error(
    `${Math.round(secondsNow())} s: ${frames} frames, ${fds} fds, ${mappings} mappings, ${Math.round(rss / 2 ** 20)} MiB`,
  );
  await write(false);
}

// What stays is there after the first rounds through all ways.
const settled = samples.slice(Object.keys(ways).length);
const mostFds = Math.max(...settled.map(({ fds }) => fds));
if (settled.length > 0 && (settled.at(-1)?.fds ?? 0) > (settled[0]?.fds ?? 0)) {
  complaints.push(`fds have grown from ${settled[0]?.fds} to ${mostFds}`);
}
await write(true);
process.exit(complaints.length === 0 ? 0 : 1);
