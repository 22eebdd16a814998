/** The code in the pages: right for the type checker, and it runs as it is written. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { describeWithTools } from "../support/privilege.ts";
import { top } from "../support/programs.ts";
import { run } from "../support/system.ts";
import { type Block, blocksOf, inNamespace, makeProject, pages, writeFiles } from "./pages.ts";

/** Languages of blocks that somebody types or saves: they run, are a file that is used, or say why they do neither. */
const CODE = ["ts", "js", "sh", "dockerfile", "yaml", "ini"];

const blocks = pages.flatMap(blocksOf);
const typescript = blocks.filter(({ language }) => language === "ts");

/** Runs a block in a project of its own, with the files that the page has named. */
async function runBlock(block: Block): Promise<void> {
  const folder = mkdtempSync("/tmp/docs-");
  try {
    makeProject(folder);
    writeFiles(folder, blocksOf(block.page));
    const isScript = block.language === "sh";
    writeFileSync(`${folder}/${isScript ? "block.sh" : "block.ts"}`, block.text);
    const command = isScript ? ["bash", "-euo", "pipefail", "block.sh"] : [process.execPath, "block.ts"];
    const child = Bun.spawn(inNamespace(command), {
      cwd: folder,
      env: { ...process.env, PATH: `${folder}/bin:${process.env["PATH"]}` },
      stderr: "pipe",
      timeout: 60_000,
    });
    const [stdout, stderr, exitCode] = await Promise.all([child.stdout.text(), child.stderr.text(), child.exited]);
    const failed = exitCode !== 0 || (!isScript && stderr !== "");
    expect(failed ? { place: block.place, exitCode, stdout, stderr } : undefined).toBeUndefined();
  } finally {
    rmSync(folder, { recursive: true });
  }
}

test("each block of code runs, is a file that a later block uses, or says why it does neither", () => {
  const silent = blocks.filter(
    ({ language, reason, file }) =>
      CODE.includes(language) && !["ts", "sh"].includes(language) && reason === undefined && file === undefined,
  );
  expect(silent.map(({ place }) => place)).toEqual([]);
  const unused = blocks.filter(
    (block) =>
      block.file !== undefined &&
      !blocksOf(block.page).some((other) => other.place !== block.place && other.text.includes(block.file as string)),
  );
  expect(unused.map(({ place }) => place)).toEqual([]);
});

// In sight: each has a line in the report of a run.
test.each(blocks.filter(({ reason }) => reason !== undefined).map(({ place, reason }) => ({ place, reason })))(
  "does not run: $place, $reason",
  ({ reason }) => expect(reason?.length).toBeGreaterThan(10),
);

test("a block without a language is no program", () => {
  const odd = blocks.filter(
    ({ language, text }) => language === "" && /^\s*(import |const |sudo |bun |\$ )/m.test(text),
  );
  expect(odd.map(({ place }) => place)).toEqual([]);
});

describe("the type checker", () => {
  const folder = mkdtempSync("/tmp/docs-");
  afterAll(() => rmSync(folder, { recursive: true }));

  test("takes every block of TypeScript", () => {
    for (const { place, text } of typescript) {
      writeFileSync(`${folder}/${place.replaceAll(/\W/g, "-")}.ts`, text);
    }
    symlinkSync(`${top}/node_modules`, `${folder}/node_modules`);
    symlinkSync(`${top}/src/sys/native-source.d.ts`, `${folder}/native-source.d.ts`);
    const paths = { "bun-tuntap": [`${top}/src/index.ts`], "bun-tuntap/*": [`${top}/src/*/index.ts`] };
    // A page shows a name that it does not use: `takeOver` in the half that hands over.
    const compilerOptions = { paths, noUnusedLocals: false };
    const config = { extends: `${top}/tsconfig.json`, compilerOptions, include: ["*.ts"] };
    writeFileSync(`${folder}/tsconfig.json`, JSON.stringify(config));
    expect(typescript.length).toBeGreaterThan(20);
    // It throws with what was found.
    run(process.execPath, "check", "--project", folder);
  }, 120_000);
});

describeWithTools(
  "the code in the pages",
  ["ip", "ping", "tcpdump", "unshare", "curl", "openssl", "nats-server"],
  () => {
    const runnable = blocks.filter(
      ({ language, reason, file }) => ["ts", "sh"].includes(language) && reason === undefined && file === undefined,
    );
    beforeAll(() => expect(runnable.length).toBeGreaterThan(20));

    test.each(runnable.map((block) => ({ place: block.place, block })))(
      "runs as it is written: $place",
      ({ block }) => runBlock(block),
      90_000,
    );
  },
);
