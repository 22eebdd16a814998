/** What the tests of probe() share: programs that print its report, as whom and where a test wants. */
import { cpSync } from "node:fs";
import { join } from "node:path";
import type { ProbeCheck, ProbeReport } from "../../src/probe/report.ts";
import { as, mounted, somebody } from "../device/as-others.ts";
import { publicTree } from "../device/in-child.ts";

const repository = join(import.meta.dir, "../..");

export interface Printed {
  readonly stdout: string;
  readonly stderr: string;
  readonly exitCode: number | null;
}

export interface Surroundings {
  /** What comes before `bun` on the command line, such as `setpriv` and its options. */
  readonly through?: readonly string[];
  /** Bun's own flags. */
  readonly flags?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}

/** A copy of the package that every user can read. */
export interface Package extends Disposable {
  readonly path: string;
  /** Runs the command `bun-tuntap` to its end. */
  command(args: readonly string[], surroundings?: Surroundings): Printed;
  /** Returns what `bun-tuntap doctor --json` prints, read again. */
  report(surroundings?: Surroundings): ProbeReport;
}

export function installed(): Package {
  const tree = publicTree();
  for (const part of ["bin", "package.json"])
    cpSync(join(repository, part), join(tree.path, part), { recursive: true });
  Bun.spawnSync(["chmod", "-R", "a+rX", tree.path]);
  const command: Package["command"] = (args, { through = [], flags = [], env = {} } = {}) => {
    const bun = [join(tree.path, "bun"), ...flags, join(tree.path, "bin/bun-tuntap.ts")];
    const { exitCode, stdout, stderr } = Bun.spawnSync([...through, ...bun, ...args], {
      cwd: tree.path,
      env: { ...process.env, HOME: tree.path, BUN_RUNTIME_TRANSPILER_CACHE_PATH: "0", ...env },
      timeout: 60_000,
      killSignal: "SIGKILL",
    });
    return { exitCode, stdout: `${stdout}`, stderr: `${stderr}` };
  };
  const report = (surroundings?: Surroundings): ProbeReport => {
    const { exitCode, stdout, stderr } = command(["doctor", "--json"], surroundings);
    if (stderr !== "" || stdout === "") throw new Error(`The command ended with ${exitCode}: ${stderr}`);
    const read = JSON.parse(stdout) as ProbeReport;
    if ((exitCode === 0) !== read.ok) throw new Error(`The command ended with ${exitCode}, though ok is ${read.ok}`);
    return read;
  };
  return { path: tree.path, command, report, [Symbol.dispose]: () => tree[Symbol.dispose]() };
}

/** The line of that id. */
export function checkOf({ checks }: ProbeReport, id: string): ProbeCheck {
  const check = checks.find((check) => check.id === id);
  if (check === undefined) throw new Error(`No check "${id}" among ${checks.map(({ id }) => id).join(", ")}`);
  return check;
}

/** The ids of the lines with that status. */
export function idsOf({ checks }: ProbeReport, status: ProbeCheck["status"]): string[] {
  return checks.filter((check) => check.status === status).map(({ id }) => id);
}

/** Prefix: /dev/net holds what `script` makes there. */
export function deviceFolder(script: string, mountOptions = "dev"): string[] {
  return mounted(`mount -t tmpfs -o "mode=755,$1" none /dev/net; ${script}`, mountOptions);
}

/** Prefix: a clone device of that mode. */
export function cloneDevice(mode: string, numbers = "c 10 200", mountOptions = "dev"): string[] {
  return deviceFolder(`mknod /dev/net/tun ${numbers}; chmod ${mode} /dev/net/tun`, mountOptions);
}

/** Prefix: a user without any privilege. */
export const asSomebody: readonly string[] = as(somebody);

/** Prefix: a user whose only privilege is CAP_NET_ADMIN, as `setcap cap_net_admin+ep` gives it. */
export const withNetAdmin: readonly string[] = [
  ...["setpriv", `--reuid=${somebody}`, `--regid=${somebody}`, "--clear-groups"],
  ...["--inh-caps=-all,+net_admin", "--ambient-caps=-all,+net_admin"],
];

/** Prefix: a root directory that has all of ours but /run and the files by which containers are known, and what `script` makes in it. */
export function rootWith(script: string): string[] {
  const root = mounted(`
    mount -t tmpfs none /mnt
    for entry in /*; do
      if [ -L "$entry" ]; then cp -P "$entry" /mnt/
      elif [ "$entry" = /run ] || [ "$entry" = /mnt ]; then mkdir "/mnt$entry"
      elif [ -d "$entry" ]; then mkdir "/mnt$entry"; mount --rbind "$entry" "/mnt$entry"
      fi
    done`);
  return [...root, "chroot", "/mnt", "sh", "-ec", `${script}\nexec "$@"`, "sh"];
}
