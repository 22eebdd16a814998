/** Many labs at once, with the same names and addresses: none sees another one. */
import { expect, test } from "bun:test";
import { createLab, type Lab } from "../../src/lab/index.ts";
import { describePrivileged } from "../support/privilege.ts";
import { openFds, until } from "../support/system.ts";
import { floodUdp, reach, udpSink } from "./traffic.ts";

const LABS = 50;

describePrivileged("50 labs at once", () => {
  test("with the same addresses get their own datagrams, and no others", async () => {
    const fds = openFds(/tun|net:/).length;
    const labs: Lab[] = [];
    try {
      const all = await Promise.all(
        Array.from({ length: LABS }, async (_, number) => {
          const lab = await createLab({ seed: number });
          labs.push(lab);
          const [a, b] = [lab.host("a"), lab.host("b")];
          lab.link(a, b, { delay: 1 });
          return { a, b, number, sink: await udpSink(b, 4000) };
        }),
      );
      for (const { a, b } of all) expect([a.address, b.address]).toEqual(["203.0.113.1", "203.0.113.2"]);
      // Each sends as many as its number tells, and one more.
      await Promise.all(all.map(({ a, b, number }) => floodUdp(a, b, 4000, number + 1)));
      await until(
        () => all.every(({ sink, number }) => sink.numbers.length >= number + 1),
        "every lab has its datagrams",
      );
      await Bun.sleep(20);
      expect(all.map(({ sink }) => sink.numbers.length)).toEqual(all.map(({ number }) => number + 1));
      for (const { sink } of all) sink.close();
    } finally {
      await Promise.all(labs.map((lab) => lab.close()));
    }
    await until(() => openFds(/tun|net:/).length <= fds, "no fd of a lab is left");
  }, 60_000);

  test.concurrent.each([1, 2, 3, 4, 5, 6].map((delay) => ({ delay })))(
    "tests that run at the same time: a delay of $delay ms is that of this one's link",
    async ({ delay }) => {
      await using lab = await createLab();
      const [a, b] = [lab.host("a"), lab.host("b")];
      const link = lab.link(a, b, { delay });
      expect(await reach(a, b)).toBeGreaterThanOrEqual(2 * delay);
      expect(link.stats().forward.frames).toBeGreaterThan(0);
    },
    30_000,
  );
});
