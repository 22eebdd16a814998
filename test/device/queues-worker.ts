/** A Worker that adopts a queue, says so, and then what it receives: port and number of each datagram. */
import { adopt } from "../../src/index.ts";

declare const self: Worker;

self.addEventListener("message", ({ data }: MessageEvent<number | "close">) => {
  if (data === "close") {
    close();
    return;
  }
  const device = adopt(data, {
    data: (_, packets) => postMessage(packets.map((packet) => new TextDecoder().decode(packet.subarray(28)))),
  });
  close = () => {
    device.close();
    postMessage("closed");
  };
  postMessage("adopted");
});

let close = (): void => {};
