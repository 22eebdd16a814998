import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { existsSync, mkdtempSync } from "node:fs";
import { join } from "node:path";
import { describeUnless } from "../support/privilege.ts";
import { mounted, noOthers, type Others, others, somebody } from "./as-others.ts";
import { leavingNothing, warmUp } from "./support.ts";

/** Prefix: /dev/net is empty. */
const noNode = mounted("mount -t tmpfs none /dev/net");

/** Programs are started, some of them several times. */
setDefaultTimeout(60_000);

let people: Others;

// Each in a mount namespace of its own: the machine's /dev is as it was.
describeUnless(noOthers(), "openTun() and the clone device", () => {
  beforeAll(() => {
    people = others();
    warmUp();
  });
  afterAll(() => people[Symbol.dispose]());

  test("path: another node of the driver serves", async () => {
    const options = { path: people.path, name: "node0" };
    const { opened } = await leavingNothing(() =>
      people.run(0, { call: "openTun", options }, { through: people.clone("0600") }),
    );
    expect(opened).toEqual({ value: "node0" });
  });

  test("no /dev/net/tun: ENOENT, with the module and the container's flags", async () => {
    for (const uid of [0, somebody]) {
      const { opened } = await leavingNothing(() => people.run(uid, { call: "openTun" }, { through: noNode }));
      expect(opened.error).toMatchObject({ code: "ENOENT", errno: -2, syscall: "open" });
      expect(opened.error?.message).toContain("/dev/net/tun");
      expect(opened.error?.hint).toContain("modprobe tun");
      expect(opened.error?.hint).toContain("--device /dev/net/tun --cap-add NET_ADMIN");
    }
  });

  test.each(["docker", "podman"] as const)(
    "in a container of %s: the whole command, whatever is missing",
    (container) => {
      const command = `${container} run --device /dev/net/tun --cap-add NET_ADMIN`;
      const missing = people.run(0, { call: "openTun" }, { through: noNode, container });
      expect(missing.opened.error).toMatchObject({ code: "ENOENT", hint: expect.stringContaining(command) });
      const request = { call: "openTun", options: { path: people.path } } as const;
      const powerless = people.run(somebody, request, { through: people.clone("0666"), container });
      expect(powerless.opened.error).toMatchObject({ code: "EPERM", hint: expect.stringContaining(command) });
    },
  );

  test("path: a file that is not there: ENOENT, and to leave it out", () => {
    const { opened } = people.run(0, { call: "openTun", options: { path: "/dev/net/tap" } });
    expect(opened.error).toMatchObject({ code: "ENOENT", errno: -2, syscall: "open" });
    expect(opened.error?.message).toContain("/dev/net/tap");
    expect(opened.error?.hint).toContain("`path`");
  });

  // The misc driver answers ENODEV for a minor number that nobody registered, a major one without driver ENXIO.
  test.each([
    { numbers: "c 10 77", code: "ENODEV" },
    { numbers: "c 511 3", code: "ENXIO" },
  ])("a node $numbers without driver: $code, and to load the module", ({ numbers, code }) => {
    const through = people.clone("0600", numbers);
    const { opened } = people.run(0, { call: "openTun", options: { path: people.path } }, { through });
    expect(opened.error).toMatchObject({ code, syscall: "open" });
    expect(opened.error?.message).toContain(people.path);
    expect(opened.error?.hint).toContain("modprobe tun");
  });

  test("a node on a file system that is mounted nodev: EACCES that does not blame its mode alone", () => {
    const through = people.clone("0666", "c 10 200", "nodev");
    for (const uid of [0, somebody]) {
      const { opened } = people.run(uid, { call: "openTun", options: { path: people.path } }, { through });
      expect(opened.error).toMatchObject({ code: "EACCES", errno: -13, syscall: "open" });
      expect(opened.error?.hint).toContain("nodev");
    }
  });
});

const devices = "/sys/fs/cgroup/devices";

// Not every machine can have it: version 2 has an eBPF program in its place. So this one may be skipped in CI, too.
const underCgroup = existsSync(`${devices}/devices.deny`)
  ? (tests: () => void) => describeUnless(noOthers(), "openTun() under a device cgroup", tests)
  : (tests: () => void) =>
      describe.skip("openTun() under a device cgroup [skipped: needs the devices controller of cgroup v1]", tests);

underCgroup(() => {
  test("EPERM from open: the hint names the cgroup, and how to allow the device", async () => {
    using run = others();
    const group = mkdtempSync(join(devices, "bun-tuntap-"));
    try {
      const deny = `echo "c 10:200 rwm" >${group}/devices.deny; echo $$ >${group}/cgroup.procs`;
      const { opened } = await leavingNothing(() => run.run(0, { call: "openTun" }, { through: mounted(deny) }));
      expect(opened.error).toMatchObject({ code: "EPERM", errno: -1, syscall: "open" });
      expect(opened.error?.hint).toContain("device cgroup");
      expect(opened.error?.hint).toContain("10:200");
    } finally {
      Bun.spawnSync(["rmdir", group]);
    }
    expect(existsSync(group)).toBe(false);
  });
});
