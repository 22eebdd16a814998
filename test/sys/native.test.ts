/** The C of native/ as other compilers see it, and its table as TypeScript binds it. */
import { describe, expect, test } from "bun:test";
import { readdirSync } from "node:fs";
import { native } from "../../src/sys/native.ts";
import { source } from "../../src/sys/source.ts";
import { describeUnless } from "../support/privilege.ts";
import { runToEnd, top } from "../support/programs.ts";

const withoutComments = source.replace(/\/\*[\s\S]*?\*\//g, "");

/** Why tests that run `tool` cannot run here. */
function missing(tool: string): string | undefined {
  return Bun.which(tool) === null ? `needs ${tool}: install it with your package manager` : undefined;
}

/** The table of native/exports.c: names, and the types of the parameters. */
const exported: readonly (readonly [name: string, parameters: readonly string[]])[] = [
  ...withoutComments.matchAll(/\bEXPORT\((\w+), "([^"]*)"\)/g),
].map(([, name = "", parameters = ""]) => [name, parameters.split(" ").filter((type) => type !== "")] as const);

/** The members of the TypeScript interface `Native`: names, and whether each parameter is a number. */
async function members(): Promise<Map<string, string[]>> {
  const text = await Bun.file(`${top}/src/sys/symbols.ts`).text();
  const found = text.matchAll(/^ {2}(\w+)\(([^)]*)\): number;/gm);
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
    expect(stdout).toContain("@tuntap_shim(");
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

describe("the table of native/exports.c", () => {
  test.each([...exported])("has the parameters that %s has in C", (name, types) => {
    expect(parameters(name)).toEqual([...types]);
  });

  test("has the names and parameters of the interface Native", async () => {
    const typed = exported.map(([name, types]): [string, string[]] => [
      name,
      types.map((type) => (type === "ptr" ? "ptr" : "number")),
    ]);
    expect(typed.length).toBeGreaterThan(50);
    expect(await members()).toEqual(new Map(typed));
  });

  test("has each name once, and the loaded shim offers these names", () => {
    const names = exported.map(([name]) => name).sort();
    expect(Object.keys(native()).sort()).toEqual(names);
    for (const call of Object.values(native())) expect(call).toBeFunction();
  });
});

describe("native()", () => {
  test("compiles once", () => {
    expect(native()).toBe(native());
  });
});
