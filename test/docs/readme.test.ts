import { afterAll, beforeAll, expect, test } from "bun:test";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import * as library from "../../src/index.ts";
import * as packet from "../../src/packet/index.ts";
import { MINIMUM_BUN } from "../../src/sys/platform.ts";
import { withKernelsIPv6 } from "../interface/support.ts";
import { describePrivileged, describeWithTools } from "../support/privilege.ts";
import { run } from "../support/system.ts";

const root = `${import.meta.dir}/../..`;
const readme = readFileSync(`${root}/README.md`, "utf8");
/** The TypeScript in the README that imports the library: the example at the top, then the recipes. */
const snippets = [...readme.matchAll(/```ts\n(.*?)```/gs)]
  .map(([, text = ""]) => text)
  .filter((text) => text.includes('from "bun-tuntap"'));
const [example = "", ...recipes] = snippets;

/** As it would be in a project that has the library installed. */
function inTree(snippet: string): string {
  return snippet
    .replace('"bun-tuntap/packet"', `"${root}/src/packet/index.ts"`)
    .replace('"bun-tuntap/capture"', `"${root}/src/capture/index.ts"`)
    .replace('"bun-tuntap/udp"', `"${root}/src/udp/index.ts"`)
    .replace('"bun-tuntap"', `"${root}/src/index.ts"`);
}

test("the README's example has twelve lines at most", () => {
  expect(example.trim().split("\n").length).toBeLessThanOrEqual(12);
});

test("the README names every export", () => {
  for (const name of Object.keys(library)) expect(readme).toContain(name);
  const families = { parse: "parse", build: "build…", write: "write…" };
  for (const name of Object.keys(packet)) {
    const prefix = Object.entries(families).find(([begin]) => name.startsWith(begin));
    if (prefix?.[0] === "parse" || prefix === undefined) continue;
    expect(readme).toContain(prefix[1]);
  }
  for (const name of Object.keys(packet).filter((name) => /^parse|^checksum$|Error$/.test(name))) {
    expect(readme).toContain(name);
  }
});

test("the README's table has every example, and its link leads there", () => {
  const linked = [...readme.matchAll(/^\| \[(examples\/[^\]]+)\]\(([^)]+)\)/gm)].map(([, name, path]) => {
    expect(existsSync(`${root}/${path}`)).toBe(true);
    return name;
  });
  const there = readdirSync(`${root}/examples`).filter((name) => name !== "support");
  expect(linked.sort()).toEqual(there.map((name) => `examples/${name}`).sort());
});

test("the README pins the Bun version that CI installs, and names the lowest one as package.json does", () => {
  const [, pinned] = /bun_version=(\S+)/.exec(readFileSync(`${root}/.ci/run`, "utf8")) ?? [];
  const { engines } = JSON.parse(readFileSync(`${root}/package.json`, "utf8"));
  expect(engines.bun).toBe(`>=${MINIMUM_BUN}`);
  expect(readme).toContain(`Bun ${MINIMUM_BUN} or newer`);
  const versions = new Set([...readme.matchAll(/bun@(\d+\.\d+\.\d+)/g)].map(([, version]) => version));
  expect([...versions]).toEqual([pinned]);
});

describePrivileged("the README's example", () => {
  test("runs as it stands, and shows the first frame of its own interface", async () => {
    const folder = mkdtempSync("/tmp/readme-");
    writeFileSync(`${folder}/example.ts`, inTree(example));
    // It runs until it is told to end.
    const child = Bun.spawn([process.execPath, `${folder}/example.ts`], { stderr: "inherit" });
    let output = "";
    for await (const text of child.stdout.pipeThrough(new TextDecoderStream())) {
      output += text;
      if (output.split("\n").length > 2) break;
      // Makes the kernel ask for the neighbour: the first frame, unless it looked for IPv6 ones by itself.
      const socket = await Bun.udpSocket({ hostname: "192.0.2.1" });
      socket.send("x", 9, "192.0.2.2");
      socket.close();
    }
    child.kill();
    await child.exited;
    rmSync(folder, { recursive: true });
    expect(output).toMatch(/^tap\d+ is up, with MAC ([0-9a-f]{2}:){5}[0-9a-f]{2}: try ping 192.0.2.2\n/);
    expect(output).toMatch(
      /\n([0-9a-f]{2}:){5}[0-9a-f]{2} > ([0-9a-f]{2}:){5}[0-9a-f]{2} {2}0x[0-9a-f]+ {2}\d+ bytes\n/,
    );
  });
});

test("the README's snippets are right for the type checker", () => {
  const folder = mkdtempSync("/tmp/readme-");
  try {
    for (const [i, snippet] of snippets.entries()) writeFileSync(`${folder}/snippet-${i}.ts`, inTree(snippet));
    symlinkSync(`${root}/node_modules`, `${folder}/node_modules`);
    symlinkSync(`${root}/src/sys/native-source.d.ts`, `${folder}/native-source.d.ts`);
    writeFileSync(`${folder}/tsconfig.json`, JSON.stringify({ extends: `${root}/tsconfig.json`, include: ["*.ts"] }));
    expect(snippets.length).toBeGreaterThan(10);
    // It throws with what was found.
    run(process.execPath, "check", "--project", folder);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

describeWithTools("the README's recipes", ["ip", "tcpdump"], () => {
  const netns = `readme-${process.pid}`;
  withKernelsIPv6();

  beforeAll(() => {
    run("ip", "link", "set", "lo", "up");
    run("ip", "link", "add", "br0", "type", "bridge");
    run("ip", "netns", "add", netns);
  });

  afterAll(() => {
    run("ip", "link", "delete", "br0");
    run("ip", "netns", "delete", netns);
  });

  // The one about handing over needs its other half: examples/handover.ts has both, and a test.
  const alone = recipes.filter((recipe) => !recipe.includes("handOver"));

  test.each(alone.map((recipe, i) => ({ i, recipe })))("run as they stand: number $i", async ({ recipe }) => {
    const folder = mkdtempSync("/tmp/readme-");
    try {
      writeFileSync(`${folder}/recipe.ts`, inTree(recipe).replace('"blue"', `"${netns}"`));
      const child = Bun.spawn([process.execPath, `${folder}/recipe.ts`], { stderr: "pipe", timeout: 60_000 });
      const [stderr, exitCode] = [await child.stderr.text(), await child.exited];
      expect({ stderr, exitCode }).toEqual({ stderr: "", exitCode: 0 });
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
