/** Compiles C on the fly by Bun's `cc`, and reads the list by which it exports its functions. */
import { CString, cc, dlopen, type FFIFunction, type Pointer, read } from "bun:ffi";
import { systemError, TunTapError } from "../errors.ts";
import { EMFILE, MFD_CLOEXEC, SYS_memfd_create } from "./constants.ts";

/**
 * Compiles C that includes nothing, calls its functions `entries`, which take no arguments, and returns the pointers
 * that they return.
 *
 * @throws {TunTapError} `ERR_TUNTAP_NATIVE` where the compiler is forbidden, `EMFILE`
 */
export function compile(source: string, ...entries: readonly string[]): number[] {
  let file: SourceFile | undefined;
  try {
    file = sourceFile(source);
    // -nostdlib, because a machine without libc's development files has no libc for the linker to find.
    const symbols: Record<string, FFIFunction> = {};
    for (const entry of entries) symbols[entry] = { args: [], returns: "ptr" };
    const library = cc({ source: file.path, flags: ["-nostdlib"], symbols });
    return entries.map((entry) => (library.symbols[entry] as unknown as () => number)());
  } catch (cause) {
    if (cause instanceof TunTapError) throw cause;
    const reason = cause instanceof Error ? cause.message : String(cause);
    if (/\bEMFILE\b/.test(reason)) throw systemError(-EMFILE, "open", { cause });
    throw new TunTapError("ERR_TUNTAP_NATIVE", `the C shim could not be compiled (${reason})`, {
      hint: compileHint(reason),
      cause,
    });
  } finally {
    file?.remove();
  }
}

/** Reads a list of exports such as that of `native/exports.c`: a line of text for each function, and its address. */
export function bindingsOf(text: number, addresses: number): Record<string, FFIFunction> {
  const bindings: Record<string, FFIFunction> = {};
  const lines = textAt(text).trimEnd().split("\n");
  for (const [i, line] of lines.entries()) {
    const [name = "", ...types] = line.trimEnd().split(" ");
    const address = pointerAt(addresses, i) as Pointer;
    bindings[name] = { ptr: address, args: types as ("i32" | "u32" | "ptr")[], returns: "i32" };
  }
  return bindings;
}

/** Reads a pointer out of an array of pointers. */
export function pointerAt(array: number, index: number): number {
  return read.ptr(array as Pointer, 8 * index);
}

/** Reads a C string. */
export function textAt(address: number): string {
  return new CString(address as Pointer).toString();
}

/** Returns the hint for an error of `cc`. `reason` is Bun's own text: "... C compiler is disabled", "bun:ffi requires the JIT". */
function compileHint(reason: string): string {
  if (/disabled/i.test(reason)) return "run Bun without --no-addons and --no-ffi-cc";
  if (/JIT/.test(reason)) {
    return "allow memory that is written and then executed: remove MemoryDenyWriteExecute=yes (PR_SET_MDWE) from the systemd unit, and do not set BUN_JSC_useJIT=0";
  }
  if (/ENOENT|EACCES|EROFS/.test(reason)) return "mount /proc, or set TMPDIR to a folder that can be written to";
  return "report this with your Bun version and architecture, and try the Bun version that bun-tuntap is tested with";
}

interface SourceFile {
  readonly path: string;
  remove(): void;
}

/**
 * Makes a file of the source: `cc` reads a path only, and cannot read a file inside a compiled executable (oven-sh/bun#24752). A memfd needs no
 * writable file system, and no other process can write to it, unlike a file with a predictable name in /tmp.
 */
function sourceFile(source: string): SourceFile {
  // musl resolves this name to itself.
  const libc = dlopen("libc.so.6", {
    // memfd_create(2) by number: glibc has no function for it before 2.27, and Bun runs on 2.17.
    syscall: { args: ["i64", "ptr", "u64"], returns: "i64" },
    write: { args: ["i32", "ptr", "u64"], returns: "i64" },
    dup: { args: ["i32"], returns: "i32" },
    close: { args: ["i32"], returns: "i32" },
  });
  // Does without node:fs: only the compiler takes longer to load.
  const { syscall, write, dup, close } = libc.symbols;
  const bytes = new TextEncoder().encode(source);
  const fd = Number(syscall(SYS_memfd_create, new TextEncoder().encode("bun-tuntap.c\0"), MFD_CLOEXEC));
  if (fd < 0) return temporaryFile(source);
  const written = Number(write(fd, bytes, bytes.length)) === bytes.length;
  // The compiler needs a file descriptor of its own. Without a free one it reports that the file does not exist.
  const spare = dup(fd);
  if (spare >= 0) close(spare);
  if (written && spare >= 0) return { path: `/proc/self/fd/${fd}`, remove: () => void close(fd) };
  close(fd);
  if (spare < 0) throw systemError(-EMFILE, "dup");
  return temporaryFile(source);
}

function temporaryFile(source: string): SourceFile {
  const { mkdtempSync, rmSync, writeFileSync } = process.getBuiltinModule("node:fs");
  const directory = mkdtempSync(`${process.env["TMPDIR"] ?? "/tmp"}/bun-tuntap-`);
  const path = `${directory}/bun-tuntap.c`;
  writeFileSync(path, source, { flag: "wx", mode: 0o600 });
  return { path, remove: () => rmSync(directory, { recursive: true }) };
}
