import { CString, cc, dlopen, type FFIFunction, linkSymbols, type Pointer, toArrayBuffer } from "bun:ffi";
import { systemError, TunTapError } from "../errors.ts";
import { EMFILE, MFD_CLOEXEC } from "./constants.ts";
import { source } from "./source.ts";
import type { Native } from "./symbols.ts";

/**
 * Compiles and binds the shim.
 *
 * @throws {TunTapError} `ERR_TUNTAP_UNSUPPORTED` where there is no Linux,
 * `ERR_TUNTAP_NATIVE` where the compiler is forbidden.
 */
export function load(): Native {
  if (process.platform !== "linux") {
    throw new TunTapError("ERR_TUNTAP_UNSUPPORTED", `TUN/TAP interfaces are not supported on ${process.platform}`, {
      hint: "run this on Linux: bun-tuntap drives the Linux TUN driver and no other",
    });
  }
  if (process.arch !== "x64" && process.arch !== "arm64") {
    throw new TunTapError("ERR_TUNTAP_UNSUPPORTED", `the ${process.arch} architecture is not supported`, {
      hint: "use an x64 or arm64 machine",
    });
  }
  const [missing = 0, table = 0, count = 0, threadEnd = 0] = wordsAt(compile(), 4);
  if (missing !== 0) {
    throw new TunTapError("ERR_TUNTAP_NATIVE", `this C library has no function ${textAt(missing)}`, {
      hint: "use Bun on glibc or musl",
    });
  }
  const { symbols } = linkSymbols(bindingsOf(table, count));
  return endingThread(symbols as unknown as Native, threadEnd);
}

/**
 * Ties the end of the shim to the collection of `shim`, through an ArrayBuffer
 * whose deallocator is `threadEnd`. The end of a JavaScript thread collects it,
 * even `worker.terminate()`, which gives no other notice. Before that it is
 * reached by every module of this library, and so by every open device, also
 * where `bun --hot` or a cleared `require.cache` forgets the modules.
 */
function endingThread(shim: Native, threadEnd: number): Native {
  // bun-types leaves out the last two arguments: the deallocator's context, and the deallocator.
  type ToArrayBuffer = (bytes: Pointer, offset: number, length: number, context: null, free: Pointer) => ArrayBuffer;
  const end = (toArrayBuffer as ToArrayBuffer)(threadEnd as Pointer, 0, 8, null, threadEnd as Pointer);
  return Object.defineProperty(shim, Symbol("the end of the thread"), { value: end });
}

/** Reads the table of `native/exports.c`: three pointers a row, to the name, the parameters and the function. */
function bindingsOf(table: number, count: number): Record<string, FFIFunction> {
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
function wordsAt(address: number, count: number): number[] {
  return [...new BigUint64Array(toArrayBuffer(address as Pointer, 0, 8 * count))].map(Number);
}

/** Reads a C string. */
function textAt(address: number): string {
  return new CString(address as Pointer).toString();
}

/** Compiles the shim and returns the address of the result of `tuntap_shim()`. */
function compile(): number {
  let file: SourceFile | undefined;
  try {
    file = sourceFile();
    // -nostdlib, because a machine without libc's development files has no libc for the linker to find.
    const symbols = { tuntap_shim: { args: [], returns: "ptr" } } as const;
    return cc({ source: file.path, flags: ["-nostdlib"], symbols }).symbols.tuntap_shim() as number;
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
 * `cc` reads a path only, and cannot read a file inside a compiled executable
 * (oven-sh/bun#24752). Memory needs no writable file system, and nobody else
 * can write to it, as somebody could to a predictable name in /tmp.
 */
function sourceFile(): SourceFile {
  // musl resolves this name to itself.
  const libc = dlopen("libc.so.6", {
    memfd_create: { args: ["ptr", "u32"], returns: "i32" },
    write: { args: ["i32", "ptr", "u64"], returns: "i64" },
    dup: { args: ["i32"], returns: "i32" },
    close: { args: ["i32"], returns: "i32" },
  });
  // Not node:fs: lazy it takes longer than all else here but the compiler.
  const { memfd_create, write, dup, close } = libc.symbols;
  const bytes = new TextEncoder().encode(source);
  const fd = memfd_create(new TextEncoder().encode("bun-tuntap.c\0"), MFD_CLOEXEC);
  if (fd < 0) return temporaryFile();
  const written = Number(write(fd, bytes, bytes.length)) === bytes.length;
  // The compiler needs a descriptor of its own, and without one says that there is no such file.
  const spare = dup(fd);
  if (spare >= 0) close(spare);
  if (written && spare >= 0) return { path: `/proc/self/fd/${fd}`, remove: () => void close(fd) };
  close(fd);
  if (spare < 0) throw systemError(-EMFILE, "dup");
  return temporaryFile();
}

function temporaryFile(): SourceFile {
  const { mkdtempSync, rmSync, writeFileSync } = process.getBuiltinModule("node:fs");
  const directory = mkdtempSync(`${process.env["TMPDIR"] ?? "/tmp"}/bun-tuntap-`);
  const path = `${directory}/bun-tuntap.c`;
  writeFileSync(path, source, { flag: "wx", mode: 0o600 });
  return { path, remove: () => rmSync(directory, { recursive: true }) };
}
