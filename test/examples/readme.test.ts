import { expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import * as library from "../../src";
import * as packet from "../../src/packet";
import { describePrivileged } from "../support/privilege";

const root = `${import.meta.dir}/../..`;
const readme = readFileSync(`${root}/README.md`, "utf8");
const example = /```ts\n(.*?)```/s.exec(readme)?.[1] ?? "";

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

test("the README pins the Bun version that CI installs and package.json asks for", () => {
  const [, pinned] = /bun_version=(\S+)/.exec(readFileSync(`${root}/.ci/run`, "utf8")) ?? [];
  const { engines } = JSON.parse(readFileSync(`${root}/package.json`, "utf8"));
  expect(engines.bun).toBe(`>=${pinned}`);
  const versions = new Set([...readme.matchAll(/bun@(\d+\.\d+\.\d+)/g)].map(([, version]) => version));
  expect([...versions]).toEqual([pinned]);
});

describePrivileged("the README's example", () => {
  test("runs as it stands, and shows the first frame of its own interface", async () => {
    const folder = mkdtempSync("/tmp/readme-");
    const source = example
      .replace('"bun-tuntap/packet"', `"${root}/src/packet"`)
      .replace('"bun-tuntap"', `"${root}/src"`);
    writeFileSync(`${folder}/example.ts`, source);
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
