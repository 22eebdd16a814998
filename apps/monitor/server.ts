/** The page, its updates and the download, over HTTP. Answers requests for names of this host only. */

import { buildCapture, LinkType } from "../../src/capture/index.ts";
import type { Device } from "../../src/index.ts";
import { pageAnswer } from "../support/page.ts";
import { Downloads } from "./downloads.ts";
import html from "./page.html" with { type: "text" };
import { Readings, read } from "./readings.ts";
import type { Viewer } from "./viewer.ts";
import { TICK_MS, Watch } from "./watch.ts";

/** Options of {@link serveMonitor}. */
export interface ServerOptions {
  /** Address of this machine. */
  hostname: string;
  /** Port; 0 for any free one. */
  port: number;
}

/** A page that is being served, until it is disposed of. */
export interface MonitorServer extends AsyncDisposable {
  readonly url: string;
}

/** The most browsers at a time: each costs an update of its own. */
const VIEWERS = 32;
/** A filter, in UTF-8; a longer message ends the connection. */
const MESSAGE_MAX = 1024;
/** The most text that waits for a client: it gets no more updates until it has read some. */
const BACKLOG_BYTES = 1024 * 1024;

/** Shows `device` to browsers until it is disposed of. Looks at frames only while there is one. */
export function serveMonitor(device: Device, { hostname, port }: ServerOptions): MonitorServer {
  const readings = new Readings(read(device, performance.now()));
  const sockets = new Map<Viewer, Socket>();
  let watch: Watch | undefined;
  const downloads = new Downloads();
  const page = pageAnswer(html as unknown as string);
  const server = Bun.serve<Connection>({
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
          return page();
        case "/updates":
          if (!isSameOrigin(request, url)) return new Response("Not from another page\n", { status: 403 });
          if (sockets.size >= VIEWERS) return new Response("Too many browsers at a time\n", { status: 503 });
          return server.upgrade(request, { data: {} }) ? undefined : new Response("A WebSocket\n", { status: 426 });
        case "/capture.pcapng":
          return download(downloads, device, watch);
        default:
          return new Response("There is / and /capture.pcapng\n", { status: 404 });
      }
    },
    websocket: {
      backpressureLimit: BACKLOG_BYTES,
      maxPayloadLength: MESSAGE_MAX,
      open(socket) {
        watch ??= new Watch(device, readings);
        socket.data.viewer = watch.open();
        sockets.set(socket.data.viewer, socket);
      },
      message({ data: { viewer } }, message) {
        if (typeof message === "string") viewer?.filter(message);
      },
      close({ data: { viewer } }) {
        if (viewer === undefined) return;
        sockets.delete(viewer);
        if (watch?.close(viewer) !== false) return;
        watch[Symbol.dispose]();
        watch = undefined;
      },
    },
  });
  const timer = setInterval(() => {
    if (device.closed) return;
    if (watch === undefined) readings.add(read(device, performance.now()));
    else for (const [viewer, update] of watch.tick()) tell(sockets.get(viewer), JSON.stringify(update));
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

interface Connection {
  viewer?: Viewer;
}

type Socket = Bun.ServerWebSocket<Connection>;

function tell(socket: Socket | undefined, update: string): void {
  if (socket !== undefined && socket.getBufferedAmount() < BACKLOG_BYTES) socket.send(update);
}

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
