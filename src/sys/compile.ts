/** Compiles C on the fly by Bun's `cc`, and reads the tables by which it exports its functions. */
import { CString, cc, dlopen, type FFIFunction, type Pointer, toArrayBuffer } from "bun:ffi";
import { systemError, TunTapError } from "../errors.ts";
import { EMFILE, MFD_CLOEXEC, SYS_memfd_create } from "./constants.ts";

/**
 * Compiles C that includes nothing, calls its function `entry`, which takes no argument, and returns the pointer that
 * it returns.
 *
 * @throws {TunTapError} `ERR_TUNTAP_NATIVE` where the compiler is forbidden, `EMFILE`
 */
export function compile(source: string, entry: string): number {
  let file: SourceFile | undefined;
  try {
    file = sourceFile(source);
    // -nostdlib, because a machine without libc's development files has no libc for the linker to find.
    const symbols = { [entry]: { args: [], returns: "ptr" } } as const;
    const library = cc({ source: file.path, flags: ["-nostdlib"], symbols });
    return library.symbols[entry]?.() as unknown as number;
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

/** Reads a table of exports such as that of `native/exports.c`: three pointers a row, to the name, the parameters and the function. */
export function bindingsOf(table: number, count: number): Record<string, FFIFunction> {
  const words = wordsAt(table, 3 * count);
  const bindings: Record<string, FFIFunction> = {};
  for (let i = 0; i < words.length; i += 3) {
    const [name = 0, parameters = 0, address = 0] = words.slice(i, i + 3);
    const types = textAt(parameters).split(" ") as ("i32" | "u32" | "ptr")[];
    bindings[textAt(name)] = { ptr: address as Pointer, args: types[0] ? types : [], returns: "i32" };
  }
  return bindings;
}

/** Reads `count` pointers or 64-bit numbers. */
export function wordsAt(address: number, count: number): number[] {
  return [...new BigUint64Array(toArrayBuffer(address as Pointer, 0, 8 * count))].map(Number);
}

/** Reads a C string. */
export function textAt(address: number): string {
  return new CString(address as Pointer).toString();
}

/** `reason` is Bun's own text: "... C compiler is disabled", "bun:ffi requires the JIT". */
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
 * `cc` reads a path only, and cannot read a file inside a compiled executable (oven-sh/bun#24752). A memfd needs no
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
