import { expect, test } from "bun:test";
import { sendAll } from "../../examples/support/send-all.ts";
import { openTun } from "../../src/index.ts";
import { buildIPv4, IpProtocol } from "../../src/packet/index.ts";
import { describePrivileged } from "../support/privilege.ts";

describePrivileged("sendAll()", () => {
  const good = buildIPv4({
    source: "192.0.2.2",
    destination: "192.0.2.1",
    protocol: IpProtocol.UDP,
    payload: new Uint8Array(8),
  });
  const bad = new Uint8Array(20);

  test("a packet that the kernel refuses costs no other; an interface that is down or gone takes none", () => {
    using tun = openTun({ addresses: ["192.0.2.1/24"], ipv6: false });
    expect(sendAll(tun, [bad, good, good, bad, bad, good, bad])).toBe(3);
    expect(tun.counters()).toMatchObject({ framesSent: 3, refused: 4 });
    tun.down();
    expect(sendAll(tun, [good, good])).toBe(0);
    tun.close();
    expect(sendAll(tun, [good, good])).toBe(0);
  });
});
