/** The run as a picture: how fast the relays are, what they cost, and how the headlines stand to their targets. */
import type { Case } from "./case.ts";
import { cases } from "./cases.ts";
import type { Contender } from "./contender.ts";
import { type Headline, headlines, type Limit } from "./headlines.ts";
import { type CaseResults, ratios, type Spread, values } from "./statistics.ts";

const WIDTH = 960;
const MARGIN = 24;
const ROW = 20;
/** The x at which the names end. */
const NAMES = 400;
const BARS_OF: Case["name"] = "tcp-tun-ipv4";

/** Text that is legible on white and on dark pages; the two colours of the bars are on both. */
const style = `
  text { font: 12px system-ui, sans-serif; fill: #1f2328 }
  .title { font-weight: 600; font-size: 14px }
  .faint { fill: #59636e }
  .c { fill: #8b949e } .ours { fill: #2f81f7 }
  .met { fill: #2f81f7; stroke: #2f81f7 } .missed { fill: #db6d28; stroke: #db6d28 }
  .axis { stroke: #8b949e; stroke-width: 1 } .target { stroke: #1f2328; stroke-width: 2 }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3 } .faint { fill: #9198a1 } .target { stroke: #e6edf3 }
  }`;

/** A part of the picture, drawn from its own top. */
interface Panel {
  readonly height: number;
  readonly content: string;
}

/** An SVG document; what was not measured is left out. */
export function chart(results: readonly CaseResults[]): string {
  const panels = [throughputPanel(results), targetsPanel(results)].filter((panel) => panel !== undefined);
  let top = MARGIN;
  const parts = panels.map(({ height, content }) => {
    const part = `<g transform="translate(0 ${top})">${content}</g>`;
    top += height + MARGIN;
    return part;
  });
  const size = `width="${WIDTH}" height="${top}" viewBox="0 0 ${WIDTH} ${top}"`;
  return `<svg xmlns="http://www.w3.org/2000/svg" ${size} role="img" aria-label="bun-tuntap against C">
<style>${style}
</style>
${parts.join("\n")}
</svg>
`;
}

/** Two columns of bars: Gbit/s, and CPU-seconds a GB. */
function throughputPanel(results: readonly CaseResults[]): Panel | undefined {
  const rounds = results.find(({ of }) => of.name === BARS_OF)?.rounds;
  const of = cases.find(({ name }) => name === BARS_OF);
  if (rounds === undefined || of === undefined) return undefined;
  const contenders = of.contenders
    .filter((contender) => values(rounds, contender, "gbits"))
    .toSorted((a, b) => group(a) - group(b));
  const columns = [
    { key: "gbits", label: "Gbit/s", x: NAMES, digits: 1 },
    { key: "cpuPerGb", label: "CPU, s/GB", x: NAMES + 280, digits: 2 },
  ];
  const content = [`<text class="title" x="${MARGIN}" y="0">${of.title}, through a relay</text>`];
  for (const [i, { name }] of contenders.entries()) content.push(label(NAMES - 12, rowY(i), name));
  for (const { key, label: unit, x, digits } of columns) {
    const spreads = contenders.map((contender) => values(rounds, contender, key));
    const scale = 200 / Math.max(...spreads.map((spread) => spread?.median ?? 0));
    content.push(`<text class="faint" x="${x}" y="${rowY(-1) + 4}">${unit}</text>`);
    for (const [i, spread] of spreads.entries()) {
      if (spread === undefined) continue;
      const width = spread.median * scale;
      content.push(
        `<rect class="${contenders[i]?.program}" x="${x}" y="${rowY(i) - 7}" width="${width.toFixed(1)}" height="14" rx="2"/>`,
        `<text x="${(x + width + 6).toFixed(1)}" y="${rowY(i) + 4}">${spread.median.toFixed(digits)}</text>`,
      );
    }
  }
  return { height: rowY(contenders.length), content: content.join("\n") };
}

/** The order of contenders: those without offload first, each next to what it is held against. */
function group({ options }: Contender): number {
  return ["--vnet", "--offload", "--raw"].findIndex((option) => options.includes(option)) + 1;
}

/** Each ratio that has a target, on a scale on which half and double are as far from 1. */
function targetsPanel(results: readonly CaseResults[]): Panel | undefined {
  const rows = headlines.flatMap((headline) => {
    const rounds = results.find(({ of }) => of.name === headline.of)?.rounds ?? [];
    const ratio = ratios(rounds, headline.contender, headline.key);
    return headline.limit && ratio ? [{ headline, limit: headline.limit, ratio }] : [];
  });
  if (rows.length === 0) return undefined;
  const bottom = rowY(rows.length);
  const marks = [0.125, 0.25, 0.5, 1, 2, 4, 8].map(
    (value) =>
      `<line class="axis" x1="${x(value)}" x2="${x(value)}" y1="${rowY(-0.5)}" y2="${bottom}" opacity="${value === 1 ? 1 : 0.35}"/>` +
      `<text class="faint" x="${x(value)}" y="${bottom + 14}" text-anchor="middle">${value}</text>`,
  );
  const content = [
    `<text class="title" x="${MARGIN}" y="0">Ours ÷ C: median and range of the rounds; a stroke is the target, orange misses it</text>`,
    ...marks,
    ...rows.map(({ headline, limit, ratio }, i) => targetRow(headline, limit, ratio, rowY(i))),
  ];
  return { height: bottom + 18, content: content.join("\n") };
}

function targetRow({ section, label: what }: Headline, limit: Limit, ratio: Spread, y: number): string {
  const isMet = "least" in limit ? ratio.median >= limit.least : ratio.median <= limit.most;
  const target = x("least" in limit ? limit.least : limit.most);
  const verdict = isMet ? "met" : "missed";
  return [
    label(NAMES - 12, y, `${section}: ${what}`),
    `<line class="target" x1="${target}" x2="${target}" y1="${y - 8}" y2="${y + 8}"/>`,
    `<line class="${verdict}" x1="${x(ratio.least)}" x2="${x(ratio.most)}" y1="${y}" y2="${y}" stroke-width="2"/>`,
    `<circle class="${verdict}" cx="${x(ratio.median)}" cy="${y}" r="4"/>`,
    `<text x="${WIDTH - MARGIN}" y="${y + 4}" text-anchor="end">${ratio.median.toFixed(2)}</text>`,
  ].join("\n");
}

/** From an eighth to eight times. */
function x(ratio: number): string {
  const octaves = Math.log2(Math.min(8, Math.max(0.125, ratio)));
  return (NAMES + 240 + octaves * 77).toFixed(1);
}

function rowY(row: number): number {
  return 40 + row * ROW;
}

function label(right: number, y: number, text: string): string {
  return `<text x="${right}" y="${y + 4}" text-anchor="end">${escaped(text)}</text>`;
}

function escaped(text: string): string {
  return Bun.escapeHTML(text);
}
