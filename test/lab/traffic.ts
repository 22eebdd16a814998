/** Traffic between the hosts of a lab, by sockets that are made on them. */
import type { Host, PingOptions } from "../../src/lab/index.ts";

/** Pings, with patience for a busy machine; returns the round trip in milliseconds, and throws if no answer comes. */
export async function reach(from: Host, to: Host | string, options: PingOptions = {}): Promise<number> {
  const milliseconds = await from.ping(to, { timeout: 30_000, ...options });
  if (milliseconds === null) throw new Error(`"${from.name}" gets no answer`);
  return milliseconds;
}

/** Sends a text by TCP, and returns the echo. Without a port, the echo server is made here. */
export async function echoOnce(client: Host, server: Host, text: string, port = 0): Promise<string> {
  const echo = (socket: Bun.Socket<undefined>, data: Buffer): void => void socket.write(data);
  const hostname = server.address;
  using listener = server.enter(() =>
    port === 0 ? Bun.listen({ hostname, port: 0, socket: { data: echo } }) : { port, [Symbol.dispose]: () => {} },
  );
  const answer = Promise.withResolvers<string>();
  let got = "";
  const socket = await client.enter(() =>
    Bun.connect({
      hostname,
      port: listener.port,
      socket: {
        open: (socket) => void socket.write(text),
        data: (_socket, data) => {
          got += data.toString();
          if (got.length >= text.length) answer.resolve(got);
        },
        error: (_socket, error) => answer.reject(error),
      },
    }),
  );
  try {
    return await answer.promise;
  } finally {
    socket.end();
  }
}

/** A UDP socket on a host that notes the numbers that it gets, in order. */
export async function udpSink(host: Host, port = 0): Promise<{ port: number; numbers: number[]; close: () => void }> {
  const numbers: number[] = [];
  const socket = await host.enter(() =>
    Bun.udpSocket({
      hostname: host.address,
      port,
      socket: { data: (_socket, data) => void numbers.push(data.readUInt32BE(0)) },
    }),
  );
  return { port: socket.port, numbers, close: () => socket.close() };
}

/** Sends numbered datagrams, with a turn of the event loop in between now and then. */
export async function floodUdp(from: Host, to: Host, port: number, count: number, length = 100): Promise<void> {
  const socket = await from.enter(() => Bun.udpSocket({ hostname: from.address, port: 0 }));
  const data = Buffer.alloc(length);
  for (let i = 0; i < count; i++) {
    data.writeUInt32BE(i, 0);
    socket.send(data, port, to.address);
    if (i % 20 === 19) await Bun.sleep(1);
  }
  socket.close();
}
