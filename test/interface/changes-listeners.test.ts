/** Who listens to changes, from when on and until when. */
import { beforeAll, expect, test } from "bun:test";
import { type LinkChange, openTap, openTun, type Tun, TunTapError } from "../../src/index.ts";
import { leavingNothing, refusal, warmUp } from "../device/support.ts";
import { listenTo, textOf } from "../support/namespaces.ts";
import { describeWithTools } from "../support/privilege.ts";
import { interfaceNames, newFds, openFds, quietIPv6, run, soon, until } from "../support/system.ts";

const failure = async (promise: Promise<unknown>): Promise<unknown> => promise.then(() => undefined).catch((e) => e);

/** Makes `count` changes, MTU 1400 and on, and waits until they are told to whoever is listening. */
async function change(tun: Tun, count: number): Promise<string[]> {
  const { texts } = listenTo(tun);
  const made = Array.from({ length: count }, (_, i) => 1400 + i);
  for (const mtu of made) tun.setMtu(mtu);
  await until(() => texts().length === count, `${count} changes`);
  return made.map((mtu) => `mtu ${mtu}`);
}

describeWithTools("those who listen to changes", ["ip"], () => {
  beforeAll(quietIPv6);

  test("the handler and any number of iterations all get all; one socket serves them, until close()", () =>
    leavingNothing(async () => {
      const handled: LinkChange[] = [];
      const tun = openTun({ change: (device, news) => void (device === tun && handled.push(news)) });
      const sockets = openFds(/socket:/);
      const listeners = Array.from({ length: 10 }, () => listenTo(tun));
      expect(newFds(sockets, /socket:/)).toEqual([]);
      const made = await change(tun, 50);
      for (const { texts } of listeners) expect(texts()).toEqual(made);
      expect(handled.map(textOf)).toEqual(made);
      tun.close();
      await Promise.all(listeners.map(({ ended }) => ended));
      for (const { texts } of listeners) expect(texts()).toEqual(made);
    }));

  test("each iteration gets the changes since it began", async () => {
    using tun = openTun();
    const first = listenTo(tun);
    tun.setMtu(1400);
    // Not read by anybody yet, but made before.
    const second = listenTo(tun);
    tun.setMtu(1300);
    await until(() => second.texts().includes("mtu 1300"), "the second change");
    expect(second.texts()).toEqual(["mtu 1300"]);
    expect(first.texts()).toEqual(["mtu 1400", "mtu 1300"]);
  });

  test("break ends one iteration; the others miss nothing, and a new one begins with the next change", async () => {
    using tun = openTun();
    const other = listenTo(tun);
    const loop = (async () => {
      for await (const news of tun.changes()) if (textOf(news) === "mtu 1401") break;
    })();
    const made = await change(tun, 5);
    await loop;
    const late = listenTo(tun);
    tun.up();
    await until(() => late.texts().length > 0, "the next change");
    expect(late.texts()).toEqual(["up"]);
    expect(other.texts()).toEqual([...made, "up"]);
  });

  test("many calls of next() at once are served in order; return() ends the waiting ones", async () => {
    using tun = openTun();
    const changes = tun.changes();
    const waiting = Array.from({ length: 6 }, () => changes.next());
    const made = await change(tun, 4);
    expect(await changes.return?.()).toEqual({ done: true, value: undefined });
    const results = await Promise.all(waiting);
    expect(results.map(({ done, value }) => (done ? "done" : textOf(value)))).toEqual([...made, "done", "done"]);
    await change(tun, 1);
    expect((await changes.next()).done).toBe(true);
  });

  test("a signal ends one with its reason, after what came before; the others go on", async () => {
    using tun = openTun();
    const other = listenTo(tun);
    const stop = new AbortController();
    const changes = tun.changes({ signal: stop.signal });
    const waiting = listenTo(tun, stop.signal);
    await change(tun, 2);
    const reason = new RangeError("enough");
    stop.abort(reason);
    expect(await failure(waiting.ended)).toBe(reason);
    expect(waiting.texts()).toEqual(["mtu 1400", "mtu 1401"]);
    tun.up();
    await until(() => other.texts().includes("up"), "the next change");
    expect([await changes.next(), await changes.next()].map(({ value }) => value.mtu)).toEqual([1400, 1401]);
    expect(await failure(changes.next())).toBe(reason);
    expect((await changes.next()).done).toBe(true);
    const late = async (): Promise<void> => {
      for await (const _ of tun.changes({ signal: stop.signal })) throw new Error("a change");
    };
    expect(await failure(late())).toBe(reason);
  });

  test("close() ends all of them without `deleted`; what was told before can still be taken", async () => {
    const handled: LinkChange[] = [];
    const tun = openTun({ change: (_, news) => void handled.push(news) });
    const changes = tun.changes();
    const waiting = listenTo(tun);
    tun.up();
    // Nobody has read this when the device closes.
    tun.setMtu(1400);
    tun.close();
    await waiting.ended;
    expect(waiting.texts()).toEqual(["up", "mtu 1400"]);
    expect(handled.map(textOf)).toEqual(["up", "mtu 1400"]);
    expect((await Array.fromAsync(changes)).map(textOf)).toEqual(["up", "mtu 1400"]);
    expect(refusal(() => tun.changes()).code).toBe("ERR_TUNTAP_CLOSED");
  });

  test("an iteration that begins after the interface has gone unnoticed ends as well", async () => {
    for (const withHandler of [true, false]) {
      const tun = openTun({ name: "gone0", ...(withHandler ? { change() {} } : {}) });
      run("ip", "link", "delete", "gone0");
      const late = async (): Promise<void> => {
        for await (const { type } of tun.changes({ signal: soon() })) expect(type).toBe("deleted");
      };
      // It ends, or it is refused.
      const outcome = await failure(late());
      if (outcome !== undefined) expect(outcome).toMatchObject({ code: "ERR_TUNTAP_CLOSED" });
      expect(tun.closed).toBe(true);
    }
  });

  test("close() from within a listener ends this device alone", async () => {
    for (const from of ["the handler", "an iteration"]) {
      using bystander = openTun();
      const others = listenTo(bystander);
      const handled: string[] = [];
      const tun = openTun({
        change(device, news) {
          handled.push(textOf(news));
          if (from === "the handler") device.close();
        },
        close: () => void handled.push("close"),
      });
      const { texts, ended } = listenTo(tun);
      const loop = (async () => {
        for await (const _ of tun.changes()) if (from === "an iteration") tun.close();
      })();
      tun.up();
      tun.setMtu(1400);
      await Promise.all([ended, loop]);
      // In order, whoever closed, and the close is the last.
      expect(handled).toEqual(["up", "mtu 1400", "close"]);
      expect(texts()).toEqual(["up", "mtu 1400"]);
      bystander.setMtu(1300);
      await until(() => others.texts().length > 0, "news of the bystander");
      expect({ closed: bystander.closed, reason: tun.closeReason }).toEqual({ closed: false, reason: undefined });
    }
  });

  test("what the handler throws goes to `error`, and it is told what comes next", async () => {
    const errors: TunTapError[] = [];
    const handled: string[] = [];
    using tun = openTun({
      change(_, news) {
        handled.push(textOf(news));
        throw new RangeError("boom");
      },
      error: (_, error) => void errors.push(error),
    });
    const made = await change(tun, 2);
    expect(handled).toEqual(made);
    expect(errors).toHaveLength(2);
    expect(errors[0]).toBeInstanceOf(TunTapError);
    expect(errors[0]).toMatchObject({ code: "ERR_TUNTAP_HANDLER", cause: new RangeError("boom") });
    expect(errors[0]?.message).toContain("the change handler threw RangeError: boom");
    expect(tun.closed).toBe(false);
  });

  test("ip link del: `deleted` is the last change, and `close` comes after it", () => {
    warmUp();
    return leavingNothing(async () => {
      const handled: string[] = [];
      const tun = openTun({
        up: true,
        change: (_, news) => void handled.push(textOf(news)),
        close: (_, reason) => void handled.push(`close ${reason?.code}`),
      });
      const { texts, ended } = listenTo(tun);
      run("ip", "link", "delete", tun.name);
      await ended;
      expect(texts().at(-1)).toBe("deleted");
      expect(texts()[0]).toBe("down");
      expect(handled).toEqual([...texts(), "close EBADFD"]);
      expect(texts().filter((text) => text === "deleted")).toHaveLength(1);
    });
  });

  test("a dropped device is collected unless a call waits for its changes", async () => {
    const open = (name: string): Tun => openTun({ name });
    for (let i = 0; i < 10; i++) open(`drop${i}`).changes();
    const waiting = (() => open("stay0").changes().next())();
    (() => openTap({ name: "stay1", change: () => {} }))();
    const left = (): string[] => interfaceNames().filter((name) => /^(drop|stay)/.test(name));
    await until(() => {
      Bun.gc(true);
      return left().every((name) => name.startsWith("stay"));
    }, "the dropped devices are collected");
    for (let i = 0; i < 5; i++) {
      Bun.gc(true);
      await Bun.sleep(5);
    }
    expect(left()).toEqual(["stay0", "stay1"]);
    for (const name of left()) run("ip", "link", "delete", name);
    expect((await waiting).value).toEqual({ type: "deleted" });
  });
});
