/**
 * What bun:ffi of Bun 1.4.5 does and this library relies on (src/sys/load.ts).
 * Where a test fails with a new Bun, the code that it names has to change.
 */
import { CString, cc, dlopen, linkSymbols, type Pointer, toArrayBuffer } from "bun:ffi";
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { closeSync, mkdtempSync, rmSync, writeFileSync, writeSync } from "node:fs";
import { runToEnd, thrownBy, top } from "../support/programs.ts";
import { source as shim } from "../support/shim.ts";

let folder: string;

beforeAll(() => {
  folder = mkdtempSync(`${process.env["TMPDIR"] ?? "/tmp"}/bun-tuntap-unit-`);
});

afterAll(() => rmSync(folder, { recursive: true }));

let files = 0;

function sourceFile(text: string): string {
  const path = `${folder}/${++files}.c`;
  writeFileSync(path, text);
  return path;
}

const int = { args: ["i32"], returns: "i32" } as const;

describe("cc()", () => {
  test("compiles a source that includes nothing with -nostdlib, and reaches libc by dlsym", () => {
    const source = sourceFile(`
      extern void *dlsym(void *, const char *);
      int pid(void) { int (*getpid)(void) = dlsym(0, "getpid"); return getpid ? getpid() : -1; }`);
    const { symbols } = cc({ source, flags: ["-nostdlib"], symbols: { pid: { args: [], returns: "i32" } } });
    expect(symbols.pid()).toBe(process.pid);
  });

  test("finds all that the shim takes from libc by that way", async () => {
    const names = [...shim.matchAll(/\{ &\w+, "(\w+)" \}/g)].map(([, name]) => name as string);
    expect(names.length).toBeGreaterThan(15);
    const source = sourceFile(`
      extern void *dlsym(void *, const char *);
      const char *missing(void) {
        const char *names[] = { ${names.map((name) => `"${name}"`).join(", ")} };
        for (int i = 0; i < ${names.length}; i++) if (!dlsym((void *)0, names[i])) return names[i];
        return 0;
      }`);
    const { symbols } = cc({ source, flags: ["-nostdlib"], symbols: { missing: { args: [], returns: "ptr" } } });
    const missing = symbols.missing();
    expect(missing === null ? null : new CString(missing).toString()).toBeNull();
  });

  test("has memcpy and memset without libc", () => {
    const source = sourceFile(`
      extern void *memcpy(void *, const void *, unsigned long);
      extern void *memset(void *, int, unsigned long);
      int sum(int x) { unsigned char a[4], b[4]; int i, s = 0; memset(a, x, 4); memcpy(b, a, 4); for (i = 0; i < 4; i++) s += b[i]; return s; }`);
    expect(cc({ source, flags: ["-nostdlib"], symbols: { sum: int } }).symbols.sum(5)).toBe(20);
  });

  test("reads its source from /proc/self/fd/N, where N is a memfd", () => {
    const libc = dlopen("libc.so.6", { memfd_create: { args: ["ptr", "u32"], returns: "i32" } });
    const fd = libc.symbols.memfd_create(new TextEncoder().encode("trap.c\0"), 1);
    expect(fd).toBeGreaterThan(2);
    writeSync(fd, "int twice(int x) { return 2 * x; }");
    const { symbols } = cc({ source: `/proc/self/fd/${fd}`, flags: ["-nostdlib"], symbols: { twice: int } });
    closeSync(fd);
    expect(symbols.twice(21)).toBe(42);
    libc.close();
  });

  test("throws for a warning, so that the shim may have none", () => {
    const source = sourceFile("int f(int x) { char *p = x; return p != 0; }");
    expect(thrownBy(() => cc({ source, flags: ["-nostdlib"], symbols: { f: int } }))).toBeInstanceOf(Error);
  });

  test("gives to two callers of one source two sets of static variables", () => {
    const source = sourceFile("static int n; int next(int by) { return n += by; }");
    const open = (): ((by: number) => number) =>
      cc({ source, flags: ["-nostdlib"], symbols: { next: int } }).symbols.next;
    const [first, second] = [open(), open()];
    expect([first(1), first(1), second(1), first(1)]).toEqual([1, 2, 1, 3]);
  });
});

describe("linkSymbols()", () => {
  test("binds the addresses that a C function returns, given as bigint", () => {
    const source = sourceFile(`
      static int add(int a, int b) { return a + b; }
      static unsigned identity(unsigned x) { return x; }
      static int first(const unsigned char *bytes) { return bytes[0]; }
      static void *const table[] = { add, identity, first };
      void *const *functions(void) { return table; }`);
    const { symbols } = cc({ source, flags: ["-nostdlib"], symbols: { functions: { args: [], returns: "ptr" } } });
    const [add, identity, first] = new BigUint64Array(toArrayBuffer(symbols.functions() as Pointer, 0, 24));
    const bound = linkSymbols({
      add: { ptr: add as unknown as Pointer, args: ["i32", "i32"], returns: "i32" },
      identity: { ptr: identity as unknown as Pointer, args: ["u32"], returns: "u32" },
      first: { ptr: first as unknown as Pointer, args: ["ptr"], returns: "i32" },
    }).symbols;
    expect(bound.add(40, 2)).toBe(42);
    for (const value of [0, 2 ** 31, 2 ** 32 - 1, 0x800454ca]) expect(bound.identity(value)).toBe(value);
    expect(bound.first(Uint8Array.of(1, 2, 3).subarray(2))).toBe(3);
  });
});

describe("import … with { type: 'text' }", () => {
  test("gives a C file as it is on disk", async () => {
    const { default: text } = await import("../../native/base.c", { with: { type: "text" } });
    expect(text).toBe(await Bun.file(`${top}/native/base.c`).text());
  });

  test("works in a bundle, which carries the text with it", async () => {
    const out = `${folder}/bundle`;
    const built = await Bun.build({ entrypoints: [`${top}/src/index.ts`], target: "bun", outdir: out });
    expect(built.success).toBe(true);
    const script = `
      const { openTun } = await import(${JSON.stringify(`${out}/index.js`)});
      try { openTun({ path: "/nonexistent/tun" }); } catch ({ code }) { console.log(code); }`;
    expect(runToEnd([process.execPath, "-e", script], { cwd: "/" })).toMatchObject({ exitCode: 0, stdout: "ENOENT\n" });
  });
});
