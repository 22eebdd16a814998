/** An interface with as many routes as those of large networks have. */
import { expect, spyOn, test } from "bun:test";
import { openTun } from "../../src/index.ts";
import { ENOBUFS } from "../../src/sys/constants.ts";
import { native } from "../../src/sys/native.ts";
import { describeWithTools } from "../support/privilege.ts";
import { run } from "../support/system.ts";
import { persistentInterface, refusal, withQuietIPv6 } from "./support.ts";

const COUNT = 40_000;

/** Adds as many routes to `many0`, which has none yet. */
function addRoutes(): void {
  const lines = Array.from({ length: COUNT }, (_, i) => `route add 10.${i >> 8}.${i & 0xff}.0/24 dev many0`);
  const { stderr } = Bun.spawnSync(["ip", "-batch", "-"], { stdin: Buffer.from(lines.join("\n")) });
  expect(stderr.toString()).toBe("");
}

describeWithTools("an interface with 40,000 routes", ["ip"], () => {
  withQuietIPv6();

  // The time limit is part of it: it took minutes when each was compared with each.
  test("keeps them where an open fails that would have changed it, without a minute of standing still", () => {
    using _made = persistentInterface("many0", "tun");
    run("ip", "link", "set", "dev", "many0", "up");
    addRoutes();
    const before = run("ip", "route", "show", "dev", "many0");
    expect(before.trim().split("\n")).toHaveLength(COUNT);
    const error = refusal(() => openTun({ name: "many0", mtu: 1400, routes: ["10.0.0.0/24"] }));
    expect([error.code, error.option]).toEqual(["EEXIST", "routes[0]"]);
    expect(run("ip", "route", "show", "dev", "many0")).toBe(before);
  }, 60_000);

  test("lists them after a listing that failed half-way: what is left of that does not keep the next one out", () => {
    using tun = openTun({ name: "many0", up: true });
    addRoutes();
    const receive = native().sock_recv;
    let calls = 0;
    {
      // The kernel has no memory for the third part.
      using _ = spyOn(native(), "sock_recv").mockImplementation((...given) =>
        ++calls === 3 ? -ENOBUFS : receive(...given),
      );
      expect(refusal(() => tun.routes()).code).toBe("ENOBUFS");
    }
    expect(tun.routes()).toHaveLength(COUNT);
  });
});
