/** The package as `npm publish` would make it, and projects that use it. */
import { cpSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { mustRunOnline } from "./registry.ts";
import { mustRunIn, projectPath } from "./support.ts";

/** What is not copied to where the package is made: nothing of it may end up there, nor be written here. */
const leftOut = new Set(["node_modules", ".git", "coverage", "dist"]);

/** Packs a copy of this project into `folder`; returns the path of the tarball. */
export function pack(folder: string): string {
  const copy = join(folder, "copy");
  cpSync(projectPath, copy, { recursive: true, filter: (path) => !leftOut.has(basename(path)) });
  symlinkSync(join(projectPath, "node_modules"), join(copy, "node_modules"));
  const [packed] = JSON.parse(
    mustRunOnline(copy, "npm", "pack", "--json", "--pack-destination", folder).replace(/^[^[]*/, ""),
  );
  return join(folder, packed.filename);
}

/** Unpacks a tarball; returns the folder of the package and its files. */
export function unpack(tarball: string, folder: string): { path: string; files: string[] } {
  const target = join(folder, "unpacked");
  mkdirSync(target);
  mustRunIn(target, "tar", "xzf", tarball);
  const path = join(target, "package");
  const files = readdirSync(path, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(path.length + 1))
    .sort();
  return { path, files };
}

/** The ways in which people install a package. */
const installers: Record<"npm" | "bun", string[]> = {
  npm: ["npm", "install", "--no-audit", "--no-fund"],
  bun: [process.execPath, "add"],
};
export type Installer = keyof typeof installers;

/** Makes a project in `folder` that has the package installed, and the sources of `consumer/`. */
export function makeProject(folder: string, installer: Installer, tarball: string): string {
  const path = join(folder, `${installer}-project`);
  mkdirSync(path);
  writeFileSync(join(path, "package.json"), JSON.stringify({ name: "project", private: true, type: "module" }));
  mustRunOnline(path, ...installers[installer], tarball, "bun-types@1.4.5");
  for (const name of ["program.ts", "types.ts"]) {
    const source = readFileSync(join(import.meta.dir, "consumer", name), "utf8");
    writeFileSync(
      join(path, name),
      source
        .replaceAll('"../../../src/index.ts"', '"bun-tuntap"')
        .replaceAll('"../../../src/packet/index.ts"', '"bun-tuntap/packet"')
        .replaceAll('"../../../src/capture/index.ts"', '"bun-tuntap/capture"')
        .replaceAll('"../../../src/udp/index.ts"', '"bun-tuntap/udp"')
        .replaceAll('"../../../src/lab/index.ts"', '"bun-tuntap/lab"'),
    );
  }
  return path;
}

/** Has `bun check` look at the project with the strictest options that libraries are held to. */
export function setTypeChecking(
  project: string,
  options: { module: string; moduleResolution: string; skipLibCheck: boolean } & Record<string, unknown>,
): void {
  const compilerOptions = {
    target: "ESNext",
    lib: ["ESNext"],
    types: ["bun-types"],
    strict: true,
    noEmit: true,
    ...options,
  };
  writeFileSync(join(project, "tsconfig.json"), JSON.stringify({ compilerOptions, include: ["*.ts"] }));
}
