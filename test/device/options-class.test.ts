/** Options that are an instance of a class: what it inherits counts, and its handlers are called on it. */
import { expect, test } from "bun:test";
import { adopt, type LinkChange, openTun, type Tun } from "../../src/index.ts";
import { describePrivileged } from "../support/privilege.ts";
import { until } from "../support/system.ts";
import { echoRequest, withQuietIPv6 } from "./support.ts";

/** A program's own class, with handlers as methods and state that no copy of it has. */
class Program {
  readonly addresses = ["192.0.2.1/24"];
  readonly #told: string[] = [];

  /** Lists what the handlers were told. */
  static toldTo(program: Program): readonly string[] {
    return program.#told;
  }

  get mtu(): number {
    return 1400 + this.#told.length;
  }

  data(_tun: Tun, frames: Uint8Array[]): void {
    this.#told.push(...frames.map(() => "frame"));
  }

  change(_tun: Tun, change: LinkChange): void {
    this.#told.push(change.type);
  }

  close(): void {
    this.#told.push("closed");
  }
}

describePrivileged("options of a class", () => {
  withQuietIPv6();

  test("have their inherited handlers and settings, also where addresses bring the interface up", async () => {
    const program = new Program();
    const tun = openTun(program);
    expect([tun.isUp, tun.mtu]).toEqual([true, 1400]);
    tun.send(echoRequest);
    await until(() => Program.toldTo(program).includes("frame"), "the reply is told");
    tun.down();
    await until(() => Program.toldTo(program).includes("down"), "the change is told");
    tun.close();
    expect(Program.toldTo(program).at(-1)).toBe("closed");
  });

  test("are read where they are inherited from any object, frozen or without a prototype", () => {
    const inherited = Object.create({ addresses: ["192.0.2.1/24"], ipv6: false, mtu: 1300 });
    const bare = Object.freeze(Object.assign(Object.create(null), { routes: ["198.51.100.0/24"] }));
    using first = openTun(inherited);
    expect([first.isUp, first.mtu, first.addresses().map(({ address }) => address)]).toEqual([
      true,
      1300,
      ["192.0.2.1/24"],
    ]);
    using second = openTun(bare);
    expect([second.isUp, second.mtu]).toEqual([true, 1500]);
  });

  test("of adopt() have them, too", () => {
    const program = new Program();
    using tun = openTun({ multiQueue: true });
    const adopted = adopt(tun.openQueue().release(), program as object);
    adopted.close();
    expect(tun.mtu).toBe(1400);
    expect(Program.toldTo(program).at(-1)).toBe("closed");
  });
});
