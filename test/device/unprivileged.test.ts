import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { openTap, openTun } from "../../src/index.ts";
import { IFF_NO_PI, IFF_TAP, IFF_TUN } from "../../src/sys/constants.ts";
import { openClone } from "../../src/sys/netns.ts";
import { closeFd, getIff, setIff } from "../../src/sys/tun.ts";
import { describeUnless } from "../support/privilege.ts";
import { interfaceNames, ipLink, run } from "../support/system.ts";
import { noOthers, noRootless, type Others, others, rootless, somebody, somebodyElse } from "./as-others.ts";
import { echoRequest, isEchoReply, leavingNothing, otherNamespace, warmUp, withQuietIPv6 } from "./support.ts";

/** Programs are started, some of them several times. */
setDefaultTimeout(60_000);

let people: Others;

beforeAll(() => {
  if (noOthers() === undefined) people = others();
});
afterAll(() => people?.[Symbol.dispose]());

/** An fd attached to `far1`, which is up in another namespace. */
function attachedIn(
  other: Awaited<ReturnType<typeof otherNamespace>>,
  kind: "tun" | "tap",
): { fd: number } & Disposable {
  const fd = openClone("/dev/net/tun");
  setIff(fd, "far1", IFF_NO_PI | (kind === "tun" ? IFF_TUN : IFF_TAP));
  run("ip", "link", "set", "far1", "netns", `${other.pid}`);
  other.run("ip", "link", "set", "far1", "up");
  return { fd, [Symbol.dispose]: () => closeFd(fd) };
}

describeUnless(noOthers(), "a user without privilege", () => {
  withQuietIPv6();
  beforeAll(warmUp);

  /** A persistent interface of that owner or group. */
  function ownedBy(
    ids: { owner?: number; group?: number },
    kind: "tun" | "tap" = "tun",
  ): { name: string } & Disposable {
    const name = "mine0";
    const options = { name, persist: true, ...ids };
    (kind === "tun" ? openTun(options) : openTap(options)).close();
    return { name, [Symbol.dispose]: () => void run("ip", "link", "delete", name) };
  }

  test("openTun() with a closed clone device: EACCES, and how to open it", async () => {
    const through = { through: people.clone("0600") };
    const options = { path: people.path };
    const { opened } = await leavingNothing(() => people.run(somebody, { call: "openTun", options }, through));
    expect(opened.error).toMatchObject({ code: "EACCES", errno: -13, syscall: "open" });
    expect(opened.error?.hint).toContain(`chmod 0666 ${people.path}`);
  });

  test("openTun() with an open clone device: EPERM from TUNSETIFF, and which capability", async () => {
    const through = { through: people.clone("0666") };
    for (const options of [{}, { name: "mine0" }, { name: "mine0", exclusive: true }]) {
      const request = { call: "openTun", options: { ...options, path: people.path } } as const;
      const { opened } = await leavingNothing(() => people.run(somebody, request, through));
      expect(opened.error).toMatchObject({ code: "EPERM", errno: -1, syscall: "ioctl(TUNSETIFF)" });
      expect(opened.error?.hint).toContain("CAP_NET_ADMIN");
      expect(opened.error?.hint).toContain("setcap cap_net_admin");
    }
  });

  test("openTun() of an interface made for this user: sends and receives", () => {
    using made = ownedBy({ owner: somebody });
    run("ip", "address", "add", "192.0.2.1/24", "dev", made.name);
    run("ip", "link", "set", made.name, "up");
    const report = people.run(
      somebody,
      {
        call: "openTun",
        options: { path: people.path, name: made.name },
        steps: [["send", echoRequest.toHex()], ["receive"], ["addresses"], ["isUp"], ["mtu"]],
      },
      { through: people.clone("0666") },
    );
    expect(report.opened).toEqual({ value: made.name });
    const [sent, received, ...rest] = report.outcomes;
    expect(sent).toEqual({ value: true });
    expect(isEchoReply(Uint8Array.fromHex(String(received?.value)))).toBe(true);
    expect(rest.map(({ value }) => value)).toEqual([
      [{ address: "192.0.2.1/24", family: 4, scope: "global" }],
      true,
      1500,
    ]);
    expect(interfaceNames()).toContain(made.name);
  });

  test("openTun() of an interface made for this user's group works, too", () => {
    using made = ownedBy({ group: somebody });
    const request = { call: "openTun", options: { path: people.path, name: made.name } } as const;
    expect(people.run(somebody, request, { through: people.clone("0666") }).opened).toEqual({ value: made.name });
  });

  test.each([
    { whose: { owner: somebodyElse }, belongs: `belongs to user ${somebodyElse}` },
    { whose: { group: somebodyElse }, belongs: `belongs to group ${somebodyElse}` },
    { whose: { owner: somebody, group: somebodyElse }, belongs: `user ${somebody} and group ${somebodyElse}` },
  ])("openTun() of an interface that $belongs: EPERM that says so", async ({ whose, belongs }) => {
    using made = ownedBy(whose);
    const request = { call: "openTun", options: { path: people.path, name: made.name } } as const;
    const { opened } = await leavingNothing(() => people.run(somebody, request, { through: people.clone("0666") }));
    expect(opened.error).toMatchObject({ code: "EPERM", errno: -1, syscall: "ioctl(TUNSETIFF)" });
    expect(opened.error?.hint).toContain(belongs);
  });

  test("an owner may not change the interface by rtnetlink: EPERM, and which capability", async () => {
    using made = ownedBy({ owner: somebody }, "tap");
    const steps = [
      ["up"],
      ["setMtu", 1400],
      ["setTxQueueLength", 10],
      ["rename", "yours0"],
      ["addAddress", "192.0.2.1/24"],
      ["removeAddress", "192.0.2.1/24"],
    ] as const;
    const request = { call: "openTap", options: { path: people.path, name: made.name }, steps } as const;
    const { outcomes } = await leavingNothing(() => people.run(somebody, request, { through: people.clone("0666") }));
    expect(outcomes).toHaveLength(steps.length);
    for (const { error } of outcomes) {
      expect(error).toMatchObject({ code: "EPERM", errno: -1, syscall: expect.stringContaining("netlink(RTM_") });
      expect(error?.hint).toContain("CAP_NET_ADMIN");
    }
  });

  test("an owner may change what the fd alone controls: MAC address, carrier, persistence", () => {
    using made = ownedBy({ owner: somebody }, "tap");
    const steps = [["setMac", "02:00:5e:00:53:04"], ["mac"], ["setCarrier", false], ["setPersist", true]] as const;
    const request = { call: "openTap", options: { path: people.path, name: made.name }, steps } as const;
    const { outcomes } = people.run(somebody, request, { through: people.clone("0666") });
    expect(outcomes).toEqual([{ value: null }, { value: "02:00:5e:00:53:04" }, { value: null }, { value: null }]);
    expect(ipLink(made.name).address).toBe("02:00:5e:00:53:04");
  });

  test("openTap() by an owner with options that need privilege: EPERM, and nothing is changed", async () => {
    using made = ownedBy({ owner: somebody }, "tap");
    for (const more of [{ mtu: 1400 }, { up: true }, { txQueueLength: 9 }, { addresses: ["192.0.2.1/24"] }]) {
      const options = { path: people.path, name: made.name, mac: "02:00:5e:00:53:05", persist: false, ...more };
      const { opened } = await leavingNothing(() =>
        people.run(somebody, { call: "openTap", options }, { through: people.clone("0666") }),
      );
      expect(opened.error).toMatchObject({ code: "EPERM", syscall: expect.stringContaining("netlink(RTM_NEW") });
      expect(opened.error?.hint).toContain("CAP_NET_ADMIN");
    }
  });
});

describeUnless(noOthers(), "adopt() by a user without privilege", () => {
  test.each(["tun", "tap"] as const)(
    "of a %s in another namespace: frames pass, control calls throw with a hint",
    async (kind) => {
      using other = await otherNamespace();
      using far = attachedIn(other, kind);
      const ethernet = kind === "tap" ? "020000000001" + "020000000002" + "0800" : "";
      const steps = [["send", ethernet + echoRequest.toHex()], ["isUp"], ["counters"], ["mtu"], ["up"]] as const;
      const { opened, outcomes } = people.run(somebody, { call: "adopt", fd: 3, steps }, { fds: [far.fd] });
      expect(opened).toEqual({ value: "far1" });
      const [sent, isUp, counters, ...refused] = outcomes;
      expect([sent?.value, isUp?.value]).toEqual([true, true]);
      expect(counters?.value).toMatchObject({ framesSent: 1, refused: 0 });
      for (const { error } of refused) {
        expect(error).toMatchObject({ code: "ENODEV", hint: expect.stringContaining("frames still pass") });
      }
    },
  );

  test("of one in another namespace with an option: ENODEV, and the fd is the caller's as before", async () => {
    using other = await otherNamespace();
    using far = attachedIn(other, "tun");
    const { opened, left } = people.run(
      somebody,
      { call: "adopt", fd: 3, options: { mtu: 1300 }, again: true },
      { fds: [far.fd] },
    );
    expect(opened.error).toMatchObject({ code: "ENODEV", hint: expect.stringContaining("frames still pass") });
    // The reactor stays for the life of the thread.
    expect(left.filter((fd) => !/event(poll|fd)\]$/.test(fd))).toEqual([]);
    expect(getIff(far.fd).name).toBe("far1");
    expect(other.run("ip", "link", "show", "far1")).toContain("mtu 1500");
  });
});

describeUnless(noOthers() ?? noRootless(), "root of a user namespace", () => {
  beforeAll(warmUp);

  test("openTun() in a user and network namespace of its own works, with an open clone device", () => {
    const options = { path: people.path, name: "rootless0", mtu: 1400, addresses: ["192.0.2.1/24"] };
    const steps = [["send", echoRequest.toHex()], ["receive"], ["mtu"]] as const;
    const report = people.run(
      somebody,
      { call: "openTun", options, steps },
      { through: people.clone("0666"), inside: rootless, container: "unchanged" },
    );
    expect(report.opened).toEqual({ value: "rootless0" });
    expect(report.outcomes.map(({ value }) => value)).toEqual([
      true,
      expect.stringContaining("c0000201c0000202"),
      1400,
    ]);
  });

  test("openTun() in a user namespace with a closed clone device: EACCES that root there can understand", () => {
    const report = people.run(
      somebody,
      { call: "openTun", options: { path: people.path } },
      { through: people.clone("0600"), inside: rootless, container: "unchanged" },
    );
    expect(report.opened.error).toMatchObject({ code: "EACCES", syscall: "open" });
    expect(report.opened.error?.hint).toContain("not the host's");
  });

  test("owner and group that the user namespace does not know: EINVAL that says so, and nothing is left", () => {
    for (const ids of [{ owner: 12345 }, { group: 12345 }]) {
      const options = { path: people.path, name: "unmapped0", persist: true, ...ids };
      const { opened, again } = people.run(
        somebody,
        { call: "openTun", options, again: true },
        { through: people.clone("0666"), inside: rootless, container: "unchanged" },
      );
      const [name] = Object.keys(ids) as [string];
      expect(opened.error).toMatchObject({ code: "EINVAL", syscall: `ioctl(TUNSET${name.toUpperCase()})` });
      // It would be EBUSY or EPERM if the first had left the interface.
      expect(again).toEqual(opened);
      expect(opened.error?.message).toContain("12345");
    }
  });
});
