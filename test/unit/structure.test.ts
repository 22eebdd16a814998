/**
 * The rules of biome.json about who may import whom, on copies of src: the
 * tree as it is passes, and each forbidden import is reported where it stands.
 */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync } from "node:fs";
import { describeUnless } from "../support/privilege";
import { runToEnd, top } from "./support";

const biome = `${top}/node_modules/.bin/biome`;

interface Finding {
  readonly category: string;
  readonly path: string;
}

interface Row {
  readonly file: string;
  readonly line: string;
  readonly rule: "noRestrictedImports" | "noImportCycles" | "useNodejsImportProtocol";
}

const restricted = (file: string, line: string): Row => ({ file, line, rule: "noRestrictedImports" });
const ffi = 'import { dlopen } from "bun:ffi";\nexport const used = dlopen;';

const forbidden: readonly Row[] = [
  // bun:ffi outside src/sys, in every layer and in every way of importing it
  ...[
    "device",
    "errors",
    "failures",
    "frame-reader",
    "index",
    "link",
    "open",
    "options",
    "port",
    "reactor",
    "receiver",
    "sender",
  ].map((name) => restricted(`src/${name}.ts`, ffi)),
  restricted("src/netlink/socket.ts", ffi),
  restricted("src/packet/ipv4.ts", ffi),
  restricted("src/open.ts", 'export const used = require("bun:ffi");'),
  restricted("src/open.ts", 'export const used = await import("bun:ffi");'),
  restricted("src/open.ts", 'export { dlopen } from "bun:ffi";'),
  // src/packet imports nothing from outside itself
  restricted("src/packet/arp.ts", 'import { check } from "../errors";\nexport const used = check;'),
  restricted("src/packet/arp.ts", 'import { check } from "../errors.ts";\nexport const used = check;'),
  restricted("src/packet/arp.ts", 'import { IFF_UP } from "../sys/constants";\nexport const used = IFF_UP;'),
  restricted("src/packet/arp.ts", 'import { inspect } from "node:util";\nexport const used = inspect;'),
  restricted("src/packet/arp.ts", 'import fc from "fast-check";\nexport const used = fc;'),
  // src/capture knows a device by its type
  restricted("src/capture/clock.ts", 'import { TunTapError } from "../errors";\nexport const used = TunTapError;'),
  restricted("src/capture/clock.ts", 'import { checksum } from "../packet/index.ts";\nexport const used = checksum;'),
  restricted("src/capture/clock.ts", 'import { inspect } from "node:util";\nexport const used = inspect;'),
  // src/sys stands at the bottom
  restricted("src/sys/tun.ts", 'import { Link } from "../link";\nexport const used = Link;'),
  restricted("src/sys/tun.ts", 'import { Link } from "../link.ts";\nexport const used = Link;'),
  restricted("src/sys/tun.ts", 'import { parseIP } from "../netlink/ip";\nexport const used = parseIP;'),
  restricted("src/sys/constants.ts", 'import { checksum } from "../packet/index.ts";\nexport const used = checksum;'),
  // src/netlink knows nothing of devices
  restricted("src/netlink/ip.ts", 'import { TunTapDevice } from "../device";\nexport const used = TunTapDevice;'),
  restricted("src/netlink/ip.ts", 'import { formatMac } from "../options";\nexport const used = formatMac;'),
  restricted("src/netlink/ip.ts", 'import { inspect } from "node:util";\nexport const used = inspect;'),
  // the engine knows nothing of what is built of it
  restricted("src/sender.ts", 'import { explainOpen } from "./open-failures";\nexport const used = explainOpen;'),
  restricted("src/sender.ts", 'import { explainOpen } from "./open-failures.ts";\nexport const used = explainOpen;'),
  restricted("src/frame-reader.ts", 'import { TunTapDevice } from "./device.ts";\nexport const used = TunTapDevice;'),
  restricted("src/monitor.ts", 'import { Port } from "./port.ts";\nexport const used = Port;'),
  restricted("src/reach.ts", 'import { openTun } from "./open.ts";\nexport const used = openTun;'),
  restricted("src/netlink/route.ts", 'import { Routes } from "../routes.ts";\nexport const used = Routes;'),
  // cycles, wherever they close
  {
    file: "src/errors.ts",
    line: 'import { IFF_UP } from "./sys/tun";\nexport const used = IFF_UP;',
    rule: "noImportCycles",
  },
  {
    file: "src/link.ts",
    line: 'import { openTun } from "./index";\nexport const used = openTun;',
    rule: "noImportCycles",
  },
  {
    file: "src/netlink/ip.ts",
    line: 'import { parseAddress } from "./address";\nexport const used = parseAddress;',
    rule: "noImportCycles",
  },
  {
    file: "src/packet/check.ts",
    line: 'import { parseArp } from "./arp.ts";\nexport const used = parseArp;',
    rule: "noImportCycles",
  },
  // Node's modules by their own names
  {
    file: "src/open.ts",
    line: 'import { inspect } from "util";\nexport const used = inspect;',
    rule: "useNodejsImportProtocol",
  },
];

describeUnless(
  process.getBuiltinModule("node:fs").existsSync(biome) ? undefined : "needs Biome: `bun install`",
  "biome.json",
  () => {
    let folder: string;

    beforeAll(() => {
      folder = mkdtempSync(`${process.env["TMPDIR"] ?? "/tmp"}/bun-tuntap-structure-`);
      for (const name of ["src", "native", "biome.json", "package.json", "tsconfig.json"]) {
        cpSync(`${top}/${name}`, `${folder}/${name}`, { recursive: true });
      }
      mkdirSync(`${folder}/node_modules`);
      for (const name of ["@biomejs", "fast-check"]) {
        symlinkSync(`${top}/node_modules/${name}`, `${folder}/node_modules/${name}`);
      }
    });

    afterAll(() => rmSync(folder, { recursive: true }));

    /** What Biome finds in the copy of src. */
    function findings(): Finding[] {
      const command = [biome, "lint", "--vcs-enabled=false", "--reporter=json", "--max-diagnostics=none", "src"];
      const { stdout, stderr } = runToEnd(command, { cwd: folder });
      if (!stdout.startsWith("{")) throw new Error(stderr);
      const report = JSON.parse(stdout) as {
        diagnostics: { category: string; location: { path: string | { file: string } } }[];
      };
      return report.diagnostics.map(({ category, location: { path } }) => ({
        category,
        path: typeof path === "string" ? path : path.file,
      }));
    }

    test("finds nothing in src as it is", () => {
      expect(findings()).toEqual([]);
    });

    test.each(forbidden.map((row) => ({ ...row, name: row.line.split("\n")[0] })))(
      "reports by $rule in $file: $name",
      async ({ file, line, rule }) => {
        const original = await Bun.file(`${top}/${file}`).text();
        await Bun.write(`${folder}/${file}`, `${line}\n${original}`);
        try {
          const found = findings();
          expect(found.filter(({ category, path }) => path === file && category.endsWith(`/${rule}`))).not.toEqual([]);
        } finally {
          await Bun.write(`${folder}/${file}`, original);
        }
      },
    );
  },
);
