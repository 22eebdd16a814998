import { mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { run } from "../support/system.ts";

/** A folder that goes at the end of the block. */
export function folder(): Disposable & { file(name: string): string; readonly path: string } {
  const path = mkdtempSync("/tmp/bun-tuntap-capture-");
  return {
    path,
    file: (name) => join(path, name),
    [Symbol.dispose]: () => rmSync(path, { recursive: true }),
  };
}

/** Returns what tshark reads in a capture: a row a packet. It must have nothing to complain about. */
export function tshark(file: string, fields: readonly string[], ...options: string[]): string[][] {
  const command = ["tshark", "-n", "-r", file, "-T", "fields", ...fields.flatMap((field) => ["-e", field]), ...options];
  const { exitCode, stdout, stderr } = Bun.spawnSync(command);
  const complaints = stderr.toString().replace(/^Running as user "root".*\n/m, "");
  if (exitCode !== 0 || complaints !== "") throw new Error(`tshark exited with ${exitCode}: ${complaints}`);
  return stdout
    .toString()
    .split("\n")
    .slice(0, -1)
    .map((line) => line.split("\t"));
}

/** Returns what capinfos says of a capture, by its own words. */
export function capinfos(file: string): Record<string, string> {
  const lines = run("capinfos", "-M", file).split("\n");
  return Object.fromEntries(
    lines.map((line) => line.split(/[:=]\s+/, 2).map((part) => part.trim())).filter(([key]) => key),
  );
}
