/** The C of native/ as other compilers see it, and its lists of functions as TypeScript binds them. */
import { describe, expect, test } from "bun:test";
import { readdirSync } from "node:fs";
import { native, offloadNative, udpNative } from "../../src/sys/native.ts";
import { describeUnless } from "../support/privilege.ts";
import { runToEnd, top } from "../support/programs.ts";
import { parts, source } from "../support/shim.ts";

const withoutComments = source.replace(/\/\*[\s\S]*?\*\//g, "");

/** Why tests that run `tool` cannot run here. */
function missing(tool: string): string | undefined {
  return Bun.which(tool) === null ? `needs ${tool}: install it with your package manager` : undefined;
}

type Rows = readonly (readonly [name: string, parameters: readonly string[]])[];

/** The rows of a part's list: names, and the types of the parameters. */
function exportedBy(part: string): Rows {
  return [...part.matchAll(/\bEXPORT\((\w+), "([^"]*)"\)/g)].map(
    ([, name = "", parameters = ""]) => [name, parameters.split(" ").filter((type) => type !== "")] as const,
  );
}

/** The members of a TypeScript interface of src/sys/symbols.ts: names, and whether each parameter is a number. */
async function members(type: string): Promise<Map<string, string[]>> {
  const text = await Bun.file(`${top}/src/sys/symbols.ts`).text();
  const body = new RegExp(`^export interface ${type} \\{\n(.*?)^\\}`, "ms").exec(text)?.[1] ?? "";
  const found = body.matchAll(/^ {2}(\w+)\(([^)]*)\): number;/gm);
  const kind = (parameter: string): string => {
    const type = parameter.split(":")[1]?.trim() ?? "";
    if (type === "number") return "number";
    return /^(Bytes|Int32Array|Uint32Array|Float64Array)( \| null)?$/.test(type) ? "ptr" : `unknown: ${parameter}`;
  };
  const parameters = (list: string): string[] => list.split(",").filter((text) => text.trim() !== "");
  return new Map([...found].map(([, name = "", list = ""]) => [name, parameters(list).map(kind)]));
}

/** The parameters of a C function, in bun:ffi's words. */
function parameters(name: string): string[] | undefined {
  const list = new RegExp(`^static int ${name}\\(([^)]*)\\)`, "m").exec(withoutComments)?.[1];
  if (list === undefined || list === "void") return list === undefined ? undefined : [];
  return list.split(",").map((parameter) => {
    if (parameter.includes("*")) return "ptr";
    return /\b(u32|unsigned)\b/.test(parameter) ? "u32" : /\bint\b/.test(parameter) ? "i32" : parameter;
  });
}

for (const compiler of ["gcc", "clang"]) {
  describeUnless(missing(compiler), `the shim and ${compiler}`, () => {
    const strict = ["-std=c11", "-O2", "-Wall", "-Wextra", "-Werror", "-fsyntax-only", "-x", "c", "-"];
    test.each([[[]], [["-funsigned-char"]]])("compiles without a warning %p", (more) => {
      expect(runToEnd([compiler, ...more, ...strict], { stdin: source })).toMatchObject({
        exitCode: 0,
        stdout: "",
        stderr: "",
      });
    });

    // A part leaves unused what another one needs of the files that all begin with.
    test.each(Object.entries(parts))("compiles %s by itself without a warning", (_, part) => {
      const unused = ["-Wno-unused-function", "-Wno-unused-variable"];
      expect(runToEnd([compiler, ...strict, ...unused], { stdin: part })).toMatchObject({ exitCode: 0, stderr: "" });
    });

    test("compiles without a warning where the headers are missing", () => {
      expect(runToEnd([compiler, "-nostdinc", ...strict], { stdin: source })).toMatchObject({
        exitCode: 0,
        stderr: "",
      });
    });
  });
}

describeUnless(missing("gcc"), "the shim", () => {
  test("needs dlsym, memcpy and memset of its surroundings, and nothing else", () => {
    const object = `${process.env["TMPDIR"] ?? "/tmp"}/bun-tuntap-unit-${process.pid}.o`;
    const compiled = runToEnd(["gcc", "-std=c11", "-O0", "-fno-stack-protector", "-c", "-o", object, "-x", "c", "-"], {
      stdin: source,
    });
    try {
      expect(compiled).toMatchObject({ exitCode: 0, stderr: "" });
      const undefinedNames = runToEnd(["nm", "-u", object]).stdout.match(/(?<=U )\w+/g) ?? [];
      expect(undefinedNames.filter((name) => name !== "_GLOBAL_OFFSET_TABLE_").sort()).toEqual([
        "dlsym",
        "memcpy",
        "memset",
      ]);
    } finally {
      process.getBuiltinModule("node:fs").rmSync(object, { force: true });
    }
  });
});

describeUnless(missing("clang"), "the shim on arm64", () => {
  // TinyCC makes that a call of memmove there, which Bun does not give it: nothing compiles then. clang shows it unoptimized.
  test("assigns no struct as a whole", () => {
    const toIR = ["-O0", "-fno-builtin", "-ffreestanding", "-S", "-emit-llvm", "-w", "-o", "-", "-x", "c", "-"];
    const { stdout, stderr } = runToEnd(["clang", "--target=aarch64-linux-gnu", ...toIR], { stdin: source });
    expect(stderr).toBe("");
    expect(stdout).toContain("@tuntap_core(");
    expect(stdout).not.toMatch(/call .*@llvm\.mem(cpy|move)\./);
  });
});

describe("the shim", () => {
  test("includes nothing: there may be no headers where it is compiled", () => {
    expect(source).not.toMatch(/^\s*#\s*include/m);
  });

  test("uses nothing that TinyCC lacks", () => {
    expect(withoutComments).not.toMatch(/__int128|long double|__thread|__atomic_|__sync_|__builtin_|_Atomic|stdatomic/);
  });

  test("has at most 400 lines in a file, and every file is part of it", async () => {
    for (const name of readdirSync(`${top}/native`)) {
      const text = await Bun.file(`${top}/native/${name}`).text();
      expect([name, text.split("\n").length <= 400, source.includes(text)]).toEqual([name, true, true]);
    }
  });
});

describe.each([
  { part: parts.core, file: "exports.c", type: "Native", loaded: native, atLeast: 50 },
  { part: parts.offload, file: "offload_exports.c", type: "OffloadNative", loaded: offloadNative, atLeast: 5 },
  { part: parts.udp, file: "udp_exports.c", type: "UdpNative", loaded: udpNative, atLeast: 10 },
])("the list of native/$file", ({ part, type, loaded, atLeast }) => {
  const exported = exportedBy(part);

  test("has the parameters that each function has in C", () => {
    expect(exported.length).toBeGreaterThan(atLeast);
    for (const [name, types] of exported) expect([name, parameters(name)]).toEqual([name, [...types]]);
  });

  test("has the names and parameters of the TypeScript interface", async () => {
    const typed = exported.map(([name, types]): [string, string[]] => [
      name,
      types.map((type) => (type === "ptr" ? "ptr" : "number")),
    ]);
    expect(await members(type)).toEqual(new Map(typed));
  });

  test("has each name once, and the loaded part offers these names", () => {
    const names = exported.map(([name]) => name).sort();
    expect(Object.keys(loaded()).sort()).toEqual(names);
    for (const call of Object.values(loaded())) expect(call).toBeFunction();
  });

  test("belongs to a part that compiles once", () => {
    expect(loaded()).toBe(loaded());
  });
});

describe("a part of the shim", () => {
  test.each(["offload", "udp"] as const)(
    "%s has no table of owned fds: the end of the thread would not close them",
    (name) => {
      expect(parts.core).toContain("static u8 *owned;");
      expect(parts[name]).not.toMatch(/\bowned\b|\bfd_own\b|\bthread_start\b/);
    },
  );

  test.each(["offloadNative", "udpNative"])("%s is compiled with the core, if it is used first", (first) => {
    const script = `
      const { cc } = await import("bun:ffi");
      let compilations = 0;
      const { mock } = await import("bun:test");
      mock.module("bun:ffi", () => ({ cc: (options) => (compilations++, cc(options)) }));
      const shim = await import(${JSON.stringify(`${top}/src/sys/native.ts`)});
      const part = shim.${first}();
      const fd = shim.native().ev_open();
      shim.native().fd_close(fd);
      console.log(JSON.stringify([compilations, Object.keys(part).length > 0, fd > 2, shim.${first}() === part]));`;
    const { stdout, stderr } = runToEnd([process.execPath, "-e", script]);
    expect(stderr).toBe("");
    expect(JSON.parse(stdout)).toEqual([1, true, true, true]);
  });

  test("is compiled when it is first used", () => {
    const script = `
      const { readdirSync } = await import("node:fs");
      const { native, offloadNative, udpNative } = await import(${JSON.stringify(`${top}/src/sys/native.ts`)});
      const sources = () => Object.keys(require.cache).filter((path) => /source\\.ts$/.test(path)).map((path) => path.split("/").pop()).sort();
      const seen = [sources()];
      for (const part of [native, offloadNative, udpNative]) { part(); seen.push(sources()); }
      console.log(JSON.stringify(seen));`;
    const { stdout, stderr } = runToEnd([process.execPath, "-e", script]);
    expect(stderr).toBe("");
    const [core, offload, udp] = ["source.ts", "offload-source.ts", "udp-source.ts"];
    expect(JSON.parse(stdout)).toEqual([[], [core], [offload, core], [offload, core, udp]]);
  });
});
