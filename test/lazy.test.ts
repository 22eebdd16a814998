/** What loads on first use is what the list in src/lazy.ts says. */
import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { Glob } from "bun";
import { top } from "./support/programs.ts";

const src = join(top, "src");

/** The modules that are required in src, by their paths in it. */
function required(): string[] {
  const found = [...new Glob("**/*.ts").scanSync(src)].flatMap((file) =>
    [...readFileSync(join(src, file), "utf8").matchAll(/\brequire\("([^"]+)"\)/g)].map(([, module = ""]) =>
      relative(src, join(src, dirname(file), module)),
    ),
  );
  return [...new Set(found)].sort();
}

test("src/lazy.ts lists every module that loads on first use, and no other", () => {
  const [comment = ""] = readFileSync(join(src, "lazy.ts"), "utf8").split("*/");
  const listed = [...comment.matchAll(/\b([a-z-]+\/[a-z-]+\.ts)\b/g)].map(([, module = ""]) => module);
  expect(listed.filter((module) => !module.startsWith("test/")).sort()).toEqual(required());
});

test("importing the library loads none of them", () => {
  const source = `
    const { plugin } = await import("bun");
    const loaded = [];
    plugin({ name: "loaded", setup: (build) => build.onLoad({ filter: /\\/src\\/.*\\.ts$/ }, async ({ path }) => {
      loaded.push(path);
      return { contents: await Bun.file(path).text(), loader: "ts" };
    }) });
    await import("${src}/index.ts");
    console.log(JSON.stringify(loaded));`;
  const { stdout, stderr } = Bun.spawnSync([process.execPath, "-e", source], { cwd: top });
  expect(`${stderr}`).toBe("");
  const loaded = (JSON.parse(`${stdout}`) as string[]).map((path) => relative(src, path));
  expect(loaded).toContain("device/open.ts");
  expect(loaded.filter((module) => required().includes(module))).toEqual([]);
});
