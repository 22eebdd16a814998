/** What others' tools say of the package, and what becomes of it from a clone. */
import { afterAll, afterEach, beforeAll, beforeEach, expect, setDefaultTimeout, test } from "bun:test";
import { cpSync, existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describeUnless } from "../support/privilege.ts";
import { pack, setTypeChecking } from "./packed.ts";
import { mustRunOnline, registryObstacle } from "./registry.ts";
import { mustRunIn, projectPath, runIn, temporaryFolder } from "./support.ts";

setDefaultTimeout(180_000);

const tool = (name: string): string => join(projectPath, "node_modules/.bin", name);

/** Copies what is in Git, as a clone has it, with the changes that are not committed yet. */
function cloneInto(folder: string): string {
  const clone = join(folder, "clone");
  for (const name of mustRunIn(projectPath, "git", "ls-files", "-co", "--exclude-standard").trim().split("\n")) {
    if (existsSync(join(projectPath, name))) cpSync(join(projectPath, name), join(clone, name), { recursive: true });
  }
  return clone;
}

describeUnless(registryObstacle(), "the tarball", () => {
  let folder: ReturnType<typeof temporaryFolder>;
  let tarball: string;

  beforeAll(() => {
    folder = temporaryFolder();
    tarball = pack(folder.path);
    mustRunIn(folder.path, "tar", "xzf", tarball);
  });
  afterAll(() => folder?.[Symbol.dispose]());

  test("publint finds nothing, warnings included", () => {
    expect(mustRunIn(folder.path, tool("publint"), "run", "--strict", tarball)).toContain("All good!");
  });

  test("are the types wrong? not for those who can load an ES module", () => {
    mustRunIn(folder.path, tool("attw"), "--profile", "esm-only", tarball);
  });

  test("declarations lead to the sources", () => {
    const map = JSON.parse(readFileSync(join(folder.path, "package/dist/packet/index.d.ts.map"), "utf8"));
    expect(map.sources).toEqual(["../../src/packet/index.ts"]);
    expect(existsSync(join(folder.path, "package/src/packet/index.ts"))).toBe(true);
  });

  test("public types of packets and captures name nothing of Bun or Node", () => {
    writeFileSync(
      join(folder.path, "web.ts"),
      `import * as capture from "./package/dist/capture/index.js";
import * as packet from "./package/dist/packet/index.js";
const line: string = packet.describe(new Uint8Array(0));
export const frames = capture.readCapture(new ReadableStream<Uint8Array>());
// @ts-expect-error: a line is no number
export const number: number = line;
`,
    );
    const compilerOptions = {
      ...{
        target: "ES2023",
        lib: ["ES2023", "ESNext.Disposable", "DOM", "DOM.AsyncIterable"],
        types: [],
        strict: true,
      },
      ...{ module: "preserve", moduleResolution: "bundler", noEmit: true, skipLibCheck: false },
    };
    writeFileSync(join(folder.path, "tsconfig.json"), JSON.stringify({ compilerOptions, files: ["web.ts"] }));
    expect(runIn(folder.path, tool("tsc"), "-p", ".")).toEqual({ stdout: "", stderr: "", exitCode: 0 });
  });
});

describeUnless(registryObstacle(), "from a clone", () => {
  let folder: ReturnType<typeof temporaryFolder>;
  let clone: string;

  beforeEach(() => {
    folder = temporaryFolder();
    clone = cloneInto(folder.path);
  });
  afterEach(() => folder?.[Symbol.dispose]());

  test("a project that takes the folder as it is type-checks, and finds mistakes", () => {
    expect(existsSync(join(clone, "dist"))).toBe(false);
    const project = join(folder.path, "project");
    mkdirSync(join(project, "node_modules"), { recursive: true });
    symlinkSync(clone, join(project, "node_modules/bun-tuntap"));
    for (const name of ["bun-types", "@types", "undici-types"]) {
      symlinkSync(join(projectPath, "node_modules", name), join(project, "node_modules", name));
    }
    const entries = ["bun-tuntap", ...["packet", "capture", "udp", "lab"].map((name) => `bun-tuntap/${name}`)];
    const imports = entries.map((entry, i) => `import * as all${i} from "${entry}";\nconsole.log(all${i});`);
    const mistake =
      "// @ts-expect-error: a line is no number\nexport const line: number = all1.describe(new Uint8Array());";
    writeFileSync(join(project, "all.ts"), [...imports, mistake].join("\n"));
    const bunInit = {
      ...{ module: "Preserve", moduleResolution: "bundler", allowImportingTsExtensions: true, skipLibCheck: true },
      ...{ noUncheckedIndexedAccess: true, noImplicitOverride: true, noFallthroughCasesInSwitch: true },
      verbatimModuleSyntax: true,
    };
    setTypeChecking(project, bunInit);
    expect(runIn(project, tool("tsc"), "-p", ".")).toEqual({ stdout: "", stderr: "", exitCode: 0 });
  });

  test("an installation without what development needs builds nothing, and does not fail", () => {
    expect(runIn(clone, "npm", "run", "--silent", "prepare")).toEqual({ stdout: "", stderr: "", exitCode: 0 });
    expect(existsSync(join(clone, "dist"))).toBe(false);
  });

  test("npm pack installs, builds and has the types; it fails where they cannot be made", () => {
    const listed = (): string => mustRunOnline(clone, "npm", "pack", "--dry-run", "--json");
    mkdirSync(join(clone, "dist"));
    writeFileSync(join(clone, "dist/stale.js"), "");
    const [{ files }] = JSON.parse(listed().replace(/^[^[]*/, "")) as [{ files: { path: string }[] }];
    const paths = files.map(({ path }) => path);
    expect(paths).toContain("dist/capture/index.d.ts");
    expect(paths).not.toContain("dist/stale.js");

    writeFileSync(join(clone, "src/packet/broken.ts"), 'export const broken: number = "text";\n');
    expect(listed).toThrow("broken.ts");
  });
});

test("bun run sbom prints a CycloneDX document: the package, which depends on nothing", () => {
  const document = JSON.parse(mustRunIn(projectPath, process.execPath, "run", "--silent", "sbom"));
  const { version } = JSON.parse(readFileSync(join(projectPath, "package.json"), "utf8"));
  expect(document).toMatchObject({ bomFormat: "CycloneDX", components: [], metadata: { component: { version } } });
});
