/**
 * The language of the doc comments and the length of the files: a doc comment is a sentence in the third person
 * ("Reads …") or a noun phrase, and every exported symbol has one.
 */
import { describe, expect, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { top } from "../support/programs.ts";

/** Beginnings of sentences that have to be read twice: most have no verb. */
const BEGINNINGS = /^(What|Of|As|Whoever|Those|But for|The same)\b/;
/** The part of all doc comments that may begin so. */
const SHARE_MAX = 0.02;
const LINES_MAX = 300;
const MEDIAN_MAX = 120;

interface Source {
  readonly path: string;
  readonly text: string;
}

const sources: readonly Source[] = ["src", "apps", "native"]
  .flatMap((root) => readdirSync(`${top}/${root}`, { recursive: true }).map((name) => `${root}/${name}`))
  .filter((path) => /\.(ts|c)$/.test(path))
  .map((path) => ({ path, text: readFileSync(`${top}/${path}`, "utf8") }));

/** "src/io" of "src/io/reactor.ts", "src" of "src/errors.ts". */
function folderOf({ path }: Source): string {
  return path.split("/").slice(0, -1).slice(0, 2).join("/");
}

/** The text of each doc comment, without its stars. */
function docComments({ text }: Source): string[] {
  return [...text.matchAll(/\/\*\*(.*?)\*\//gs)].map(([, comment = ""]) => comment.replaceAll(/^\s*\* ?/gm, "").trim());
}

/**
 * The exported declarations without a doc comment in front of them. An overload is documented by the first one.
 * Constants that keep the names of a kernel or a file format stand in groups, each with a comment above it.
 */
function undocumented({ path, text }: Source): string[] {
  const lines = text.split("\n");
  const isConstant = (line = ""): boolean => /^export const [A-Z][A-Z0-9_]*\b/.test(line);
  const isDocumented = (i: number): boolean => {
    const above = lines[i - 1]?.trim() ?? "";
    return (
      above.endsWith("*/") ||
      (isConstant(lines[i]) && (above.startsWith("//") || (isConstant(above) && isDocumented(i - 1))))
    );
  };
  const found: string[] = [];
  let previous = "";
  for (const [i, line] of lines.entries()) {
    const declaration =
      /^export (?:declare |abstract |async |default )*(?:class|interface|function\*?|const|let|type|enum) (\w+)/;
    const [, name = ""] = declaration.exec(line) ?? [];
    if (name === "") continue;
    if (name !== previous && !isDocumented(i)) found.push(`${path}:${i + 1} ${name}`);
    previous = name;
  }
  return found;
}

const folders = [...new Set(sources.map(folderOf))].filter((folder) => folder !== "native").sort();

describe.each(folders.map((folder) => ({ folder })))("$folder", ({ folder }) => {
  const files = sources.filter((source) => folderOf(source) === folder);

  test("doc comments begin with a verb or a noun", () => {
    const comments = files.flatMap((file) =>
      docComments(file).map((comment) => `${file.path}: ${comment.split("\n")[0]}`),
    );
    const odd = comments.filter((comment) => BEGINNINGS.test(comment.slice(comment.indexOf(": ") + 2)));
    expect(odd.length > comments.length * SHARE_MAX ? odd : []).toEqual([]);
  });

  test("exported symbols have a doc comment", () => {
    expect(files.flatMap(undocumented)).toEqual([]);
  });
});

test("no comment in front of something begins with a question word", () => {
  const found = sources.flatMap(({ path, text }) => {
    const comment = path.endsWith(".c") ? /\/\*\s*(?:\* )?(.*)/g : /\/\*\*\s*(?:\* )?(.*)/g;
    return [...text.matchAll(comment)].map(([, line = ""]) => `${path}: ${line}`);
  });
  expect(found.length).toBeGreaterThan(1000);
  expect(found.filter((line) => /: (Whether|Where|When|How|Why|What|Who)\b/.test(line))).toEqual([]);
});

test("no file of src and native is longer than 300 lines, and the median of src is below 120", () => {
  const lengths = sources
    .filter(({ path }) => !path.startsWith("apps/"))
    .map(({ path, text }) => ({ path, lines: text.split("\n").length - 1 }));
  const long = lengths.filter(({ lines }) => lines > LINES_MAX);
  expect(long).toEqual([]);
  const inSrc = lengths
    .filter(({ path }) => path.startsWith("src/"))
    .map(({ lines }) => lines)
    .sort((a, b) => a - b);
  expect(inSrc[Math.floor(inSrc.length / 2)]).toBeLessThan(MEDIAN_MAX);
});
