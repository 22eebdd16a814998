/** listDevices() and deleteDevice(), against what `ip` makes and shows. */
import { beforeAll, expect, test } from "bun:test";
import { adopt, deleteDevice, type InterfaceInfo, listDevices, openTap, openTun } from "../../src/index.ts";
import { leavingNothing, otherNamespace, persistentInterface, refusal, warmUp } from "../device/support.ts";
import { describeWithTools } from "../support/privilege.ts";
import { interfaceNames, quietIPv6, run } from "../support/system.ts";
import { infoByIp, shownLinks } from "./support.ts";

type Listed = Omit<InterfaceInfo, "carrier">[];

const byIndex = (a: { index: number }, b: { index: number }): number => a.index - b.index;

/** Returns what listDevices() says, without what `ip` shows of an interface that is up alone. */
function listed(netns?: number): Listed {
  const all = listDevices(netns === undefined ? {} : { netns });
  return all.map(({ carrier: _, ...info }) => info).sort(byIndex);
}

function shown(through: readonly string[] = []): Listed {
  const links = shownLinks(through);
  const ours = links.filter(({ linkinfo }) => linkinfo?.info_kind === "tun");
  return ours.map((link) => infoByIp(link, links)).sort(byIndex);
}

/** All ways in which `ip tuntap` makes an interface. */
const made: readonly string[][] = [
  ["tun"],
  ["tap"],
  ["tun", "user", "1234"],
  ["tun", "group", "5678"],
  ["tap", "user", "0", "group", "0"],
  ["tun", "pi"],
  ["tap", "vnet_hdr"],
  ["tap", "multi_queue"],
  ["tun", "user", "4294967294", "pi", "vnet_hdr", "multi_queue"],
];

describeWithTools("listDevices()", ["ip", "unshare", "nsenter"], () => {
  beforeAll(() => {
    quietIPv6();
    warmUp();
  });

  test("has all that ip makes, as ip shows it, and nothing else", async () => {
    using all = new DisposableStack();
    for (const [i, how] of made.entries()) all.use(persistentInterface(`made${i}`, ...how));
    run("ip", "link", "add", "dummy0", "type", "bridge");
    run("ip", "link", "set", "made1", "master", "dummy0", "mtu", "1400", "alias", "to the office", "txqueuelen", "7");
    all.defer(() => run("ip", "link", "delete", "dummy0"));
    await leavingNothing(() => {
      expect(listed().map(({ name }) => name)).toEqual(made.map((_, i) => `made${i}`));
      expect(listed()).toEqual(shown());
    });
  });

  test("lists open interfaces, whoever opened them, with their number of queues", () => {
    using _tun = openTun({ name: "open0", addresses: ["192.0.2.1/24"], ipv6: false });
    using tap = openTap({ name: "open1", multiQueue: true, promiscuous: true, txQueueLength: 9 });
    using queues = new DisposableStack();
    for (const count of [1, 2, 3]) {
      const found = listed().find(({ name }) => name === "open1");
      expect(found).toMatchObject({ queues: count, disabledQueues: 0, multiQueue: true, promiscuous: true });
      expect(listed()).toEqual(shown());
      const queue = tap.openQueue();
      expect(listed().find(({ name }) => name === "open1")).toMatchObject({ queues: count, disabledQueues: 1 });
      queues.use(adopt(queue.release()));
    }
  });

  test("of another namespace, and 200 of them: more than one reading brings", async () => {
    using other = await otherNamespace();
    const batch = Array.from({ length: 200 }, (_, i) => `tuntap add dev many${i} mode ${i % 2 ? "tun" : "tap"}`);
    other.run("sh", "-c", `printf '%s\\n' ${batch.map((line) => `'${line}'`).join(" ")} | ip -batch -`);
    const all = listed(other.pid);
    expect(all).toHaveLength(200);
    expect(all).toEqual(shown(["nsenter", "--target", `${other.pid}`, "--net"]));
    expect(listed()).toEqual([]);
  });

  test("takes no privilege", () => {
    using _made = persistentInterface("seen0", "tun", "user", "1234");
    const script = `console.log(JSON.stringify(require("${import.meta.dir}/../../src/index.ts").listDevices()))`;
    const { stdout, stderr } = Bun.spawnSync(["setpriv", "--bounding-set=-all", process.execPath, "-e", script]);
    expect(`${stderr}`).toBe("");
    expect(JSON.parse(`${stdout}`)).toMatchObject([{ name: "seen0", owner: 1234, persistent: true }]);
  });
});

describeWithTools("deleteDevice()", ["ip"], () => {
  beforeAll(() => {
    quietIPv6();
    warmUp();
  });

  test("deletes a persistent interface without an attached fd", async () => {
    run("ip", "tuntap", "add", "dev", "dele0", "mode", "tap");
    await leavingNothing(() => listDevices());
    deleteDevice("dele0");
    expect(interfaceNames()).not.toContain("dele0");
  });

  test("ends the device of an interface in use", async () => {
    let reason: string | undefined;
    const { promise, resolve } = Promise.withResolvers<void>();
    const tun = openTun({
      name: "dele1",
      close: (_, error) => {
        reason = error?.code;
        resolve();
      },
    });
    deleteDevice("dele1");
    await promise;
    expect({ reason, closed: tun.closed }).toEqual({ reason: "EBADFD", closed: true });
  });

  test("in another namespace, and not here", async () => {
    using other = await otherNamespace();
    using here = openTun({ name: "dele2" });
    using there = openTun({ name: "dele2", netns: other.pid });
    deleteDevice("dele2", { netns: other.pid });
    expect(here.mtu).toBe(1500);
    expect(refusal(() => there.mtu).code).toBe("ERR_TUNTAP_CLOSED");
  });

  test("refuses an option that is not known, and deletes nothing: it would be here, and not where it was meant", () => {
    using tun = openTun({ name: "dele3" });
    const misspelt = { netnss: process.pid } as { netns?: number };
    for (const call of [() => deleteDevice("dele3", misspelt), () => listDevices(misspelt)]) {
      expect(call).toThrow(new TypeError('Unknown option "netnss", did you mean "netns"? Known are netns'));
    }
    expect(tun.isUp).toBe(false);
    expect(tun.closed).toBe(false);
  });

  test("refuses other kinds of interfaces, and missing ones, with a hint", async () => {
    run("ip", "link", "add", "bridge0", "type", "bridge");
    try {
      for (const name of ["bridge0", "lo"]) {
        const error = await leavingNothing(() => refusal(() => deleteDevice(name)));
        expect(error).toMatchObject({ code: "EINVAL", hint: expect.stringContaining("listDevices()") });
        expect(error.message).toContain(`"${name}" is no TUN/TAP interface`);
      }
    } finally {
      run("ip", "link", "delete", "bridge0");
    }
    const error = await leavingNothing(() => refusal(() => deleteDevice("nobody0")));
    expect(error).toMatchObject({ code: "ENODEV", hint: expect.stringContaining("listDevices()") });
    for (const name of ["", "a/b", "tun%d", "sixteen-letters-"]) expect(() => deleteDevice(name)).toThrow(RangeError);
  });
});
