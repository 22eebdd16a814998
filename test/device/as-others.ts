/** Other users, and mount namespaces with a clone device of their own; nothing of either is seen outside. */
import { accessSync, chmodSync, constants, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  type ChildReport,
  type ChildRequest,
  type ChildSurroundings,
  inChild,
  inChildWhile,
  publicTree,
} from "./in-child.ts";

/** Two users without any privilege. */
export const somebody = 65534;
export const somebodyElse = 65533;

/** The command line prefix that makes a program run as that user, without groups and capabilities. */
export function as(uid: number): string[] {
  return ["setpriv", `--reuid=${uid}`, `--regid=${uid}`, "--clear-groups", "--inh-caps=-all"];
}

/** The command line prefix that runs `script` in a mount namespace of its own, and then the program. */
export function mounted(script: string, ...args: string[]): string[] {
  return [
    "unshare",
    "--mount",
    "--propagation",
    "private",
    "sh",
    "-ec",
    `${script}\nshift ${args.length}\nexec "$@"`,
    "sh",
    ...args,
  ];
}

/**
 * A root directory that has all of ours but the files by which containers are
 * known: none of them, or that of one program.
 */
function rootOf(container: Container, directory: string): string[] {
  if (container === "unchanged") return [];
  const marker = { none: "", docker: ".dockerenv", podman: "run/.containerenv" }[container];
  const script = `
    mount -t tmpfs none "$1"
    for entry in /*; do
      if [ -L "$entry" ]; then cp -P "$entry" "$1/"
      elif [ "$entry" = /run ]; then mkdir "$1/run"
      elif [ -d "$entry" ]; then mkdir "$1$entry"; mount --rbind "$entry" "$1$entry"
      fi
    done
    [ -z "$2" ] || : >"$1/$2"`;
  return [...mounted(script, directory, marker), "chroot", directory];
}

/** "unchanged" keeps the root directory: no user namespace can be made behind chroot(2). */
export type Container = "none" | "docker" | "podman" | "unchanged";

export interface ChildOptions {
  /** A command line prefix, run as root before anything else. */
  readonly through?: readonly string[];
  /** A command line prefix that the user runs. */
  readonly inside?: readonly string[];
  /** What the child can take itself to be in. Default: no container. */
  readonly container?: Container;
  /** Further fds, from 3 on. */
  readonly fds?: readonly number[];
}

/** What tests need that run child.ts as other users: files that these can read, and places to mount things. */
export interface Others extends Disposable {
  /** The path at which {@link clone} puts its node. */
  readonly path: string;
  /** Prefix: there is a node `numbers` of that `mode` at `path`. */
  clone(mode: string, numbers?: string, mountOptions?: string): string[];
  /** child.ts as that user. */
  run(uid: number, request: ChildRequest, options?: ChildOptions): ChildReport;
  /** As `run`; see {@link inChildWhile}. */
  runWhile(
    uid: number,
    request: ChildRequest,
    meanwhile: readonly (() => unknown)[],
    options?: ChildOptions,
  ): Promise<ChildReport>;
}

export function others(): Others {
  const tree = publicTree();
  const directory = mkdtempSync(join(tmpdir(), "bun-tuntap-as-"));
  const [device, root] = [join(directory, "device"), join(directory, "root")];
  for (const path of [device, root]) mkdirSync(path);
  chmodSync(directory, 0o755);
  const surroundings = (
    uid: number,
    { through = [], inside = [], container = "none", fds = [] }: ChildOptions = {},
  ): ChildSurroundings => ({
    through: [...through, ...rootOf(container, root), ...(uid === 0 ? [] : as(uid)), ...inside],
    tree: tree.path,
    fds,
  });
  return {
    path: join(device, "tun"),
    clone: (mode, numbers = "c 10 200", mountOptions = "dev") =>
      mounted(
        'mount -t tmpfs -o "mode=755,$4" none "$1"; mknod "$1/tun" $3; chmod "$2" "$1/tun"',
        ...[device, mode, numbers, mountOptions],
      ),
    run: (uid, request, options) => inChild(request, surroundings(uid, options)),
    runWhile: (uid, request, meanwhile, options) => inChildWhile(request, meanwhile, surroundings(uid, options)),
    [Symbol.dispose]: () => {
      tree[Symbol.dispose]();
      rmSync(directory, { recursive: true });
    },
  };
}

/** Why tests cannot run programs as others here, or undefined. */
export function noOthers(): string | undefined {
  if (process.env["BUN_TUNTAP_TEST_NETNS"] !== "1" || process.getuid?.() !== 0)
    return "needs root: run `sudo bun test`";
  for (const tool of ["setpriv", "unshare", "mount", "mknod", "ip"]) {
    if (Bun.which(tool) === null) return `needs ${tool}: install with your package manager`;
  }
  try {
    accessSync("/dev/net/tun", constants.R_OK | constants.W_OK);
  } catch {
    return "needs /dev/net/tun: `sudo modprobe tun`";
  }
  const probe = mounted("mount -t tmpfs none /mnt; mknod /mnt/tun c 10 200; : <>/mnt/tun; cd /");
  const { exitCode } = Bun.spawnSync([...probe, ...as(somebody), "true"]);
  return exitCode === 0 ? undefined : "needs the root of the initial user namespace: `sudo $(command -v bun) test`";
}

/** Root of a user and network namespace of its own, as in a rootless container. */
export const rootless: readonly string[] = ["unshare", "--user", "--map-root-user", "--net"];

/** Why users cannot make user namespaces here, or undefined. */
export function noRootless(): string | undefined {
  return Bun.spawnSync([...as(somebody), ...rootless, "true"]).exitCode === 0
    ? undefined
    : "needs user namespaces for every user: see sysctl user.max_user_namespaces and kernel.apparmor_restrict_unprivileged_userns";
}
