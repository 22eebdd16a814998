/** The first of a process, which makes what all of them share. */
import { openTun } from "../../../src/index.ts";
import { Answers, expectThat, pingUntil, type Scenario } from "../scenario.ts";

/** The thread that closes fds starts with the first of them. */
const disposed: Scenario = {
  name: "the first device of a process that a thread closes",
  isFirst: true,
  async run({ calmly }) {
    await using device = calmly(() => openTun({ addresses: ["192.0.2.1/24"], ipv6: false }));
    expectThat(!device.closed, "it is open");
  },
};

const opened: Scenario = {
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

export const first: readonly Scenario[] = [opened, disposed];
