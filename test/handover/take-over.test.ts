/** A device that is received: Python's socket.send_fds() is at the other end. */
import { beforeAll, expect, test } from "bun:test";
import { closeSync, existsSync } from "node:fs";
import { handOver, openTun, TunTapError, takeOver } from "../../src/index.ts";
import { leavingNothing, ping, warmUp } from "../device/support.ts";
import { describeWithTools } from "../support/privilege.ts";
import { interfaceNames, openFds, quietIPv6, soon, until } from "../support/system.ts";
import { failure, OtherEnd, place } from "./support.ts";

describeWithTools("takeOver()", ["python3", "ip"], () => {
  beforeAll(() => {
    quietIPv6();
    warmUp();
  });
  const at = place();

  /** The other end, which listens and gives these. */
  async function giving(path: string, ...what: string[]): Promise<OtherEnd> {
    const other = new OtherEnd(at.script, ["give", path, ...what]);
    expect(await other.said()).toEqual({ listening: true });
    return other;
  }

  test("a TUN that another process has opened works here, and goes with close()", () =>
    leavingNothing(async () => {
      const path = at.next();
      using _other = await giving(path, "tun:1");
      const tun = await takeOver(path, { addresses: ["192.0.2.1/24"], signal: soon() });
      expect([tun.kind, tun.name]).toEqual(["tun", "given0"]);
      await ping(tun);
      tun.close();
      // The process that has given it closes its fd when it ends.
      await until(() => !interfaceNames().includes("given0"), "the interface goes with its last fd");
    }));

  test("a TAP, by an abstract name; closeFd: false leaves the fd to the caller", () =>
    leavingNothing(async () => {
      using _other = await giving(`@bun-tuntap-${process.pid}`, "tap:1");
      const tap = await takeOver(`@bun-tuntap-${process.pid}`, { closeFd: false, signal: soon() });
      expect(tap.kind).toBe("tap");
      const { fd } = tap;
      tap.close();
      expect(interfaceNames()).toContain("given0");
      closeSync(fd);
      // The process that has given it closes its fd when it ends.
      await until(() => !interfaceNames().includes("given0"), "the interface goes with its last fd");
    }));

  test("from handOver(), within one process", () =>
    leavingNothing(async () => {
      const path = at.next();
      const given = handOver(openTun({ addresses: ["192.0.2.1/24"] }), { path, signal: soon() });
      using tun = await takeOver(path, { signal: soon() });
      expect(await given).toMatchObject({ pid: process.pid });
      await ping(tun);
      expect(existsSync(path)).toBe(false);
    }));

  test.each([
    { what: "nothing, and goes", gives: [], message: "without handing over an fd" },
    { what: "a byte without an fd", gives: ["tun:0"], message: "no fd" },
    { what: "two fds", gives: ["tun:2"], message: "several fds" },
  ])("ERR_TUNTAP_HANDOVER if the other end gives $what; none is kept", ({ gives, message }) =>
    leavingNothing(async () => {
      const path = at.next();
      using other = await giving(path, ...gives);
      const error = await failure(takeOver(path, { signal: soon() }));
      expect(error).toBeInstanceOf(TunTapError);
      expect(error).toMatchObject({ code: "ERR_TUNTAP_HANDOVER", hint: expect.any(String) });
      expect((error as Error).message).toContain(message);
      expect(await other.said()).toEqual({ given: true });
      expect(interfaceNames().filter((name) => name.startsWith("given"))).toEqual([]);
    }),
  );

  test.each([
    { what: "a pipe", gives: "pipe:1", code: "ENOTTY" },
    { what: "a TUN fd without an interface", gives: "free:1", code: "EBADFD" },
  ])("$what is refused as by adopt(), and closed", ({ gives, code }) =>
    leavingNothing(async () => {
      const path = at.next();
      using _other = await giving(path, gives);
      const before = openFds(/pipe:/).length;
      expect(await failure(takeOver(path, { signal: soon() }))).toMatchObject({ code, hint: expect.any(String) });
      expect(openFds(/pipe:/)).toHaveLength(before);
    }),
  );

  test("no listener: ENOENT, ECONNREFUSED, each with a hint", () =>
    leavingNothing(async () => {
      const path = at.next();
      expect(await failure(takeOver(path))).toMatchObject({
        code: "ENOENT",
        hint: expect.stringContaining("listening"),
      });
      expect(await failure(takeOver("@bun-tuntap-nobody"))).toMatchObject({
        code: "ECONNREFUSED",
        hint: expect.stringContaining("namespace"),
      });
      {
        using other = await giving(path);
        await failure(takeOver(path, { signal: soon() }));
        other[Symbol.dispose]();
        await other.exited;
      }
      expect(await failure(takeOver(path))).toMatchObject({
        code: "ECONNREFUSED",
        hint: expect.stringContaining("without removing it"),
      });
    }));

  test("the signal ends the waiting with its reason, and leaves nothing", () =>
    leavingNothing(async () => {
      const path = at.next();
      using tun = openTun();
      const stop = new AbortController();
      // It takes no connection: nobody waits for one any longer than this.
      const given = failure(handOver(tun, { path, allow: () => false, signal: stop.signal }));
      const reason = new Error("no more time");
      expect(await failure(takeOver(path, { signal: AbortSignal.abort(reason) }))).toBe(reason);
      const late = new AbortController();
      const taking = failure(takeOver(path, { signal: late.signal }));
      late.abort(reason);
      expect(await taking).toBe(reason);
      stop.abort();
      await given;
    }));
});
