/**
 * A cross-check of run.ts by a tool that we did not write: strace lets a
 * system call of an unchanged program fail (strace(1), --inject). It reaches
 * calls of Bun's own, too, and the compiling of the shim; but each takes a
 * second.
 *
 *     sudo bun test/faults/strace.ts [--write]
 */
import "../support/preload.ts";
import { writeReport } from "./report.ts";

const child = `${import.meta.dir}/strace-child.ts`;
const scenario = "the first device of a process";

/** Calls, the file that they are about, the errno, and how many of them are made to fail, one after the other. */
const rows: readonly (readonly [call: string, path: string, errno: string, most: number])[] = [
  ["openat", "/dev/net/tun", "EACCES", 1],
  ["openat", "/dev/net/tun", "EMFILE", 1],
  ["ioctl", "/dev/net/tun", "ENOMEM", 8],
  ["ioctl", "/dev/net/tun", "EBADFD", 8],
  ["read", "/dev/net/tun", "EIO", 4],
  ["read", "/dev/net/tun", "EAGAIN", 4],
  ["write", "/dev/net/tun", "EIO", 2],
  ["memfd_create", "", "ENOSYS", 2],
  ["memfd_create", "", "EMFILE", 2],
  ["io_setup", "", "EAGAIN", 1],
  ["io_setup", "", "ENOSYS", 1],
  ["io_submit", "", "EAGAIN", 3],
  ["io_submit", "", "EINVAL", 3],
  ["io_getevents", "", "EINTR", 3],
  ["epoll_wait", "", "EINTR", 3],
];

async function runUnder(
  call: string,
  path: string,
  errno: string,
  nth: number,
): Promise<[outcome: string, fine: boolean]> {
  const filter = path === "" ? ["-e", `trace=${call}`] : ["-P", path];
  const inject = ["-e", `inject=${call}:error=${errno}:when=${nth}`];
  const command = ["strace", "-f", "-qq", ...filter, ...inject, process.execPath, child, scenario];
  const ran = Bun.spawn(command, { stdin: "ignore", stdout: "pipe", stderr: "pipe", timeout: 30_000 });
  const [stdout, stderr] = await Promise.all([ran.stdout.text(), ran.stderr.text()]);
  const code = await ran.exited;
  const reached = stderr.includes("(INJECTED)");
  const said = stdout.trim() || `no word, exit ${ran.signalCode ?? code}`;
  return [reached ? said : `not reached (${said})`, code === 0];
}

let broken = 0;
const lines = [
  "# System calls that strace lets fail",
  "",
  `\`sudo bun test/faults/strace.ts\`, ${new Date().toISOString().slice(0, 10)}, Bun ${Bun.version}: one call of "${scenario}" fails, then the same once more with none. Each left nothing, or its line says what.`,
  "",
  "| Call | Errno | Which | Outcome |",
  "| --- | --- | --: | --- |",
];
for (const [call, path, errno, most] of rows) {
  for (let nth = 1; nth <= most; nth++) {
    const [outcome, fine] = await runUnder(call, path, errno, nth);
    if (!fine) broken++;
    lines.push(`| \`${call}\` ${path} | ${errno} | ${nth} | ${outcome} |`);
  }
}
const text = `${lines.join("\n")}\n`;
console.log(text);
if (process.argv.includes("--write")) await writeReport(`${import.meta.dir}/strace.md`, text);
process.exit(broken === 0 ? 0 : 1);
