import { linkSymbols, type Pointer, toArrayBuffer } from "bun:ffi";
import { TunTapError } from "../errors.ts";
import { bindingsOf, compile, textAt, wordsAt } from "./compile.ts";
import { assertSupported } from "./platform.ts";
import { source } from "./source.ts";
import type { Native } from "./symbols.ts";

/**
 * Compiles and binds the shim.
 *
 * @throws {TunTapError} `ERR_TUNTAP_UNSUPPORTED` (see {@link assertSupported}),
 * `ERR_TUNTAP_NATIVE` where the compiler is forbidden.
 */
export function load(): Native {
  assertSupported();
  const [missing = 0, table = 0, count = 0, threadEnd = 0] = wordsAt(compile(source, "tuntap_shim"), 4);
  if (missing !== 0) {
    throw new TunTapError("ERR_TUNTAP_NATIVE", `this C library has no function ${textAt(missing)}`, {
      hint: "use Bun on glibc or musl",
    });
  }
  const { symbols } = linkSymbols(bindingsOf(table, count));
  return endingThread(symbols as unknown as Native, threadEnd);
}

/**
 * Calls `threadEnd` when `shim` is collected: it is the deallocator of an ArrayBuffer that the shim holds. The end of
 * a JavaScript thread collects it, even `worker.terminate()`, which gives no other notice. Until then every module of
 * this library refers to it, and so does every open device, also where `bun --hot` or a cleared `require.cache` drops
 * the modules.
 */
function endingThread(shim: Native, threadEnd: number): Native {
  // bun-types leaves out the last two arguments: the deallocator's context, and the deallocator.
  type ToArrayBuffer = (bytes: Pointer, offset: number, length: number, context: null, free: Pointer) => ArrayBuffer;
  const end = (toArrayBuffer as ToArrayBuffer)(threadEnd as Pointer, 0, 8, null, threadEnd as Pointer);
  return Object.defineProperty(shim, Symbol("the end of the thread"), { value: end });
}
