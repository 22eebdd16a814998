/** An interface with as many routes as those of large networks have. */
import { expect, test } from "bun:test";
import { openTun } from "../../src/index.ts";
import { describeWithTools } from "../support/privilege.ts";
import { run } from "../support/system.ts";
import { persistentInterface, refusal, withQuietIPv6 } from "./support.ts";

const COUNT = 40_000;

/** The routes of `many0` as lines for `ip -batch`. */
const lines = Array.from({ length: COUNT }, (_, i) => `route add 10.${i >> 8}.${i & 0xff}.0/24 dev many0`);

describeWithTools("an interface with 40,000 routes", ["ip"], () => {
  withQuietIPv6();

  // The time limit is part of it: it took minutes when each was compared with each.
  test("keeps them where an open fails that would have changed it, without a minute of standing still", () => {
    using _made = persistentInterface("many0", "tun");
    run("ip", "link", "set", "dev", "many0", "up");
    const { stderr } = Bun.spawnSync(["ip", "-batch", "-"], { stdin: Buffer.from(lines.join("\n")) });
    expect(stderr.toString()).toBe("");
    const before = run("ip", "route", "show", "dev", "many0");
    expect(before.trim().split("\n")).toHaveLength(COUNT);
    const error = refusal(() => openTun({ name: "many0", mtu: 1400, routes: ["10.0.0.0/24"] }));
    expect([error.code, error.option]).toEqual(["EEXIST", "routes[0]"]);
    expect(run("ip", "route", "show", "dev", "many0")).toBe(before);
  }, 60_000);
});
