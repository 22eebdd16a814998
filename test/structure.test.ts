/**
 * The rules of biome.json about who may import whom, on a copy of src: the tree as it is passes, and each forbidden
 * import is reported where it stands.
 */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { describeUnless } from "./support/privilege.ts";
import { runToEnd, top } from "./support/programs.ts";

const biome = `${top}/node_modules/.bin/biome`;

type Rule = "noRestrictedImports" | "noImportCycles" | "useNodejsImportProtocol" | "useImportExtensions";

/** Folders of src, and what a file there must not import. */
const restricted: Readonly<Record<string, readonly string[]>> = {
  sys: ["../netlink/address.ts", "../packet/address-text.ts", "../io/reactor.ts", "../packet/index.ts", "../hints.ts"],
  netlink: [
    "bun:ffi",
    "../io/reactor.ts",
    "../interface/link.ts",
    "../device/device.ts",
    "../packet/index.ts",
    "node:util",
  ],
  io: ["bun:ffi", "../netlink/socket.ts", "../interface/link.ts", "../device/types.ts", "../index.ts"],
  interface: ["bun:ffi", "../device/types.ts", "../device/options.ts", "../index.ts", "../capture/index.ts"],
  device: ["bun:ffi", "../index.ts", "../handover/index.ts", "../probe/index.ts", "../capture/index.ts"],
  udp: ["bun:ffi", "../device/types.ts", "../interface/link.ts", "../netlink/socket.ts", "../index.ts"],
  lab: ["bun:ffi", "../device/device.ts", "../io/slab.ts", "../netlink/socket.ts", "../interface/link.ts"],
  handover: ["bun:ffi"],
  probe: ["bun:ffi"],
  cli: ["bun:ffi", "../sys/tun.ts", "../netlink/socket.ts", "../device/device.ts", "../io/reactor.ts"],
  packet: ["bun:ffi", "../errors.ts", "../sys/constants.ts", "node:util", "fast-check"],
  capture: ["bun:ffi", "../errors.ts", "../udp/index.ts", "../device/device.ts", "node:util"],
  ".": ["bun:ffi"],
};

interface Row {
  readonly file: string;
  readonly text: string;
  readonly rule: Rule;
}

const rows: readonly Row[] = [
  ...Object.entries(restricted).flatMap(([folder, modules]) =>
    modules.map((module, i): Row => {
      const file = `src/${folder === "." ? "" : `${folder}/`}forbidden-${i}.ts`;
      return { file, text: `export * from "${module}";`, rule: "noRestrictedImports" };
    }),
  ),
  {
    file: "src/device/forbidden-require.ts",
    text: 'export const used = require("bun:ffi");',
    rule: "noRestrictedImports",
  },
  {
    file: "src/handover/forbidden-await.ts",
    text: 'export const used = await import("bun:ffi");',
    rule: "noRestrictedImports",
  },
  { file: "src/device/forbidden-util.ts", text: 'export * from "util";', rule: "useNodejsImportProtocol" },
  { file: "src/device/forbidden-extension.ts", text: 'export * from "./device";', rule: "useImportExtensions" },
  // Cycles, wherever they close: a line more in a file that is there.
  { file: "src/errors.ts", text: 'import "./sys/tun.ts";', rule: "noImportCycles" },
  { file: "src/interface/link.ts", text: 'import "../device/open.ts";', rule: "noImportCycles" },
  { file: "src/netlink/checks.ts", text: 'import "./address.ts";', rule: "noImportCycles" },
  { file: "src/packet/check.ts", text: 'import "./arp.ts";', rule: "noImportCycles" },
  { file: "src/io/batch.ts", text: 'import type { Sender } from "./sender.ts";', rule: "noImportCycles" },
];

describeUnless(existsSync(biome) ? undefined : "needs Biome: `bun install`", "biome.json", () => {
  let folder: string;
  let asItIs: readonly string[];
  let found: readonly string[];

  beforeAll(() => {
    folder = mkdtempSync(`${process.env["TMPDIR"] ?? "/tmp"}/bun-tuntap-structure-`);
    for (const name of ["src", "native", "biome.json", "package.json", "tsconfig.json"]) {
      cpSync(`${top}/${name}`, `${folder}/${name}`, { recursive: true });
    }
    mkdirSync(`${folder}/node_modules`);
    for (const name of ["@biomejs", "fast-check"]) {
      symlinkSync(`${top}/node_modules/${name}`, `${folder}/node_modules/${name}`);
    }
    asItIs = findings();
    for (const { file, text } of rows) {
      const path = `${folder}/${file}`;
      writeFileSync(path, `${text}\n${existsSync(path) ? readFileSync(path, "utf8") : ""}`);
    }
    found = findings();
    // Two runs of Biome over everything: seconds each on a busy machine.
  }, 120_000);

  afterAll(() => rmSync(folder, { recursive: true }));

  /** The findings of Biome in the copy of src, each as its rule and file. */
  function findings(): string[] {
    const command = [biome, "lint", "--vcs-enabled=false", "--reporter=json", "--max-diagnostics=none", "src"];
    const { stdout, stderr } = runToEnd(command, { cwd: folder });
    if (!stdout.startsWith("{")) throw new Error(stderr);
    const { diagnostics } = JSON.parse(stdout) as {
      diagnostics: { category: string; location: { path: string | { file: string } } }[];
    };
    return diagnostics.map(({ category, location: { path } }) => {
      const rule = category.split("/").at(-1);
      return `${rule} ${typeof path === "string" ? path : path.file}`;
    });
  }

  test("finds nothing in src as it is", () => {
    expect(asItIs).toEqual([]);
  });

  test.each(rows.map((row) => ({ ...row })))("reports by $rule in $file: $text", ({ file, rule }) => {
    expect(found).toContain(`${rule} ${file}`);
  });
});
