/** What `console.log` and `JSON.stringify` show of the objects that users hold: one line with what matters. */
import { expect, test } from "bun:test";
import { capture } from "../../src/capture/index.ts";
import { listRules, openTap, openTun, relay, type TunTapError } from "../../src/index.ts";
import { openUdp } from "../../src/udp/index.ts";
import { withKernelsIPv6 } from "../interface/support.ts";
import { describeWithTools } from "../support/privilege.ts";
import { thrownBy } from "../support/programs.ts";
import { run, until } from "../support/system.ts";

describeWithTools("what is shown of", ["ip"], () => {
  withKernelsIPv6();

  test("a device: its name, state and addresses, and no getters", () => {
    using tun = openTun({ addresses: ["192.0.2.1/24"], ipv6: false, offload: true, mtu: 1400 });
    const { name, fd } = tun;
    const said = `name: "${name}", up: true, mtu: 1400, addresses: ["192.0.2.1/24"], fd: ${fd}, offload: true`;
    expect(Bun.inspect(tun)).toBe(`Device { kind: "tun", ${said} }`);
    const json = { kind: "tun", name, up: true, mtu: 1400, addresses: ["192.0.2.1/24"], fd, offload: true };
    expect(JSON.parse(JSON.stringify(tun))).toEqual(json);
    using tap = openTap({ mac: "02:00:5e:00:53:01" });
    expect(JSON.parse(JSON.stringify(tap))).toMatchObject({ kind: "tap", up: false, mac: "02:00:5e:00:53:01" });
  });

  test("a closed one: that it is closed, and why", async () => {
    const tun = openTun();
    const { name } = tun;
    tun.close();
    expect(Bun.inspect(tun)).toBe(`Device { kind: "tun", name: "${name}", closed: true }`);
    const controller = new AbortController();
    const aborted = openTun({ signal: controller.signal });
    controller.abort("enough");
    await until(() => aborted.closed, "the end of the aborted device");
    const reason = aborted.closeReason?.message;
    expect(JSON.parse(JSON.stringify(aborted))).toMatchObject({ closed: true, reason });
  });

  test("one whose interface has gone: its last name, and looking does not close it", () => {
    let ends = 0;
    const tun = openTun({ close: () => ends++ });
    const { name } = tun;
    run("ip", "link", "delete", name);
    // In one turn: the device has not been told.
    expect(Bun.inspect(tun)).toBe(`Device { kind: "tun", name: "${name}", fd: ${tun.fd} }`);
    expect([ends, tun.closed]).toEqual([0, false]);
    tun.close();
  });

  test("a queue, a relay, a capture", async () => {
    using tun = openTun({ multiQueue: true });
    using queue = tun.openQueue();
    expect(Bun.inspect(queue)).toBe(`Queue { fd: ${queue.fd} }`);
    using other = openTun();
    using joined = relay(tun, other);
    const none = "{ frames: 0, dropped: 0, strangers: 0 }";
    expect(Bun.inspect(joined)).toBe(`Relay { closed: false, forward: ${none}, back: ${none} }`);
    await using running = capture(tun, new WritableStream());
    expect(Bun.inspect(running)).toBe("Capture { packets: 0, bytes: 0, dropped: 0 }");
    expect(JSON.stringify(running)).toBe('{"packets":0,"bytes":0,"dropped":0}');
  });

  test("a UDP socket, and its endpoints", () => {
    run("ip", "link", "set", "lo", "up");
    const peer = { address: "127.0.0.1", port: 9 };
    const udp = openUdp({ address: "127.0.0.1", peer });
    const { port, fd } = udp;
    expect(Bun.inspect(udp)).toBe(
      `UdpSocket { address: "127.0.0.1", port: ${port}, peer: { address: "127.0.0.1", port: 9 }, fd: ${fd} }`,
    );
    expect(Bun.inspect(udp.peer)).toBe('Endpoint { address: "127.0.0.1", port: 9, localAddress: "127.0.0.1" }');
    udp.close();
    expect(JSON.parse(JSON.stringify(udp))).toEqual({ address: "127.0.0.1", port, peer, closed: true });
  });

  test("a rule: a plain object, without what is not set", () => {
    expect(listRules()[0]).toEqual({ family: 4, priority: 0, action: "lookup", protocol: "kernel", table: 255 });
  });

  test("an error: what there is of it, the message in JSON too", () => {
    const error = thrownBy(() => openTun({ netns: "nowhere-at-all" })) as TunTapError;
    expect(Bun.inspect(error)).not.toContain("undefined");
    expect(error.frameIndex).toBeUndefined();
    const { code, errno, syscall, detail, hint, message } = error;
    const json = { name: "TunTapError", code, errno, syscall, detail, hint, message };
    expect(JSON.parse(JSON.stringify(error))).toEqual(JSON.parse(JSON.stringify(json)));
    expect(code).toBe("ENOENT");
  });
});
