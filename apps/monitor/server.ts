/** The page, its updates and the download, over HTTP. Answers requests for names of this host only. */

import { buildCapture, LinkType } from "../../src/capture/index.ts";
import type { Device } from "../../src/index.ts";
import { Downloads } from "./downloads.ts";
import html from "./page.html" with { type: "text" };
import { TICK_MS, Watch } from "./watch.ts";

export interface ServerOptions {
  /** Address of this machine. */
  hostname: string;
  /** Port; 0 for any free one. */
  port: number;
}

export interface MonitorServer extends AsyncDisposable {
  readonly url: string;
}

const UPDATES = "updates";
/** The most text that waits for a client: it gets no more updates until it has read some. */
const BACKLOG_BYTES = 1024 * 1024;

/** Shows `device` to browsers until it is disposed of. Looks at frames only while there is one. */
export function serveMonitor(device: Device, { hostname, port }: ServerOptions): MonitorServer {
  let watch: Watch | undefined;
  const downloads = new Downloads();
  const server = Bun.serve({
    hostname,
    port,
    // Bun 1.4.5 sets SO_REUSEPORT outside development: two servers would share the port.
    reusePort: false,
    // Its page about an error shows source and paths to whoever caused it.
    development: false,
    fetch(request, server) {
      // Without a host in the request there is none in the URL, which is none then.
      const url = URL.parse(request.url);
      // A page of somebody else's may point its own name at this address, and read what it gets (DNS rebinding).
      if (url === null || !isOurs(url.hostname, hostname)) return new Response("Not by this name\n", { status: 421 });
      if (request.method !== "GET") return new Response("Only GET\n", { status: 405, headers: { Allow: "GET" } });
      switch (url.pathname) {
        case "/":
          return new Response(html as unknown as string, { headers: pageHeaders });
        case "/updates":
          if (!isSameOrigin(request, url)) return new Response("Not from another page\n", { status: 403 });
          return server.upgrade(request) ? undefined : new Response("A WebSocket\n", { status: 426 });
        case "/capture.pcapng":
          return download(downloads, device, watch);
        default:
          return new Response("There is / and /capture.pcapng\n", { status: 404 });
      }
    },
    websocket: {
      backpressureLimit: BACKLOG_BYTES,
      open(socket) {
        watch ??= new Watch(device);
        socket.subscribe(UPDATES);
      },
      message() {},
      close() {
        if (server.subscriberCount(UPDATES) > 0) return;
        watch?.[Symbol.dispose]();
        watch = undefined;
      },
    },
  });
  const timer = setInterval(() => {
    if (watch !== undefined && !device.closed) server.publish(UPDATES, JSON.stringify(watch.tick()));
  }, TICK_MS);
  return {
    url: `http://${hostname.includes(":") ? `[${hostname}]` : hostname}:${server.port}/`,
    async [Symbol.asyncDispose]() {
      clearInterval(timer);
      watch?.[Symbol.dispose]();
      await server.stop(true);
    },
  };
}

const pageHeaders = {
  "Content-Type": "text/html; charset=utf-8",
  "Content-Security-Policy":
    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data:; connect-src 'self'",
  "X-Content-Type-Options": "nosniff",
  "Referrer-Policy": "no-referrer",
};

function isOurs(asked: string, hostname: string): boolean {
  const name = asked.replace(/^\[|\]$/g, "");
  return name === hostname || name === "localhost" || /^[\d.]+$/.test(name) || name.includes(":");
}

function isSameOrigin(request: Request, url: URL): boolean {
  const origin = request.headers.get("origin");
  // A page in a sandbox says "null", which is no URL.
  return origin === null || URL.parse(origin)?.host === url.host;
}

/** The latest sampled frames, in a file for Wireshark. */
function download(downloads: Downloads, device: Device, watch: Watch | undefined): Response {
  const { name, kind } = device;
  const headers = {
    "Content-Type": "application/x-pcapng",
    "Content-Disposition": `attachment; filename="${name}.pcapng"`,
  };
  return downloads.answer(() => {
    const frames = [...(watch?.recent ?? [])].map(({ frame, direction, time }) => ({
      frame,
      timestampNs: BigInt(time) * 1_000_000n,
      direction: direction === "received" ? ("outbound" as const) : ("inbound" as const),
    }));
    return buildCapture({ name, linkType: kind === "tap" ? LinkType.ETHERNET : LinkType.RAW }, frames);
  }, headers);
}
