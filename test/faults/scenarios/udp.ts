/** The sockets of bun-tuntap/udp. */
import type { TunTapError } from "../../../src/index.ts";
import { openUdp, type UdpSocket } from "../../../src/udp/index.ts";
import { Broken, Ended, expectThat, PATIENCE_MS, pause, type Scenario } from "../scenario.ts";

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

/** As many as take two system calls: the kernel can stop between them. */
const IN_TURN = 20;

const hub: Scenario = {
  name: "UDP: send to peers in turn",
  async run() {
    let reason: TunTapError | undefined;
    const close = (_socket: UdpSocket, why?: TunTapError): void => {
      reason ??= why;
    };
    const arrived: number[][] = [];
    using members = new DisposableStack();
    const ports = Array.from({ length: 5 }, () => {
      const numbers: number[] = [];
      arrived.push(numbers);
      const data = (_socket: UdpSocket, frames: Uint8Array[]): void => {
        for (const frame of frames) numbers.push(frame[0] as number);
      };
      return members.use(openUdp({ address, close, data })).port;
    });
    let refusal: unknown;
    using socket = openUdp({
      address,
      close,
      error: (_socket, told) => {
        refusal = told;
      },
    });
    const peers = ports.map((port) => socket.endpoint(address, port));
    // Each longer than the one before, so that none is one of a run.
    const all = Array.from({ length: IN_TURN * peers.length }, (_, i) => new Uint8Array(100 + i).fill(i));
    const to = all.map((_, i) => peers[i % peers.length] as (typeof peers)[0]);
    const count = (): number => arrived.flat().length;
    const deadline = performance.now() + PATIENCE_MS;
    for (let done = 0; done < all.length || count() < socket.counters().datagramsSent; await pause()) {
      if (reason !== undefined) throw new Ended(reason);
      if (performance.now() > deadline) throw refusal ?? new Broken(`${count()} datagrams came`);
      const taken = socket.sendMany(all.slice(done), to.slice(done));
      // They are this program's again.
      for (const datagram of all.slice(done, done + taken)) datagram.fill(0xff);
      done += taken;
    }
    const { datagramsSent, refused } = socket.counters();
    expectThat(datagramsSent + refused === all.length, "each datagram is sent or refused");
    for (const [i, numbers] of arrived.entries()) {
      const isRight = numbers.every((number, at) => number % peers.length === i && number > (numbers[at - 1] ?? -1));
      expectThat(isRight, `the datagrams come to their peer once and in order: ${numbers}`);
    }
    if (refused > 0) throw refusal;
  },
};

export const udp: readonly Scenario[] = [echoed, hub];
