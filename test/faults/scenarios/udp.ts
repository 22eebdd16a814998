/** The sockets of bun-tuntap/udp. */
import type { TunTapError } from "../../../src/index.ts";
import { openUdp, type UdpSocket } from "../../../src/udp/index.ts";
import { Broken, Ended, PATIENCE_MS, pause, type Scenario } from "../scenario.ts";

const address = "127.0.0.1";
const datagrams = Array.from({ length: 4 }, (_, i) => new Uint8Array(100).fill(i));

/** Sends until `arrived`; throws why the socket closed. */
async function sendUntil(
  socket: UdpSocket,
  closed: () => TunTapError | undefined,
  arrived: () => boolean,
): Promise<void> {
  const deadline = performance.now() + PATIENCE_MS;
  for (let i = 0; !arrived(); i++) {
    const reason = closed();
    if (reason !== undefined) throw new Ended(reason);
    if (performance.now() > deadline) throw new Broken("no datagram came back");
    if (i % 20 === 0) socket.sendMany(datagrams);
    await pause();
  }
}

const echoed: Scenario = {
  name: "UDP: send datagrams, and have them back",
  async run({ other }) {
    let reason: TunTapError | undefined;
    let refusal: unknown;
    const close = (_socket: UdpSocket, why?: TunTapError): void => {
      reason ??= why;
    };
    const error = (_socket: UdpSocket, told: TunTapError): void => {
      refusal = told;
    };
    using server = openUdp({
      address,
      close,
      error,
      data: (socket, frames, from) => void socket.sendMany(frames, from),
    });
    let back = 0;
    using client = openUdp({
      address,
      peer: { address, port: server.port },
      sendBuffer: 100_000,
      receiveBuffer: 100_000,
      close,
      error,
      data: (_socket, frames) => {
        back += frames.length;
      },
    });
    const echoed = sendUntil(
      client,
      () => reason,
      () => back > 0,
    );
    // What goes on being refused is told, and does not arrive.
    await echoed.catch((silence) => {
      throw refusal ?? silence;
    });
    openUdp({ address, netns: other }).close();
  },
};

export const udp: readonly Scenario[] = [echoed];
