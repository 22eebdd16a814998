import { expect, test } from "bun:test";
import { openTap } from "../../src/index.ts";
import { flood } from "../support/frames.ts";
import { describePrivileged } from "../support/privilege.ts";
import { quietIPv6, until } from "../support/system.ts";

describePrivileged("Reactor", () => {
  test("wakes an unref'd device too, and one that is ref'd again", async () => {
    quietIPv6();
    let frames = 0;
    using tap = openTap({
      up: true,
      data(_, batch) {
        frames += batch.length;
      },
    });
    // The flood's child keeps the event loop going.
    for (const [round, refer] of [tap.unref, tap.ref, tap.unref].entries()) {
      refer.call(tap);
      await flood(tap.index, 10, 60, 60);
      await until(() => frames >= 10 * (round + 1), "every frame of the round");
      expect(frames).toBe(10 * (round + 1));
    }
  });
});
