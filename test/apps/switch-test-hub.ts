/** A hub of the test's own process, on a real NATS server. */
import type { ConnectOptions } from "../../apps/switch/backbone/connection.ts";
import { type Entered, enterBackbone } from "../../apps/switch/backbone/enter.ts";
import type { BackboneSummary } from "../../apps/switch/backbone/summary.ts";
import { pack, unpack } from "../../apps/switch/framing.ts";
import { LearningSwitch, Port } from "../../apps/switch/learning-switch.ts";

/** A hub with one client, which keeps the marks of the frames that it gets. */
export class TestHub {
  readonly lan: LearningSwitch = new LearningSwitch({
    ageMs: 300_000,
    perPortMax: 1000,
    mtu: 1500,
    clock: () => performance.now(),
  });
  readonly log: string[] = [];
  readonly marks: number[] = [];
  failure: string | undefined;
  entered: Entered | undefined;
  readonly port: Port = new Port((message) => {
    for (const frame of unpack(new Uint8Array(message)) ?? []) this.marks.push(frame[20] as number);
    return true;
  });

  async enter(servers: readonly string[], options: Partial<ConnectOptions> & { mtu?: number } = {}): Promise<this> {
    const { mtu = 1500, ...rest } = options;
    const all = {
      servers,
      lan: "test",
      hub: "hub1",
      credentials: undefined,
      tls: undefined,
      queueMax: 2 ** 23,
      ...rest,
    };
    this.entered = await enterBackbone(all, {
      lan: this.lan,
      mtu,
      log: (line) => void this.log.push(line),
      failed: (why) => {
        this.failure = why;
      },
    });
    this.lan.attach(this.port);
    this.entered.backbone.clientsChanged();
    return this;
  }

  send(...frames: Uint8Array[]): void {
    pack(frames, (message) => void this.lan.receive(this.port, new Uint8Array(message)));
  }

  get summary(): BackboneSummary {
    return (this.entered as Entered).backbone.summary();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.entered?.close();
  }
}
