/** A Worker on a host: echoes what TCP connections send to port 4000. */
import { readlinkSync } from "node:fs";

declare const self: Worker;

Bun.listen({
  hostname: "0.0.0.0",
  port: 4000,
  socket: {
    data: (socket, data) => void socket.write(data),
  },
});
self.postMessage({ netns: readlinkSync("/proc/thread-self/ns/net") });
