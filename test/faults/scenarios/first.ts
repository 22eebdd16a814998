/** The first device of a process, which makes what all of them share. */
import { openTun } from "../../../src/index.ts";
import { Answers, pingUntil, type Scenario } from "../scenario.ts";

export const first: Scenario = {
  name: "the first device of a process",
  isFirst: true,
  async run() {
    const answers = new Answers();
    using device = openTun({ addresses: ["192.0.2.1/24"], ipv6: false, data: answers.data });
    // Long enough for the reactor to come to rest and to be woken again.
    for (let i = 1; i <= 2; i++) {
      await pingUntil(device, () => answers.count >= i);
      await Bun.sleep(5);
    }
  },
};
