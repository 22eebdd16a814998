/** The pages that people read, and the code in them. */
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { top } from "../support/programs.ts";

/** A block of code between fences. */
export interface Block {
  /** `docs/udp.md:12`, so that a failure can be found. */
  readonly place: string;
  readonly page: string;
  /** The word behind the fence: `ts`, `sh`, … */
  readonly language: string;
  readonly text: string;
  /** From `<!-- not run: … -->` above the block: why it cannot run in a test. */
  readonly reason: string | undefined;
  /** From `<!-- file: … -->` above the block: the name under which the blocks below it find it. */
  readonly file: string | undefined;
}

/** The pages for users: README.md, SECURITY.md and the guides in docs, as paths from the top folder. */
export const pages: readonly string[] = [
  "README.md",
  "SECURITY.md",
  ...readdirSync(`${top}/docs`, { recursive: true })
    .map((name) => `docs/${name}`)
    .filter((name) => name.endsWith(".md") && !name.startsWith("docs/reference/")),
].sort();

/** Reads a page. */
export function textOf(page: string): string {
  return readFileSync(`${top}/${page}`, "utf8");
}

/** Returns the code blocks of a page, in order. */
export function blocksOf(page: string): Block[] {
  const text = textOf(page);
  return [...text.matchAll(/(?:^<!-- (not run|file): (.*?) -->\n\n?)?^```(\w*)\n(.*?)^```$/gms)].map((match) => {
    const [, word, said, language = "", code = ""] = match;
    const place = `${page}:${text.slice(0, match.index).split("\n").length}`;
    const reason = word === "not run" ? said : undefined;
    return { place, page, language, text: code, reason, file: word === "file" ? said : undefined };
  });
}

/** Makes `folder` a project that has the library installed, so that code runs there as it is written. */
export function makeProject(folder: string): void {
  mkdirSync(`${folder}/node_modules/.bin`, { recursive: true });
  symlinkSync(top, `${folder}/node_modules/bun-tuntap`);
  // The programs of apps are in a clone of the repository, and so are these pages.
  symlinkSync(`${top}/apps`, `${folder}/apps`);
  symlinkSync(`${top}/bin/bun-tuntap.ts`, `${folder}/node_modules/.bin/bun-tuntap`);
  for (const name of readdirSync(`${top}/node_modules`)) {
    const path = `${folder}/node_modules/${name}`;
    if (!existsSync(path)) symlinkSync(`${top}/node_modules/${name}`, path);
  }
  mkdirSync(`${folder}/bin`);
  for (const name of ["bun", "bunx"]) symlinkSync(process.execPath, `${folder}/bin/${name}`);
  // The tests are root already; many machines that they run on have no sudo.
  writeFileSync(`${folder}/bin/sudo`, '#!/bin/sh\nexec "$@"\n');
  chmodSync(`${folder}/bin/sudo`, 0o755);
}

/** Writes the blocks that have a name. */
export function writeFiles(folder: string, blocks: readonly Block[]): void {
  for (const { file, text } of blocks) {
    if (file === undefined) continue;
    mkdirSync(dirname(`${folder}/${file}`), { recursive: true });
    writeFileSync(`${folder}/${file}`, text);
  }
}

/**
 * The command that runs `command` in a network namespace of its own, in which the names are there that the pages use: the
 * namespace "blue", and the bridge "br0". The mounts are the command's own, so that "blue" is nobody else's.
 */
export function inNamespace(command: readonly string[]): string[] {
  const prepare = [
    "mkdir -p /run/netns",
    "mount -t tmpfs none /run/netns",
    "ip netns add blue",
    "ip link set lo up",
    "ip link add br0 type bridge",
    'exec "$@"',
  ];
  return ["unshare", "--net", "--mount", "--fork", "--kill-child", "sh", "-ec", prepare.join("\n"), "sh", ...command];
}

/** The anchors of a page, as GitHub makes them of its headings. */
export function anchorsOf(page: string): string[] {
  const text = textOf(page).replaceAll(/^```.*?^```$/gms, "");
  return [...text.matchAll(/^#+ (.*)$/gm)].map(([, heading = ""]) =>
    heading
      .replaceAll(/\[([^\]]*)\]\([^)]*\)/g, "$1")
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N}\s_-]/gu, "")
      .replaceAll(/\s/g, "-"),
  );
}
