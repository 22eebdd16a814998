/** Each thing that can be missing, taken away for real, is told apart from the others. */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { existsSync, mkdtempSync } from "node:fs";
import { join } from "node:path";
import { openTun } from "../../src/index.ts";
import { mounted, noOthers, noRootless, rootless, somebody } from "../device/as-others.ts";
import { describeUnless } from "../support/privilege.ts";
import { isOneSentence } from "../support/programs.ts";
import { interfaceNames, newInterfaces, run } from "../support/system.ts";
import {
  asSomebody,
  checkOf,
  cloneDevice,
  deviceFolder,
  idsOf,
  installed,
  type Package,
  rootWith,
  withNetAdmin,
} from "./support.ts";

/** Programs are started, with a Bun that others can read. */
setDefaultTimeout(60_000);

let package_: Package;
let interfaces: string[];

beforeAll(() => {
  if (noOthers() !== undefined) return;
  package_ = installed();
  interfaces = interfaceNames();
});
afterAll(() => {
  package_?.[Symbol.dispose]();
  if (interfaces !== undefined) expect(newInterfaces(interfaces)).toEqual([]);
});

describeUnless(noOthers(), "probe() and the clone device", () => {
  test("a closed device: EACCES from open, by the file's mode", () => {
    const report = package_.report({ through: [...cloneDevice("0600"), ...withNetAdmin] });
    expect(report.node).toMatchObject({ mode: "0600", driver: true, opening: { failure: { code: "EACCES" } } });
    expect(idsOf(report, "missing")).toEqual(["open"]);
    expect(checkOf(report, "open").cure).toContain("chmod 0666 /dev/net/tun");
    expect(idsOf(report, "skipped")).toEqual(["tun", "tap", "features", "offloads"]);
  });

  test("no device: ENOENT", () => {
    const report = package_.report({ through: deviceFolder("true") });
    expect(report).toMatchObject({
      ok: false,
      node: { kind: null, opening: { failure: { code: "ENOENT", errno: -2 } } },
    });
    expect(idsOf(report, "missing")).toEqual(["node"]);
    expect(checkOf(report, "node").cure).toContain("--device /dev/net/tun --cap-add NET_ADMIN");
  });

  test.each([
    { kind: "directory", script: "mkdir /dev/net/tun" },
    { kind: "file", script: ": >/dev/net/tun" },
    { kind: "special file", script: "mkfifo /dev/net/tun" },
  ])("a $kind in its place", ({ kind, script }) => {
    const report = package_.report({ through: deviceFolder(script) });
    expect(report.node).toMatchObject({ kind, device: null });
    expect(idsOf(report, "missing")).toEqual(["node"]);
    expect(checkOf(report, "node").cure).toContain("remove it");
  });

  // The misc driver answers ENODEV for a minor number that nobody registered, a major one without driver ENXIO.
  test.each([
    { numbers: "c 10 77", code: "ENODEV" },
    { numbers: "c 511 3", code: "ENXIO" },
  ])("no driver behind $numbers: $code", ({ numbers, code }) => {
    const report = package_.report({ through: cloneDevice("0666", numbers) });
    expect(report.node).toMatchObject({ driver: false, opening: { failure: { code } } });
    expect(report.node.device).toBe(numbers.slice(2).replace(" ", ":"));
    expect(idsOf(report, "missing")).toEqual(["driver"]);
    expect(checkOf(report, "driver").cure).toContain("modprobe tun");
  });

  test("a file system that is mounted nodev", () => {
    const report = package_.report({ through: cloneDevice("0666", "c 10 200", "nodev") });
    expect(idsOf(report, "missing")).toEqual(["open"]);
    expect(checkOf(report, "open").cure).toContain("nodev: mount it with `dev`");
  });
});

describeUnless(noOthers(), "probe() and the user", () => {
  test("nobody, with a device that opens: EPERM from TUNSETIFF, and the capability", () => {
    const report = package_.report({ through: [...cloneDevice("0666"), ...asSomebody] });
    expect(report.user).toMatchObject({
      uid: somebody,
      capabilities: { netAdmin: false, sysAdmin: false },
      netAdmin: { works: false, failure: { code: "EPERM" } },
      networkNamespaces: { works: false, failure: { code: "EPERM", syscall: "unshare(CLONE_NEWNET)" } },
    });
    expect(report.tun).toMatchObject({
      works: false,
      failure: { code: "EPERM", errno: -1, syscall: "ioctl(TUNSETIFF)" },
    });
    expect(idsOf(report, "missing")).toEqual(["net-admin", "tun", "tap"]);
    expect(checkOf(report, "tun").cure).toBe(checkOf(report, "net-admin").cure as string);
    // First what works here by itself: where the kernel allows user namespaces, with the command that was typed.
    const { cure } = checkOf(report, "net-admin");
    if (report.user.userNamespaces.works)
      expect(cure).toMatch(
        /^in a network namespace .*`unshare -Urn \S+\/bun \S+\/bun-tuntap\.ts doctor --json`; in this one /,
      );
    // Any open fd tells these.
    expect(report.features).toMatchObject({ IFF_TUN: true, IFF_MULTI_QUEUE: true });
    expect(report.offloads).toBeNull();
  });

  test("nobody, with a closed device: both are told at once", () => {
    const report = package_.report({ through: [...cloneDevice("0600"), ...asSomebody] });
    expect(idsOf(report, "missing")).toEqual(["net-admin", "open"]);
  });

  test("CAP_NET_ADMIN alone is enough, in this network namespace", () => {
    const report = package_.report({ through: [...cloneDevice("0666"), ...withNetAdmin] });
    expect(report).toMatchObject({ ok: true, tap: { works: true }, offloads: { TUN_F_CSUM: true } });
    expect(report.user).toMatchObject({ capabilities: { netAdmin: true, sysAdmin: false } });
    expect(idsOf(report, "missing")).toEqual([]);
    expect(idsOf(report, "warning")).toEqual(["network-namespaces"]);
    expect(checkOf(report, "network-namespaces").cure).toContain("CAP_SYS_ADMIN");
  });

  test("interfaces that were made for this user are named", () => {
    const made = (name: string, owner: number): Disposable => {
      openTun({ name, persist: true, owner }).close();
      return { [Symbol.dispose]: () => void run("ip", "link", "delete", name) };
    };
    using _mine = made("mine0", somebody);
    using _yours = made("yours0", somebody - 1);
    const report = package_.report({ through: [...cloneDevice("0666"), ...asSomebody] });
    expect(report).toMatchObject({ ok: false, attachable: ["mine0"] });
    expect(checkOf(report, "attachable")).toMatchObject({ status: "ok", detail: expect.stringContaining("mine0") });
  });

  test("user namespaces that are used up: ENOSPC, and the limit", () => {
    const limited = ["unshare", "--user", "--map-root-user", "sh", "-c"];
    const script = 'echo 0 >/proc/sys/user/max_user_namespaces && exec "$@"';
    const report = package_.report({ through: [...limited, script, "sh"] });
    expect(report.user.userNamespaces).toMatchObject({ works: false, failure: { code: "ENOSPC", errno: -28 } });
    expect(checkOf(report, "user-namespaces").status).toBe("warning");
    expect(checkOf(report, "user-namespaces").cure).toContain("sysctl user.max_user_namespaces");
  });

  test("user namespaces behind chroot(2): EPERM", () => {
    const root = mounted("mount --rbind / /mnt");
    const report = package_.report({ through: [...root, "chroot", "/mnt"] });
    expect(report.user.userNamespaces).toMatchObject({ works: false, failure: { code: "EPERM", errno: -1 } });
    expect(checkOf(report, "user-namespaces").cure).toContain("chroot(2)");
    expect(report.ok).toBe(true);
  });
});

describeUnless(noOthers() ?? noRootless(), "probe() and root of a user namespace", () => {
  test("with a network namespace of its own: all works", () => {
    const report = package_.report({ through: [...cloneDevice("0666"), ...asSomebody, ...rootless] });
    expect(report).toMatchObject({ ok: true, user: { uid: 0, initialUserNamespace: false } });
    expect(idsOf(report, "missing")).toEqual([]);
  });

  test("with that of the host: the capability is there, and counts for nothing here", () => {
    const through = [...cloneDevice("0666"), ...asSomebody, "unshare", "--user", "--map-root-user"];
    const report = package_.report({ through });
    // In a namespace made for the purpose it would have worked.
    expect(report.user).toMatchObject({ networkNamespaces: { works: true }, netAdmin: { works: false } });
    expect(report).toMatchObject({ ok: false, user: { capabilities: { netAdmin: true } }, tun: { works: false } });
    expect(idsOf(report, "missing")).toEqual(["net-admin", "tun", "tap"]);
    expect(checkOf(report, "net-admin").cure).toContain("unshare -Urn");
  });

  test("with a closed device: the file's mode, which root there cannot change", () => {
    const report = package_.report({ through: [...cloneDevice("0600"), ...asSomebody, ...rootless] });
    expect(idsOf(report, "missing")).toEqual(["open"]);
    expect(checkOf(report, "open").cure).toContain("on the host");
  });
});

describeUnless(noOthers(), "probe() and Bun", () => {
  test.each(["--no-addons", "--no-ffi-cc"])("with %s: the shim is missing, and what needs it is skipped", (flag) => {
    const report = package_.report({ flags: [flag] });
    expect(report).toMatchObject({ ok: false, shim: { works: false, compileMs: null } });
    expect(report.shim.failure).toMatchObject({ code: "ERR_TUNTAP_NATIVE", syscall: null });
    expect(idsOf(report, "missing")).toEqual(["shim"]);
    expect(checkOf(report, "shim").cure).toContain("--no-addons");
    // What node:fs tells is told all the same.
    expect(report.node).toMatchObject({ kind: "character device", opening: { works: true } });
    const skipped = [
      "waker",
      "rtnetlink",
      "network-namespaces",
      "user-namespaces",
      "tun",
      "tap",
      "features",
      "offloads",
    ];
    expect(idsOf(report, "skipped")).toEqual(skipped);
  });

  test("with --no-ffi-cc, as nobody: the shim and the capability", () => {
    const report = package_.report({ flags: ["--no-ffi-cc"], through: [...cloneDevice("0666"), ...asSomebody] });
    expect(idsOf(report, "missing")).toEqual(["shim", "net-admin"]);
    expect(checkOf(report, "net-admin").cure).toSatisfy(isOneSentence);
  });

  test("with systemd-networkd and NetworkManager around: a warning for each, not for networkd's empty folder", () => {
    const inRun = (script: string): string[] => mounted(`mount -t tmpfs none /run; ${script}`);
    const empty = package_.report({ through: inRun("mkdir -p /run/systemd/netif") });
    expect(empty.networkManagers).toEqual([]);
    const script = "mkdir -p /run/systemd/netif /run/NetworkManager; : >/run/systemd/netif/state";
    const report = package_.report({ through: inRun(script) });
    expect(report).toMatchObject({ ok: true, networkManagers: ["systemd-networkd", "NetworkManager"] });
    expect(idsOf(report, "warning")).toEqual(["systemd-networkd", "network-manager"]);
  });

  test.each([
    { sign: "nothing", made: ":", env: {}, container: null },
    { sign: "a file of Docker's", made: ": >/.dockerenv", env: {}, container: "docker" },
    { sign: "a file of Podman's", made: ": >/run/.containerenv", env: {}, container: "podman" },
    {
      sign: "a file of systemd's",
      made: "mkdir /run/systemd; echo lxc >/run/systemd/container",
      env: {},
      container: "lxc",
    },
    { sign: "$container", made: ":", env: { container: "systemd-nspawn" }, container: "systemd-nspawn" },
    { sign: "Kubernetes' variable", made: ":", env: { KUBERNETES_SERVICE_HOST: "192.0.2.1" }, container: "kubernetes" },
  ])("told by $sign that it is in a container: which", ({ made, env, container }) => {
    expect(package_.report({ through: rootWith(made), env }).system.container).toBe(container);
  });
});

const devices = "/sys/fs/cgroup/devices";
// Not every machine can have it: version 2 has an eBPF program in its place. So this one may be skipped in CI, too.
const testCgroup = existsSync(`${devices}/devices.deny`) ? test : test.skip;

describeUnless(noOthers(), "probe() under a device cgroup (of version 1, or skipped)", () => {
  testCgroup("EPERM from open, and the cgroup", () => {
    const group = mkdtempSync(join(devices, "bun-tuntap-"));
    try {
      const deny = `echo "c 10:200 rwm" >${group}/devices.deny; echo $$ >${group}/cgroup.procs`;
      const report = package_.report({ through: mounted(deny) });
      expect(report.node).toMatchObject({ driver: true, opening: { failure: { code: "EPERM", syscall: "open" } } });
      expect(idsOf(report, "missing")).toEqual(["open"]);
      expect(checkOf(report, "open").cure).toContain("device cgroup");
    } finally {
      run("rmdir", group);
    }
  });
});
