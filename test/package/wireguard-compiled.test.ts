/** apps/wireguard as one executable, in a root with nothing but its shared objects: with libcrypto, and without. */
import { afterAll, beforeAll, beforeEach, expect, test } from "bun:test";
import { copyFileSync, mkdirSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { type Host, keys, ours, Rig } from "../apps/wireguard/rig.ts";
import { describeWithTools } from "../support/privilege.ts";
import { listing, makeBareRoot, sharedObjects } from "./bare-root.ts";
import { mustRunIn, projectPath, temporaryFolder } from "./support.ts";

const tools = ["unshare", "mount", "chroot", "ldd", "ip", "wg", "ping", "nsenter", "ldconfig"];

/** A bare root like that of bare-root.ts; the folder of the configuration sockets is the host's, so that its wg finds them. */
const script = `
set -e
root=$1
shift
mount --bind "$root" "$root"
mount -t proc proc "$root/proc"
mount --bind /dev/net/tun "$root/dev/net/tun"
mount --bind /run/wireguard "$root/var/run/wireguard"
mount -o remount,bind,ro "$root"
exec env -i LOG_LEVEL=verbose "$(command -v chroot)" "$root" /program "$@"
`;

/** The path of this machine's libcrypto. */
function libcrypto(): string {
  const [, path] = /libcrypto\.so\.3 .*=> (\S+)/.exec(mustRunIn("/", "ldconfig", "-p")) ?? [];
  if (path === undefined) throw new Error("This machine has no libcrypto.so.3");
  return path;
}

function setUp(rig: Rig, host: Host, name: string, own: string, other: string, config: readonly string[]): void {
  const port = ["listen-port", "51820", "private-key", rig.file(name, own)];
  host.run("wg", "set", name, ...port, "peer", other, "allowed-ips", "198.51.100.0/24", ...config);
  host.run("ip", "addr", "add", `198.51.100.${host.number}/24`, "dev", name);
  host.run("ip", "link", "set", name, "up");
}

describeWithTools("the compiled executable of apps/wireguard", tools, () => {
  let folder: ReturnType<typeof temporaryFolder>;
  let root: string;

  beforeAll(() => {
    folder = temporaryFolder();
    root = join(folder.path, "root");
    const source = join(projectPath, "apps/wireguard/index.ts");
    mustRunIn("/", process.execPath, "build", "--compile", source, "--outfile", join(folder.path, "wireguard"));
  }, 180_000);
  afterAll(() => folder?.[Symbol.dispose]());

  beforeEach(() => {
    rmSync(root, { recursive: true, force: true });
    mkdirSync(root);
    makeBareRoot(root, join(folder.path, "wireguard"));
    mkdirSync(join(root, "var/run/wireguard"), { recursive: true });
  });

  test.each([
    { machine: "without libcrypto", cipher: "libsodium (WebAssembly)" },
    { machine: "with libcrypto", cipher: "libcrypto (libcrypto.so.3)" },
  ])(
    "$machine it takes $cipher, says so, and carries packets",
    async ({ machine, cipher }) => {
      const executable = join(folder.path, "wireguard");
      const more = machine === "with libcrypto" ? [libcrypto(), ...sharedObjects(libcrypto())] : [];
      for (const file of more) {
        mkdirSync(join(root, dirname(file)), { recursive: true });
        copyFileSync(file, join(root, file));
      }
      const files = ["/dev/net/tun", "/proc", "/program", "/var/run/wireguard", ...more, ...sharedObjects(executable)];
      expect(listing(root)).toEqual([...new Set(files)].sort());

      using rig = await Rig.open(2);
      const [a, b] = [rig.host(1), rig.host(2)];
      const bare = await rig.serve(a, ["unshare", "--mount", "sh", "-c", script, "sh", root], "wg1");
      await rig.serve(b, ours, "wg2");
      const [ka, kb] = [keys(), keys()];
      setUp(rig, a, "wg1", ka.private, kb.public, ["endpoint", `${b.ipv4}:51820`]);
      setUp(rig, b, "wg2", kb.private, ka.public, []);
      a.run("ping", "-c", "3", "-i", "0.1", "-W", "10", "198.51.100.2");
      b.run("ping", "-c", "3", "-i", "0.1", "-W", "10", "198.51.100.1");

      process.kill(bare.pid, "SIGTERM");
      expect(await bare.exited).toBe(0);
      const log = await bare.stderr.text();
      expect(log).toContain(`started cipher=${cipher} mtu=1420`);
      expect(log).not.toContain(ka.private);
      expect(listing(root)).toEqual([...new Set(files)].sort());
    },
    180_000,
  );
});
