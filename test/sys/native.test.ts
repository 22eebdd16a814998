/** The C of native/ as other compilers see it, and its table as TypeScript binds it. */
import { describe, expect, test } from "bun:test";
import { readdirSync } from "node:fs";
import { native } from "../../src/sys/native.ts";
import { source } from "../../src/sys/source.ts";
import { definitions, signatures } from "../../src/sys/symbols.ts";
import { describeUnless } from "../support/privilege.ts";
import { runToEnd, top } from "../support/programs.ts";

const withoutComments = source.replace(/\/\*[\s\S]*?\*\//g, "");

/** Why tests that run `tool` cannot run here. */
function missing(tool: string): string | undefined {
  return Bun.which(tool) === null ? `needs ${tool}: install it with your package manager` : undefined;
}

/** The names in the braces of `static void *const functions[]`. */
function table(): string[] {
  const body = /static void \*const functions\[\] = \{([^}]*)\}/.exec(withoutComments)?.[1] ?? "";
  return body
    .split(",")
    .map((name) => name.trim())
    .filter((name) => name !== "");
}

/** The parameters of a C function, as the kinds of `signatures`. */
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
    expect(stdout).toContain("@tuntap_functions(");
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

describe("signatures", () => {
  test("has the names of the C table, in its order", () => {
    expect(table().length).toBeGreaterThan(20);
    expect(Object.keys(signatures)).toEqual(table());
  });

  test.each(Object.entries(signatures))("has the parameters that %s has in C", (name, kinds) => {
    expect(parameters(name)).toEqual([...kinds]);
  });

  test("is what the loaded shim offers", () => {
    expect(Object.keys(native()).sort()).toEqual(Object.keys(signatures).sort());
    for (const call of Object.values(native())) expect(call).toBeFunction();
  });
});

describe("definitions()", () => {
  test("binds each address to the signature in the same place, and every result as i32", () => {
    const names = Object.keys(signatures) as (keyof typeof signatures)[];
    const bound = definitions(BigUint64Array.from(names, (_, i) => BigInt(0x1000 + i)));
    for (const [i, name] of names.entries()) {
      expect(bound[name]).toEqual({ ptr: BigInt(0x1000 + i) as never, args: [...signatures[name]], returns: "i32" });
    }
  });
});

describe("native()", () => {
  test("compiles once", () => {
    expect(native()).toBe(native());
  });
});
