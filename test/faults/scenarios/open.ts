/** Opening, with options of every sort. */
import { adopt, openTap, openTun } from "../../../src/index.ts";
import { run } from "../../support/system.ts";
import { expectThat, type Scenario, type World } from "../scenario.ts";

const tun: Scenario = {
  name: "open a TUN with ten options",
  async run(world) {
    using device = openTun({
      name: "fault%d",
      mtu: 1400,
      txQueueLength: 700,
      alias: "a fault",
      ipv6: false,
      owner: 0,
      group: 0,
      addresses: ["192.0.2.1/24", "2001:db8::1/64"],
      routes: ["198.51.100.0/24", { to: "2001:db8:1::/48" }],
      up: true,
    });
    world.calmly(() => {
      const { mtu, txQueueLength, alias } = device.info();
      expectThat(
        mtu === 1400 && txQueueLength === 700 && alias === "a fault" && device.isUp,
        "the options are in force",
      );
      expectThat(device.addresses().length === 2, "it has both addresses");
      const added = device.routes().filter(({ to }) => /^198|2001:db8:1:/.test(to));
      expectThat(added.length === 2, "it has both routes");
    });
  },
};

const tap: Scenario = {
  name: "open a TAP as a port of a bridge, with filters",
  prepare() {
    run("ip", "link", "add", "faultbr", "type", "bridge");
    return () => run("ip", "link", "del", "faultbr");
  },
  async run(world) {
    using device = openTap({
      mac: "02:00:5e:00:53:01",
      master: "faultbr",
      promiscuous: true,
      allMulticast: true,
      up: true,
    });
    device.setTxFilter(["02:00:5e:00:53:02"]);
    // Accepts all: BPF_RET | BPF_K, include/uapi/linux/bpf_common.h.
    device.attachFilter([[0x06, 0, 0, 0xffff]]);
    device.detachFilter();
    device.setCarrier(false);
    device.setCarrier(true);
    world.calmly(() => {
      expectThat(device.mac === "02:00:5e:00:53:01" && device.info().master !== undefined, "the options are in force");
    });
  },
};

const inNetns: Scenario = {
  name: "open in another network namespace",
  async run(world) {
    using device = openTun({ netns: world.other, addresses: ["192.0.2.1/24"], change() {} });
    device.setMtu(1300);
    world.calmly(() => expectThat(device.mtu === 1300 && device.addresses().length >= 1, "the options are in force"));
  },
};

const PERSISTENT = "faultpers";

/** The state of a persistent interface, which others have set. */
function persistentState(): string {
  const shown = JSON.parse(run("ip", "-j", "-d", "address", "show", "dev", PERSISTENT)) as Record<string, unknown>[];
  const routes = run("ip", "-j", "route", "show", "dev", PERSISTENT);
  const volatile = ["operstate", "qdisc", "tentative", "nodad", "ifindex", "preferred_life_time", "valid_life_time"];
  const settled = (key: string, value: unknown): unknown =>
    key === "flags"
      ? (value as string[]).filter((flag) => !/NO-CARRIER|LOWER_UP/.test(flag))
      : volatile.includes(key)
        ? undefined
        : value;
  return (
    JSON.stringify(shown, settled) + routes.replaceAll("linkdown", "").replaceAll('"",', "").replaceAll('[""]', "[]")
  );
}

const attach: Scenario = {
  name: "attach to a persistent interface with other options",
  prepare() {
    run("ip", "tuntap", "add", PERSISTENT, "mode", "tun", "user", "0");
    const set = `ip link set ${PERSISTENT} mtu 1450 alias before; ip address add 192.0.2.7/24 dev ${PERSISTENT}`;
    run("sh", "-c", set);
    return () => run("ip", "tuntap", "del", PERSISTENT, "mode", "tun");
  },
  state: persistentState,
  repair: putBack,
  async run(world) {
    using device = openTun({
      name: PERSISTENT,
      mtu: 1300,
      alias: "during",
      offload: true,
      addresses: ["192.0.2.8/24", "192.0.2.9/24"],
      routes: ["198.51.100.0/24"],
    });
    world.calmly(() => {
      expectThat(device.mtu === 1300, "the options are in force");
      device.close();
      putBack();
    });
  },
};

/** After it was opened with success: as {@link attach} has made it. */
function putBack(): void {
  run("ip", "tuntap", "del", PERSISTENT, "mode", "tun");
  attach.prepare?.({} as World);
}

const persist: Scenario = {
  name: "open a persistent interface, and let it go",
  async run(world) {
    const device = openTun({ owner: 0, persist: true, alias: "stays" });
    try {
      device.setOwner(1);
      device.setGroup(1);
      device.setPersist(false);
    } finally {
      world.calmly(() => {
        if (!device.closed) device.setPersist(false);
      });
      device.close();
    }
  },
};

const queues: Scenario = {
  name: "open queues, and adopt one",
  async run() {
    using device = openTun({ multiQueue: true, addresses: ["192.0.2.1/24"] });
    using queue = device.openQueue();
    const fd = queue.fd;
    using second = adopt(fd);
    queue.release();
    second.setQueue(false);
    second.setQueue(true);
    device.setSteering(null);
  },
};

export const opening: readonly Scenario[] = [tun, tap, inNetns, attach, persist, queues];
