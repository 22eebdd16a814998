import { dlopen, ptr } from "bun:ffi";
import { afterEach, beforeAll, expect, test } from "bun:test";
import { adopt, openTap, openTun } from "../../src/index.ts";
import { IFF_DETACH_QUEUE } from "../../src/sys/constants.ts";
import { getIff } from "../../src/sys/tun.ts";
import { describePrivileged } from "../support/privilege.ts";
import { ipLink, openFds, quietIPv6, run, until } from "../support/system.ts";
import { leavingNothing, refusal, warmUp } from "./support.ts";

const options = { multiQueue: true, addresses: ["192.0.2.1/24"] } as const;

/** Sends `count` numbered datagrams from each of `flows` sockets to the other side of the interface. */
async function sendFlows(flows: number, count: number): Promise<void> {
  const sockets = await Promise.all(Array.from({ length: flows }, () => Bun.udpSocket({})));
  for (let i = 0; i < count; i++)
    for (const [flow, socket] of sockets.entries()) socket.send(`${flow}/${i}`, 9, "192.0.2.2");
  for (const socket of sockets) socket.close();
}

/** A data handler of a test, and the texts of the datagrams that it has seen. */
function collector(): { texts: string[]; data(_: unknown, packets: Uint8Array[]): void } {
  const texts: string[] = [];
  return {
    texts,
    data: (_, packets) => void texts.push(...packets.map((packet) => new TextDecoder().decode(packet.subarray(28)))),
  };
}

/** Tells whether the numbers of each flow count up. */
function isInOrder(texts: readonly string[]): boolean {
  const next = new Map<string, number>();
  return texts.every((text) => {
    const [flow = "", number = ""] = text.split("/");
    const inOrder = Number(number) === (next.get(flow) ?? 0);
    next.set(flow, Number(number) + 1);
    return inOrder;
  });
}

describePrivileged("queues", () => {
  beforeAll(() => {
    quietIPv6();
    warmUp();
  });
  const opened: { close(): void }[] = [];
  const keep = <T extends { close(): void }>(device: T): T => {
    opened.push(device);
    return device;
  };
  afterEach(() => {
    for (const device of opened.splice(0)) device.close();
  });

  test("openQueue() gives a detached queue, which adopt() attaches", () => {
    const tun = keep(openTun(options));
    const queue = keep(tun.openQueue());
    const shown = (): unknown => ipLink(tun.name).linkinfo?.info_data;
    expect(shown()).toMatchObject({ multi_queue: true, numqueues: 1, numdisabled: 1 });
    expect(tun.info()).toMatchObject({ multiQueue: true, queues: 1, disabledQueues: 1 });
    const second = keep(adopt(queue.release()));
    expect(second).toMatchObject({ kind: "tun", name: tun.name, index: tun.index });
    expect(shown()).toMatchObject({ numqueues: 2, numdisabled: 0 });
    second.close();
    expect(tun.info()).toMatchObject({ queues: 1, disabledQueues: 0 });
  });

  test("every frame arrives at one of the queues, and the frames of a flow in order", async () => {
    const first = collector();
    const second = collector();
    const tun = keep(openTun({ ...options, data: first.data }));
    keep(adopt(tun.openQueue().release(), { data: second.data }));
    await sendFlows(16, 20);
    await until(() => first.texts.length + second.texts.length === 320, "320 datagrams");
    expect([isInOrder(first.texts), isInOrder(second.texts)]).toEqual([true, true]);
    // By their hash: that all 16 fall to one side happens once in 32,768 runs.
    expect([first.texts.length > 0, second.texts.length > 0]).toEqual([true, true]);
  });

  test("while there is a BPF filter a queue cannot be attached: EBUSY, and not silence", () => {
    using tap = openTap({ multiQueue: true });
    tap.attachFilter([[6, 0, 0, 0xffff]]);
    tap.setQueue(false);
    expect(refusal(() => tap.setQueue(true))).toMatchObject({
      code: "EBUSY",
      hint: expect.stringContaining("detachFilter()"),
    });
    tap.detachFilter();
    tap.setQueue(true);
    expect(tap.info()).toMatchObject({ queues: 1, disabledQueues: 0 });
  });

  test("a queue that is detached gets no frame, can send, and gets frames again once attached", async () => {
    const first = collector();
    const second = collector();
    const tun = keep(openTun({ ...options, data: first.data }));
    const other = keep(adopt(tun.openQueue().release(), { data: second.data }));
    other.setQueue(false);
    await sendFlows(16, 5);
    await until(() => first.texts.length === 80, "80 datagrams at the attached queue");
    expect(second.texts).toEqual([]);
    expect(other.closed).toBe(false);
    // An ICMP echo request, so that the kernel answers: to the queue that is attached.
    expect(other.send(Uint8Array.fromHex("4500001c000100004001f6dcc0000202c00002010800a4fd53010001"))).toBe(true);
    await until(() => first.texts.length === 81, "the answer");
    other.setQueue(true);
    tun.setQueue(false);
    await sendFlows(16, 5);
    await until(() => second.texts.length === 80, "80 datagrams at the other queue");
    expect(refusal(() => tun.setQueue(false))).toMatchObject({
      code: "EINVAL",
      syscall: "ioctl(TUNSETQUEUE)",
      hint: expect.stringContaining("already"),
    });
  });

  test("a Worker adopts a queue by its number, and closes it", async () => {
    const first = collector();
    const tun = keep(openTun({ ...options, data: first.data }));
    const worker = new Worker(new URL("./queues-worker.ts", import.meta.url).href);
    const texts: string[] = [];
    const said: unknown[] = [];
    worker.addEventListener(
      "message",
      ({ data }) => void (Array.isArray(data) ? texts.push(...data) : said.push(data)),
    );
    using queue = tun.openQueue();
    worker.postMessage(queue.release());
    await until(() => said.includes("adopted"), "that the Worker has the queue");
    expect(tun.info().queues).toBe(2);
    tun.setQueue(false);
    await sendFlows(4, 50);
    await until(() => texts.length === 200, "200 datagrams in the Worker");
    expect([isInOrder(texts), first.texts]).toEqual([true, []]);
    worker.postMessage("close");
    await until(() => said.includes("closed"), "that the Worker has closed it");
    expect(tun.info()).toMatchObject({ queues: 0, disabledQueues: 1 });
    worker.terminate();
  });

  test("close(), release() and using: one owner, and no fd left", async () => {
    await leavingNothing(() => {
      using tun = openTun(options);
      const before = openFds(/\/net\/tun$/).length;
      {
        using queue = tun.openQueue();
        expect(openFds(/\/net\/tun$/)).toHaveLength(before + 1);
        expect(getIff(queue.fd).flags & IFF_DETACH_QUEUE).toBe(IFF_DETACH_QUEUE);
      }
      expect(openFds(/\/net\/tun$/)).toHaveLength(before);
      const queue = tun.openQueue();
      const fd = queue.release();
      expect(queue.fd).toBe(-1);
      expect(queue.release()).toBe(-1);
      queue.close();
      expect(openFds(/\/net\/tun$/)).toHaveLength(before + 1);
      adopt(fd).close();
      expect(openFds(/\/net\/tun$/)).toHaveLength(before);
    });
  });

  test("an interface with a single queue has no more: the error says what to do", () => {
    const tun = keep(openTun());
    expect(refusal(() => tun.openQueue())).toMatchObject({
      code: "ERR_TUNTAP_UNSUPPORTED",
      hint: "open it with `multiQueue: true`",
    });
    expect(refusal(() => tun.setQueue(false)).code).toBe("EINVAL");
  });

  test("the 257th queue: E2BIG, and nothing left", async () => {
    const tun = keep(openTap({ multiQueue: true }));
    for (let i = 1; i < 256; i++) keep(tun.openQueue());
    const error = await leavingNothing(() => refusal(() => tun.openQueue()));
    expect(error).toMatchObject({ code: "E2BIG", hint: expect.stringContaining("256 queues") });
  });

  test("a second program that attaches with other headers is refused, for the sake of the first", async () => {
    run("ip", "tuntap", "add", "dev", "shared0", "mode", "tun", "multi_queue");
    try {
      const first = keep(openTun({ name: "shared0", multiQueue: true, offload: true }));
      const segmentation = (): string => /tx-tcp-segmentation: (\w+)/.exec(run("ethtool", "-k", "shared0"))?.[1] ?? "";
      expect(segmentation()).toBe("on");
      await leavingNothing(() => {
        const error = refusal(() => openTun({ name: "shared0", multiQueue: true }));
        expect(error).toMatchObject({ code: "EBUSY", message: expect.stringContaining("other headers") });
      });
      expect([segmentation(), first.info().vnetHeader]).toEqual(["on", true]);
      keep(openTun({ name: "shared0", multiQueue: true, offload: true })).close();
      expect([segmentation(), first.info().vnetHeader]).toEqual(["on", true]);
      first.close();
    } finally {
      run("ip", "link", "delete", "shared0");
    }
  });

  test("setSteering() has an eBPF program choose the queue", async () => {
    const [first, second] = [collector(), collector()];
    const tun = keep(openTun({ ...options, data: first.data }));
    keep(adopt(tun.openQueue().release(), { data: second.data }));
    const program = loadProgramThatReturns(1);
    tun.setSteering(program);
    await sendFlows(16, 5);
    await until(() => second.texts.length === 80, "all 80 datagrams at the second queue");
    tun.setSteering(null);
    expect(first.texts).toEqual([]);
    expect(refusal(() => tun.setSteering(2_000_000))).toMatchObject({ code: "EBADF", hint: expect.any(String) });
    expect(() => tun.setSteering(-1)).toThrow(TypeError);
  });
});

/** An eBPF program of two instructions: r0 = value, exit (include/uapi/linux/bpf.h). */
function loadProgramThatReturns(value: number): number {
  const libc = dlopen("libc.so.6", { syscall: { args: ["i64", "i64", "ptr", "i64"], returns: "i64" } });
  const instructions = new Uint8Array(16);
  instructions.set([0xb7, 0, 0, 0, value, 0, 0, 0, 0x95]);
  const license = new TextEncoder().encode("MIT\0");
  const attributes = new DataView(new ArrayBuffer(128));
  attributes.setUint32(0, 1, true); // BPF_PROG_TYPE_SOCKET_FILTER
  attributes.setUint32(4, 2, true);
  attributes.setBigUint64(8, BigInt(ptr(instructions)), true);
  attributes.setBigUint64(16, BigInt(ptr(license)), true);
  const number = process.arch === "arm64" ? 280 : 321;
  const fd = Number(libc.symbols.syscall(number, 5, new Uint8Array(attributes.buffer), 128));
  if (fd < 0) throw new Error("BPF_PROG_LOAD failed");
  return fd;
}
