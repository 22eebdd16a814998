/**
 * One way of holding a device, or not: prints "open", and "ended" on stdin's
 * end, after closing what is open. Stdin itself never keeps it alive.
 */
import { openTun, type Tun } from "../../../src/index.ts";

const devices: Tun[] = [];

function open(): Tun {
  const tun = openTun();
  devices.push(tun);
  return tun;
}

/** Something else than a device that keeps the process alive, until a frame has come in. */
async function receiveUnreferenced(): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const tun = openTun({
    addresses: ["192.0.2.1/24"],
    data(_, frames) {
      for (const frame of frames) if (frame[19] === 2) resolve();
    },
  });
  tun.unref();
  const alive = setInterval(() => {}, 1000);
  const socket = await Bun.udpSocket({});
  socket.send("payload", 9, "192.0.2.2");
  socket.close();
  await promise;
  console.log("received");
  clearInterval(alive);
}

const ways: Record<string, () => void | Promise<void>> = {
  "no device": () => {},
  open: () => void open(),
  "unref()": () => open().unref(),
  "unref() with a data handler": () => openTun({ data() {} }).unref(),
  "unref() with a pending receive()": () => {
    const tun = open();
    void tun.receive();
    tun.unref();
  },
  "ref() after unref()": () => {
    const tun = open();
    tun.unref();
    tun.ref();
  },
  "ref() twice, unref() once": () => {
    const tun = open();
    tun.ref();
    tun.unref();
  },
  "one of two unref'd": () => {
    open().unref();
    open();
  },
  "one of two closed": () => {
    open();
    open().close();
  },
  "both closed": () => {
    open().close();
    open().close();
  },
  "unref(), frame received": receiveUnreferenced,
};

process.stdin.on("data", () => {});
process.stdin.on("end", () => {
  console.log("ended");
  for (const device of devices) device.close();
});
process.stdin.unref();

await ways[process.argv[2] as string]?.();
console.log("open");
