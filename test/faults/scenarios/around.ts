/** Around devices: policy rules, relays, the probe, and an end that does not block. */
import { addRule, listRules, openTun, probe, relay, removeRule } from "../../../src/index.ts";
import { Broken, expectThat, PATIENCE_MS, pause, type Scenario } from "../scenario.ts";

const rule = { to: "198.51.100.0/24", table: 100, priority: 7000 };

const rules: Scenario = {
  name: "policy rules, here and elsewhere",
  async run({ calmly, other }) {
    for (const options of [{}, { netns: other }]) {
      const isThere = (): boolean => listRules(options).some(({ priority }) => priority === rule.priority);
      try {
        addRule(rule, options);
        expectThat(isThere(), "it is listed");
        removeRule(rule, options);
      } finally {
        // Whatever failed: the kernel keeps rules, and the next run would find this one.
        calmly(() => {
          if (isThere()) removeRule(rule, options);
        });
      }
    }
  },
};

const relayed: Scenario = {
  name: "relay from one device to another",
  async run({ calmly }) {
    using from = calmly(() => openTun({ addresses: ["192.0.2.1/24"], ipv6: false }));
    using to = calmly(() => openTun({ up: true, ipv6: false }));
    using relaying = relay(from, to);
    const socket = await Bun.udpSocket({});
    const deadline = performance.now() + PATIENCE_MS;
    try {
      // The relay ends, with the reason, if either of them does.
      while (!relaying.closed && relaying.counters().forward.frames === 0) {
        if (performance.now() > deadline) throw new Broken("nothing was relayed");
        socket.send("frame", 9, "192.0.2.9");
        await pause();
      }
    } finally {
      socket.close();
    }
    if (!relaying.closed) return;
    const reason = await relaying.finished;
    if (reason !== undefined) throw reason;
  },
};

const probed: Scenario = {
  name: "the probe, which opens one to try",
  async run() {
    const report = await probe();
    expectThat(report.checks.length > 0, "it has checked something");
  },
};

const disposed: Scenario = {
  name: "await using, with a handler for changes",
  async run({ calmly }) {
    const open = (): ReturnType<typeof openTun> => openTun({ addresses: ["192.0.2.1/24"], ipv6: false, change() {} });
    await using device = calmly(open);
    device.setMtu(1300);
    await pause();
  },
};

export const around: readonly Scenario[] = [rules, relayed, probed, disposed];
