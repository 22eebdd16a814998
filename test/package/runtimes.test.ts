/** `bun-tuntap/packet` and `bun-tuntap/capture` where there is no Bun: the same frames come to the same everywhere. */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { cpSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import * as capture from "../../src/capture/index.ts";
import * as packet from "../../src/packet/index.ts";
import { describeUnless } from "../support/privilege.ts";
import { run, until } from "../support/system.ts";
import { pack, unpack } from "./packed.ts";
import { mustRunOnline, registryObstacle } from "./registry.ts";
import { vectorsOf } from "./runtimes/vectors.js";
import { mustRunIn, projectPath, runIn, temporaryFolder } from "./support.ts";

setDefaultTimeout(180_000);

const here = join(import.meta.dir, "runtimes");
/** Frames that a Linux kernel sent: each different one once. */
const frames = [
  ...new Set(
    (JSON.parse(readFileSync(join(import.meta.dir, "../packet/golden/traffic.json"), "utf8")) as { frames: string[] })
      .frames,
  ),
];

interface Outcome {
  readonly vectors: ReturnType<typeof vectorsOf>;
  readonly refused: Record<string, unknown>;
  readonly frames: number;
}

/** Each with the npm package that has its executable. */
const runtimes = [
  { name: "Node 20", install: "node@20", line: ["node"] },
  { name: "Node 22", install: "node@22", line: ["node"] },
  { name: "Node 24", install: "node@24", line: ["node"] },
  { name: "Deno 2", install: "deno@2", line: ["deno", "run", "--allow-read", "--allow-write", "--allow-env"] },
];

describeUnless(registryObstacle(), "without Bun", () => {
  let folder: ReturnType<typeof temporaryFolder>;
  let wanted: Outcome["vectors"];
  let package_: string;

  beforeAll(() => {
    folder = temporaryFolder();
    package_ = unpack(pack(folder.path), folder.path).path;
    writeFileSync(join(folder.path, "frames.json"), JSON.stringify(frames));
    wanted = vectorsOf({ packet, capture }, frames);
  });
  afterAll(() => folder?.[Symbol.dispose]());

  const hint = "run the program with Bun: here only `bun-tuntap/packet` and `bun-tuntap/capture` work";
  const refusal = { code: "ERR_TUNTAP_UNSUPPORTED", isTunTapError: true, hint };

  test("the frames are worth it", () => {
    expect(frames.length).toBeGreaterThan(20);
    expect(new Set(wanted.lines.map((line) => line.split(" ")[0]))).toEqual(new Set(["ARP,", "IP", "IP6"]));
    expect(wanted.checksums.every(({ valid }) => valid)).toBe(true);
    expect(wanted.mistakes).not.toContain(null);
  });

  describe.each(runtimes)("$name", ({ name, install, line }) => {
    test("comes to the same, and refuses to open in our words", () => {
      const project = join(folder.path, name.replace(" ", "-"));
      mkdirSync(join(project, "node_modules"), { recursive: true });
      writeFileSync(join(project, "package.json"), JSON.stringify({ private: true, type: "module" }));
      mustRunOnline(project, "npm", "install", "--no-audit", "--no-fund", install);
      cpSync(package_, join(project, "node_modules/bun-tuntap"), { recursive: true });
      for (const file of ["program.js", "vectors.js"]) cpSync(join(here, file), join(project, file));
      const [executable = "", ...options] = line;
      const program = [join(project, "node_modules/.bin", executable), ...options, "program.js"];
      const printed = mustRunIn(project, ...program, join(folder.path, "frames.json"), join(project, "made.pcapng"));
      const { vectors, refused, frames: count } = JSON.parse(printed) as Outcome;
      expect(vectors).toEqual(wanted);
      expect(count).toBe(frames.length);
      for (const [way, outcome] of Object.entries(refused)) expect({ way, outcome }).toEqual({ way, outcome: refusal });
    });
  });

  test("JSR takes packets and captures: Deno's dry run finds no type that is slow, missing or wrong", () => {
    const project = join(folder.path, "jsr");
    for (const name of ["src", "LICENSE", "README.md", "jsr.json"]) {
      cpSync(join(projectPath, name), join(project, name), { recursive: true });
    }
    const tool = join(folder.path, "deno");
    mkdirSync(tool);
    writeFileSync(join(tool, "package.json"), JSON.stringify({ private: true }));
    mustRunOnline(tool, "npm", "install", "--no-audit", "--no-fund", "deno@2");
    const deno = join(tool, "node_modules/.bin/deno");
    const { stderr, exitCode } = runIn(project, deno, "publish", "--dry-run", "--allow-dirty");
    expect(Bun.stripANSI(stderr)).toContain("Dry run complete");
    expect(exitCode).toBe(0);
    const { version } = JSON.parse(readFileSync(join(projectPath, "package.json"), "utf8"));
    expect(JSON.parse(readFileSync(join(projectPath, "jsr.json"), "utf8")).version).toBe(version);
  });

  describeUnless(
    Bun.which("chromium") === null ? "needs chromium: install with your package manager" : undefined,
    "Chromium",
    () => {
      test("comes to the same, and refuses to open in our words", async () => {
        run("ip", "link", "set", "lo", "up");
        let outcome: (Outcome & { failure?: string }) | undefined;
        using server = Bun.serve({
          hostname: "127.0.0.1",
          port: 0,
          async fetch(request) {
            const { pathname } = new URL(request.url);
            if (pathname === "/result") {
              outcome = (await request.json()) as Outcome;
              return new Response();
            }
            if (pathname === "/frames.json") return Response.json(frames);
            const file = pathname.startsWith("/dist/")
              ? join(package_, pathname)
              : join(here, pathname.slice(1) || "page.html");
            return existsSync(file) ? new Response(Bun.file(file)) : new Response(null, { status: 404 });
          },
        });
        const flags = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"];
        const quiet = ["--disable-background-networking", "--disable-component-update", "--disable-sync"];
        const profile = `--user-data-dir=${join(folder.path, "profile")}`;
        const chromium = Bun.spawn(["chromium", ...flags, ...quiet, profile, `http://127.0.0.1:${server.port}/`], {
          stdout: "ignore",
          stderr: "ignore",
          env: { ...process.env, HOME: folder.path },
        });
        try {
          await until(() => outcome !== undefined || chromium.exitCode !== null, "the page has its result", 120_000);
        } finally {
          chromium.kill();
          await chromium.exited;
        }
        expect(outcome?.failure).toBeUndefined();
        expect(outcome).toEqual({ vectors: wanted, refused: { openTun: refusal }, frames: frames.length });
      });
    },
  );
});
