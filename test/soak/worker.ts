/** A Worker of the soak: pings through a device of its own, says so, and holds it open until it is terminated. */
import { openTun } from "../../src/index.ts";
import { echoRequest, isAnswer } from "../faults/packets.ts";

const device = openTun({
  addresses: ["192.0.2.1/24"],
  ipv6: false,
  data: (_device, frames) => {
    if (frames.some((frame) => isAnswer(frame))) postMessage("pinged");
  },
});
device.send(echoRequest);
setTimeout(() => postMessage("no answer to a ping came"), 30_000).unref();
