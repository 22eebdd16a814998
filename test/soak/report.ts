/** What a soak has shown, as Markdown. */
import type { Counts } from "./disturbances.ts";
import { type Health, slopeOf } from "./health.ts";
import type { Passed } from "./traffic.ts";

/** Two devices, and frames relayed between them in one way. */
export interface Epoch {
  readonly way: string;
  readonly forward: Passed;
  readonly backward: Passed;
  /** Frames that the kernel refused because the interface was down. */
  readonly refused: number;
  /** Frames that the kernel's queue of a device had no room for. */
  readonly overflowed: number;
  readonly seconds: number;
}

export interface Soak {
  readonly epochs: readonly Epoch[];
  readonly samples: readonly Health[];
  readonly counts: Counts;
  readonly complaints: readonly string[];
  readonly seconds: number;
  readonly isOver: boolean;
}

function sum(epochs: readonly Epoch[], of: (epoch: Epoch) => number): number {
  return epochs.reduce((total, epoch) => total + of(epoch), 0);
}

const both =
  (member: keyof Passed) =>
  ({ forward, backward }: Epoch): number =>
    forward[member] + backward[member];

export function report({ epochs, samples, counts, complaints, seconds, isOver }: Soak): string {
  const sent = sum(epochs, both("sent"));
  const arrived = sum(epochs, both("arrived"));
  const refused = sum(epochs, (epoch) => epoch.refused);
  const [first, last] = [samples[Math.floor(samples.length / 3)], samples.at(-1)];
  const ended = (last?.workers ?? 0) - (first?.workers ?? 0);
  const each = (member: "fds" | "mappings" | "rss"): number =>
    ended === 0 ? 0 : ((last?.[member] ?? 0) - (first?.[member] ?? 0)) / ended;
  const mib = (bytes = 0): string => `${(bytes / 2 ** 20).toFixed(2)} MiB`;
  const { workers, captures, observers, neighbours, flaps, renames, mtuChanges } = counts;
  return [
    "# Soak",
    "",
    `\`sudo bun test/soak/soak.ts\`, ${new Date().toISOString().slice(0, 10)}, Bun ${Bun.version}, Linux ${kernel()}` +
      `${isOver ? "" : ", not over yet"}.`,
    "",
    `${sent} frames were sent in ${Math.round(seconds)} s and ${epochs.length} rounds, ${arrived} arrived, ` +
      `${sent - arrived} did not; ${refused} were refused because the interface was down at that moment. ` +
      `${sum(epochs, both("reordered"))} came out of order, ${sum(epochs, both("duplicated"))} twice, ${sum(epochs, both("damaged"))} with other bytes.`,
    "",
    `Meanwhile ${renames} renames, ${mtuChanges} changes of the MTU, ${flaps} times down and up, ${workers} Workers with a device that were terminated, ` +
      `${captures} captures, ${observers} observers, ${neighbours} other devices.`,
    "",
    "| Way | Rounds | Frames that arrived | Frames a second |",
    "| --- | --: | --: | --: |",
    ...[...Map.groupBy(epochs, ({ way }) => way)].map(([way, group]) => {
      const frames = sum(group, both("arrived"));
      const rate = Math.round(frames / sum(group, (epoch) => epoch.seconds));
      return `| ${way} | ${group.length} | ${frames} | ${rate} |`;
    }),
    "",
    "| | After a third | At the end | Growth an hour, of the last two thirds | For each Worker that ended |",
    "| --- | --: | --: | --: | --: |",
    `| File descriptors | ${first?.fds} | ${last?.fds} | ${slopeOf(samples, "fds").toFixed(1)} | ${each("fds").toFixed(1)} |`,
    `| Mappings | ${first?.mappings} | ${last?.mappings} | ${slopeOf(samples, "mappings").toFixed(0)} | ${each("mappings").toFixed(1)} |`,
    `| Resident memory | ${mib(first?.rss)} | ${mib(last?.rss)} | ${mib(slopeOf(samples, "rss"))} | ${mib(each("rss"))} |`,
    "",
    complaints.length === 0 ? "Nothing was wrong." : `Wrong: ${complaints.join("; ")}`,
    "",
  ].join("\n");
}

function kernel(): string {
  return Bun.spawnSync(["uname", "-r"]).stdout.toString().trim();
}
