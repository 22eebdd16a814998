/** A root file system that holds one executable and what it cannot do without, and how to run it in there. */
import { copyFileSync, mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { run } from "../support/system.ts";
import type { Output } from "./support.ts";

/** The shared objects that an executable needs, as paths: libc's, and the loader. */
export function sharedObjects(executable: string): string[] {
  // "libc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x...)", "/lib64/ld-linux-x86-64.so.2 (0x...)", "linux-vdso.so.1 (0x...)"
  return run("ldd", executable)
    .split("\n")
    .flatMap((line) => /(?:=> |^\s*)(\/\S+) \(0x/.exec(line)?.[1] ?? []);
}

/** Fills `root` with `executable` as /program, its shared objects, and the two mount points. */
export function makeBareRoot(root: string, executable: string): void {
  for (const file of sharedObjects(executable)) {
    mkdirSync(join(root, dirname(file)), { recursive: true });
    copyFileSync(file, join(root, file));
  }
  mkdirSync(join(root, "dev/net"), { recursive: true });
  writeFileSync(join(root, "dev/net/tun"), "");
  mkdirSync(join(root, "proc"));
  copyFileSync(executable, join(root, "program"));
}

/** Every file and empty folder of `root`, as absolute paths within it. */
export function listing(root: string): string[] {
  return readdirSync(root, { recursive: true, withFileTypes: true })
    .filter((entry) => !entry.isDirectory() || readdirSync(join(entry.parentPath, entry.name)).length === 0)
    .map((entry) => join(entry.parentPath, entry.name).slice(root.length))
    .sort();
}

// In mount and process namespaces of its own, where the kernel undoes every mount at the end.
const script = `
set -e
mount --bind "$1" "$1"
mount -t proc proc "$1/proc"
mount --bind /dev/net/tun "$1/dev/net/tun"
if [ "$2" = ro ]; then
  mount -o remount,bind,ro "$1"
  if (: > "$1/written") 2> /dev/null; then echo "still writable" >&2; exit 99; fi
fi
exec env -i "$(command -v chroot)" "$1" /program
`;

/** Runs /program with `root` as its root and no environment; `access` is that of the root. */
export function runInBareRoot(root: string, access: "rw" | "ro"): Output {
  const { stdout, stderr, exitCode } = Bun.spawnSync(
    [
      "unshare",
      "--mount",
      "--propagation",
      "private",
      "--pid",
      "--fork",
      "--kill-child",
      "sh",
      "-c",
      script,
      "sh",
      root,
      access,
    ],
    { env: { PATH: process.env["PATH"] }, stdin: "ignore", timeout: 60_000 },
  );
  return { stdout: stdout.toString(), stderr: stderr.toString(), exitCode };
}
