import { stat } from "node:fs/promises";
import { CaptureError, readCapture } from "../capture/index.ts";
import { type Command, type Context, defineCommand, type Work } from "./command.ts";
import { mostOf, PacketPrinter, type PacketValues, packetOptions } from "./packets.ts";
import { ProgramError } from "./program.ts";

/** Prints the packets of a capture file. */
export const read: Command = defineCommand({
  operands: "FILE [WORD…]",
  about:
    "Prints each packet of a pcapng file on a line, in the words of tcpdump; - is standard input. With words, those packets alone whose line has them all, in small or capital letters: `read FILE ICMP 192.0.2.1`.",
  options: packetOptions,
  count: [1, Number.POSITIVE_INFINITY],
  completes: "files",
  prepare(values: PacketValues, [file = "", ...words]): Work {
    const most = mostOf(values);
    return async (context) => print(file, new PacketPrinter(context.output, words, values, most), context);
  },
});

/** Milliseconds between two progress lines. */
const PROGRESS_MS = 200;

async function print(file: string, printer: PacketPrinter, { output, stop }: Context): Promise<void> {
  const source = file === "-" ? Bun.stdin.stream() : file;
  const total = file === "-" ? undefined : (await stat(file)).size;
  let [read, frames, shown] = [0, 0, performance.now()];
  try {
    for await (const frame of readCapture(source)) {
      if (printer.print(frame)) await output.flush();
      if (stop.aborted || printer.isDone) return;
      frames++;
      read += frame.frame.length;
      // The clock costs more than a frame.
      if ((frames & 1023) !== 0 || performance.now() - shown < PROGRESS_MS) continue;
      shown = performance.now();
      output.progress(`${frames} packets read${total === undefined ? "" : `, ${percent(read, total)} %`}`);
    }
  } catch (error) {
    if (error instanceof CaptureError) throw new ProgramError(`${file}: ${error.message}`);
    throw error;
  }
}

function percent(part: number, whole: number): number {
  return Math.min(99, Math.floor((part / whole) * 100));
}
