/** The package as the registry would have it: what is in it, and that a project can use it in every way. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
import { describePrivileged, describeUnless } from "../support/privilege.ts";
import { quietIPv6 } from "../support/system.ts";
import { type Installer, makeProject, pack, setTypeChecking, unpack } from "./packed.ts";
import { registryObstacle } from "./registry.ts";
import { mustRunIn, projectPath, runIn, temporaryFolder } from "./support.ts";

const bun = process.execPath;

describeUnless(registryObstacle(), "the package", () => {
  let folder: ReturnType<typeof temporaryFolder>;
  let tarball: string;
  let unpacked: ReturnType<typeof unpack>;

  beforeAll(() => {
    folder = temporaryFolder();
    tarball = pack(folder.path);
    unpacked = unpack(tarball, folder.path);
  }, 180_000);
  afterAll(() => folder?.[Symbol.dispose]());

  test("has the sources, the command, the C, JavaScript with declarations, and the papers, and nothing else", () => {
    const sources = filesOf("src");
    // The command is for Bun alone, which runs its sources.
    const built = sources
      .filter((name) => !name.endsWith(".d.ts") && !name.startsWith("cli/"))
      .flatMap((name) => [".js", ".d.ts", ".d.ts.map"].map((extension) => name.replace(/\.ts$/, extension)));
    const papers = ["CHANGELOG.md", "LICENSE", "README.md"].filter((name) => existsSync(join(projectPath, name)));
    const wanted = [
      "package.json",
      ...papers,
      ...sources.map((name) => `src/${name}`),
      ...filesOf("bin").map((name) => `bin/${name}`),
      ...filesOf("native").map((name) => `native/${name}`),
      ...built.map((name) => `dist/${name}`),
    ];
    expect(unpacked.files).toEqual(wanted.sort());
  });

  test("exports: every target is in it, and types come first", () => {
    const { exports, files, sideEffects } = JSON.parse(readFileSync(join(unpacked.path, "package.json"), "utf8"));
    expect(Object.keys(exports)).toEqual([
      ".",
      "./packet",
      "./capture",
      "./udp",
      "./lab",
      "./lab/preload",
      "./package.json",
    ]);
    for (const target of Object.values(exports)) {
      const conditions = typeof target === "string" ? { default: target } : (target as Record<string, string>);
      for (const path of Object.values(conditions)) expect(unpacked.files).toContain(path.replace("./", ""));
      if (typeof target !== "string") {
        // Types first. TypeScript goes on to the next condition where a file is missing: so a folder or a clone, which
        // has no dist, gives it the sources.
        expect(Object.keys(conditions)).toEqual(["types", "types@>=5.7", "bun", "default"]);
      }
    }
    expect(sideEffects).toEqual(["./src/lab/preload.ts", "./dist/lab/preload.js"]);
    for (const entry of files.filter((name: string) => existsSync(join(projectPath, name)))) {
      expect(unpacked.files.filter((name) => name.startsWith(entry))).not.toEqual([]);
    }
  });

  test("every relative import leads to a file that is in it", () => {
    const missing = unpacked.files
      .filter((name) => /\.[jt]s$/.test(name))
      .flatMap((name) => importsOf(join(unpacked.path, name)).map((specifier) => ({ name, specifier })))
      .filter(({ name, specifier }) => !isThere(normalize(join(dirname(name), specifier)), name.endsWith(".d.ts")));
    expect(missing).toEqual([]);
  });

  function isThere(path: string, declaration: boolean): boolean {
    const extensions = declaration ? [".d.ts"] : ["", ".ts"];
    return extensions.some((extension) =>
      unpacked.files.includes(declaration ? path.replace(/\.[jt]s$/, "") + extension : path + extension),
    );
  }

  describe.each(["npm", "bun"] satisfies Installer[])("installed with %s", (installer) => {
    let project: string;

    beforeAll(() => {
      project = makeProject(folder.path, installer, tarball);
    }, 180_000);

    test.each([
      { module: "preserve", moduleResolution: "bundler", skipLibCheck: false },
      { module: "nodenext", moduleResolution: "nodenext", skipLibCheck: false },
      // As `bun init` writes it; what cannot be resolved is then silently `any`.
      { module: "nodenext", moduleResolution: "nodenext", skipLibCheck: true },
    ])(
      "type-checks, and finds mistakes: $moduleResolution, skipLibCheck $skipLibCheck",
      (options) => {
        setTypeChecking(project, options);
        expect(runIn(project, bun, "check")).toMatchObject({
          stdout: expect.not.stringContaining("error"),
          exitCode: 0,
        });
      },
      180_000,
    );

    test("the type check sees every export", () => {
      const sources = ["program.ts", "types.ts"].map((name) => readFileSync(join(project, name), "utf8")).join();
      for (const entry of [
        "dist/index.d.ts",
        "dist/packet/index.d.ts",
        "dist/capture/index.d.ts",
        "dist/udp/index.d.ts",
        "dist/lab/index.d.ts",
      ]) {
        const names = exportsOf(join(unpacked.path, entry));
        expect(names).not.toEqual([]);
        expect(names.filter((name) => !new RegExp(`\\b${name}\\b`).test(sources))).toEqual([]);
      }
    });

    test.each([
      { name: "only TunTapError", source: 'import { TunTapError } from "bun-tuntap";\nconsole.log(TunTapError.name);' },
      { name: "only a type", source: 'import type { Tun } from "bun-tuntap";\nconsole.log(0 as unknown as Tun);' },
      {
        name: "a function that is not used",
        source: 'import { openTun } from "bun-tuntap";\nconsole.log("TunTapError");',
      },
      {
        name: "a socket that is not opened",
        source: 'import { openUdp } from "bun-tuntap/udp";\nconsole.log("TunTapError");',
      },
      {
        name: "a lab that is not made",
        source: 'import { createLab } from "bun-tuntap/lab";\nconsole.log("TunTapError");',
      },
      {
        name: "only captures",
        source: 'import { capture } from "bun-tuntap/capture";\nconsole.log(capture.name);',
      },
      {
        name: "only packets",
        source: 'import { checksum } from "bun-tuntap/packet";\nconsole.log(checksum(new Uint8Array(2)));',
      },
    ])(
      "sideEffects: a bundle of $name has neither the C nor bun:ffi",
      ({ source }) => {
        writeFileSync(join(project, "part.mts"), source);
        const bundle = mustRunIn(project, bun, "build", "--target=bun", "part.mts");
        expect(bundle).not.toMatch(/TUNSETIFF|bun:ffi|io_submit/);
        // And the same search does find them in a whole program.
        const whole = mustRunIn(project, bun, "build", "--target=bun", "program.ts");
        for (const part of ["TUNSETIFF", "bun:ffi", "io_submit"]) expect(whole).toContain(part);
      },
      180_000,
    );

    test("sideEffects: importing it compiles nothing", () => {
      const program = (body: string) => `import { openTun } from "bun-tuntap";\nimport "bun-tuntap/packet";\n${body}`;
      writeFileSync(join(project, "part.mts"), program("console.log(typeof openTun);"));
      expect(runIn(project, bun, "--no-addons", "part.mts")).toEqual({ stdout: "function\n", stderr: "", exitCode: 0 });
      // And what would, is found out like this.
      writeFileSync(join(project, "part.mts"), program("openTun();"));
      expect(runIn(project, bun, "--no-addons", "part.mts")).toMatchObject({
        stderr: expect.stringContaining("ERR_TUNTAP_NATIVE"),
        exitCode: 1,
      });
    }, 180_000);

    describePrivileged("run", () => {
      beforeAll(quietIPv6);

      const wanted = {
        stdout: [
          "tun consumer0",
          "adopt: EEXIST",
          "a datagram",
          "mtu 1400 2 198.51.100.0/24",
          "given0 true",
          "probe: true",
          "tap 17",
          "02:00:5e:00:53:01 0 ping",
          "14 28 20 12 10 1400 192.0.2.2",
          "true 50 79 66 78 71 74 118 91 91 67 69",
          "2001:db8::1 12 5 0 128 99357 0 65535",
          "1 1 inbound CaptureError",
          "PacketError",
          "",
        ].join("\n"),
        stderr: "",
        exitCode: 0,
      };

      test("from source", () => {
        expect(runIn(project, bun, "program.ts")).toEqual(wanted);
      }, 180_000);

      test("as a bundle, away from its node_modules", () => {
        const bundle = join(folder.path, `${installer}.js`);
        mustRunIn(project, bun, "build", "--target=bun", "program.ts", "--outfile", bundle);
        expect(runIn("/", bun, bundle)).toEqual(wanted);
      }, 180_000);

      test("as a minified bundle", () => {
        const bundle = join(folder.path, `${installer}.min.js`);
        mustRunIn(project, bun, "build", "--target=bun", "--minify", "program.ts", "--outfile", bundle);
        expect(runIn("/", bun, bundle)).toEqual(wanted);
      }, 180_000);

      test("as a compiled executable, from /", () => {
        const executable = join(folder.path, `${installer}-program`);
        mustRunIn(project, bun, "build", "--compile", "program.ts", "--outfile", executable);
        expect(runIn("/", executable)).toEqual(wanted);
      }, 180_000);
    });
  });
});

/** The files of a folder of this project, as paths within it. */
function filesOf(name: string): string[] {
  return readdirSync(join(projectPath, name), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(projectPath.length + name.length + 2));
}

/** The relative specifiers that a file imports, exports from, or requires. */
function importsOf(path: string): string[] {
  const source = readFileSync(path, "utf8");
  return [...source.matchAll(/(?:from |import\(|require\()"(\.[^"]*)"/g)].map((match) => match[1] as string);
}

/** The names that a file of nothing but `export { … } from` exports. */
function exportsOf(path: string): string[] {
  const source = readFileSync(path, "utf8");
  return [...source.matchAll(/export (?:type )?\{([^}]*)\}/g)]
    .flatMap((match) => (match[1] as string).split(","))
    .map((name) => name.replace(/^\s*type /, "").trim())
    .filter((name) => name !== "");
}
