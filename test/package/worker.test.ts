/** Devices in Workers: each has its own, next to the others and to the main thread. */
import { beforeAll, describe, expect, test } from "bun:test";
import { describePrivileged, describeWithTools } from "../support/privilege.ts";
import { newFds, openFds, quietIPv6, until } from "../support/system.ts";
import { neighbourOf } from "./programs/worker.ts";
import { Child, wakers } from "./support.ts";
import { DeviceWorker } from "./workers.ts";

const numbered = (number: number, count: number): string[] =>
  Array.from({ length: count }, (_, i) => `${i} for ${number}`);

describePrivileged("devices in Workers", () => {
  beforeAll(quietIPv6);

  test("a Worker opens a device, receives what it sends, and ends once the device is closed", async () => {
    const before = openFds();
    const worker = new DeviceWorker({ number: 0, count: 100, sends: true });
    const { name } = await worker.says();
    expect(await worker.says()).toEqual({ name, received: numbered(0, 100) });
    await worker.closed;
    expect(newFds(before, /\/net\/tun$/)).toEqual([]);
  }, 180_000);

  test("a Worker receives what the main thread sends", async () => {
    const worker = new DeviceWorker({ number: 1, count: 3, sends: false });
    await worker.says();
    const socket = await Bun.udpSocket({});
    for (const text of numbered(1, 3)) socket.send(text, 9, neighbourOf(1));
    socket.close();
    expect((await worker.says()).received).toEqual(numbered(1, 3));
    await worker.closed;
  }, 180_000);

  test("six Workers at once: each receives its own datagrams, in order", async () => {
    const before = openFds();
    const numbers = [2, 3, 4, 5, 6, 7];
    const workers = numbers.map((number) => new DeviceWorker({ number, count: 200, sends: false }));
    const names = await Promise.all(workers.map(async (worker) => (await worker.says()).name));
    expect(new Set(names).size).toBe(numbers.length);
    const socket = await Bun.udpSocket({});
    for (let i = 0; i < 200; i++) {
      for (const number of numbers) socket.send(`${i} for ${number}`, 9, neighbourOf(number));
    }
    socket.close();
    const received = await Promise.all(workers.map(async (worker) => (await worker.says()).received));
    expect(received).toEqual(numbers.map((number) => numbered(number, 200)));
    await Promise.all(workers.map(({ closed }) => closed));
    expect(newFds(before, /\/net\/tun$/)).toEqual([]);
  }, 180_000);

  test("a Worker that ends leaves no fd behind", async () => {
    const before = openFds();
    const worker = new DeviceWorker({ number: 8, count: 1, sends: true });
    await worker.closed;
    await until(
      () => openFds().length <= before.length,
      () => `no fd is left of ${newFds(before).join(", ")}`,
    );
  }, 180_000);
});

describeWithTools("worker.terminate() with an open device and a pending receive", ["unshare", "ip"], () => {
  describe.each(wakers)("BUN_TUNTAP_WAKER=%s", (BUN_TUNTAP_WAKER) => {
    test.concurrent("20 times: neither crashes nor hangs the process", async () => {
      const { received } = await terminate(20, BUN_TUNTAP_WAKER);
      expect(received).toBe("still here");
    }, 180_000);

    test.concurrent("takes the interface away, and closes every fd", async () => {
      const { left } = await terminate(3, BUN_TUNTAP_WAKER);
      expect(left).toMatchObject({ interfaces: 0, after: left.before });
    }, 180_000);
  });
});

async function terminate(count: number, BUN_TUNTAP_WAKER: string) {
  await using child = new Child("terminate.ts", { args: [count], env: { BUN_TUNTAP_WAKER }, ownNamespace: true });
  const { stdout, ...end } = await child.ending(50_000);
  expect(end).toEqual({ stderr: "", exitCode: 0, signal: null });
  return JSON.parse(stdout);
}

describeWithTools("what Workers leave in the process", ["unshare"], () => {
  test("a device costs no mapping more than a compiled function, of which Bun frees nothing", async () => {
    const [compile, device] = await Promise.all([remains("compile"), remains("device")]);
    // One text and one call of it, with what lies in between.
    expect(device).toBeLessThanOrEqual(compile + 1);
  }, 180_000);
});

/** Mappings that each of 40 Workers left. */
async function remains(deed: string): Promise<number> {
  await using child = new Child("remains.ts", { args: [deed, 40], ownNamespace: true });
  const { stdout, ...end } = await child.ending(50_000);
  expect(end).toEqual({ stderr: "", exitCode: 0, signal: null });
  return JSON.parse(stdout).mappings;
}
