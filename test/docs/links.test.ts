/** The links of the pages that people read: relative ones lead to a file that is there, and to a heading in it. */
import { expect, test } from "bun:test";
import { existsSync, readdirSync } from "node:fs";
import { dirname, relative, resolve } from "node:path";
import { top } from "../support/programs.ts";
import { anchorsOf, pages, textOf } from "./pages.ts";

const readmes = readdirSync(`${top}/apps`)
  .map((name) => `apps/${name}/README.md`)
  .filter((path) => existsSync(`${top}/${path}`));
const all = [...pages, ...readmes, "ARCHITECTURE.md", "CHANGELOG.md", "CONTRIBUTING.md", "bench/NOTES.md"];

/** The relative targets of links and pictures; code is left out. */
function targetsOf(page: string): string[] {
  const text = textOf(page)
    .replaceAll(/^```.*?^```$/gms, "")
    .replaceAll(/`[^`\n]*`/g, "");
  const found = [...text.matchAll(/\]\(([^)\s]+)\)/g), ...text.matchAll(/\b(?:src|srcset|href)="([^"]+)"/g)];
  return found.map(([, target = ""]) => target).filter((target) => !/^[a-z]+:/.test(target));
}

test.each(all)("every link of %s leads somewhere", (page) => {
  const broken = targetsOf(page).filter((target) => {
    const [path = "", anchor] = target.split("#");
    const file = path === "" ? page : relative(top, resolve(`${top}/${dirname(page)}`, path));
    if (file.startsWith("..") || !existsSync(`${top}/${file}`)) return true;
    return anchor !== undefined && !anchorsOf(file).includes(anchor);
  });
  expect(broken).toEqual([]);
});

test("each page of docs is in the contents, docs/README.md", () => {
  const listed = targetsOf("docs/README.md").map((target) => `docs/${target.split("#")[0]}`);
  const missing = pages.filter(
    (page) => page.startsWith("docs/") && page !== "docs/README.md" && !listed.includes(page),
  );
  expect(missing).toEqual([]);
});
