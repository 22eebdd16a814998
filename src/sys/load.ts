import { linkSymbols, type Pointer, toArrayBuffer } from "bun:ffi";
import { TunTapError } from "../errors.ts";
import { bindingsOf, compile, pointerAt, textAt } from "./compile.ts";
import { assertSupported } from "./platform.ts";
import { core, ground, type Part } from "./source.ts";
import type { Native } from "./symbols.ts";

/**
 * Compiles and binds the core of the shim, and another part with it in one go: a compilation takes 0.6 ms beside the C.
 *
 * @throws {TunTapError} `ERR_TUNTAP_UNSUPPORTED` (see {@link assertSupported}),
 * `ERR_TUNTAP_NATIVE` where the compiler is forbidden.
 */
export function load(part: Part | undefined): { native: Native; part: unknown } {
  assertSupported();
  const more = part === undefined ? [] : [part];
  const source = [core, ...more].map((each) => each.source).join("\n");
  const [first = 0, second = 0] = compile(source, core.entry, ...more.map(({ entry }) => entry));
  const { symbols, threadEnd } = bind(first);
  return { native: endingThread(symbols as Native, threadEnd), part: part && bind(second).symbols };
}

/** Compiles and binds a part of the shim by itself; the core is loaded. @throws {TunTapError} `ERR_TUNTAP_NATIVE`, `EMFILE` */
export function loadPart({ source, entry }: Part): unknown {
  const [part = 0] = compile([ground, source].join("\n"), entry);
  return bind(part).symbols;
}

type Words = [missing: number, lines: number, addresses: number, threadEnd: number];

/** Binds what a `struct part` of `native/base.c` tells. */
function bind(part: number): { symbols: unknown; threadEnd: number } {
  const [missing, lines, addresses, threadEnd] = [0, 1, 2, 3].map((word) => pointerAt(part, word)) as Words;
  if (missing !== 0) {
    throw new TunTapError("ERR_TUNTAP_NATIVE", `this C library has no function ${textAt(missing)}`, {
      hint: "use Bun on glibc or musl",
    });
  }
  return { symbols: linkSymbols(bindingsOf(lines, addresses)).symbols, threadEnd };
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
