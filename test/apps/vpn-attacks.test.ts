/**
 * The example vpn, compiled, with somebody between its two hosts: the test,
 * which passes datagrams on, and keeps, repeats, cuts and changes them.
 *
 *   left host 192.0.2.1 --- 192.0.2.254 the test 203.0.113.254 --- 203.0.113.1 right host, which listens
 */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { Handshakes } from "../../apps/vpn/handshake.ts";
import { makeKey, parseKey } from "../../apps/vpn/key-file.ts";
import { MessageType, typeOf } from "../../apps/vpn/wire.ts";
import { Namespace } from "../io/offload/support/namespaces.ts";
import { temporaryFolder } from "../package/support.ts";
import { describeWithTools } from "../support/privilege.ts";
import { interfaceNames, until } from "../support/system.ts";
import {
  allGone,
  compileVpn,
  dropped,
  INNER,
  joinHere,
  keyFile,
  ping,
  type Stats,
  tunnel,
  Vpn,
} from "./vpn-support.ts";

const RIGHT = [51820, "203.0.113.1"] as const;
const tools = ["ip", "ping", "nsenter", "unshare"];

type Socket = Bun.udp.Socket<"buffer">;

/** What stands between the hosts. */
class Between implements Disposable {
  /** All that went to the right host, and to the left one. */
  readonly toRight: Buffer[] = [];
  readonly toLeft: Buffer[] = [];
  /** Which of what goes to the right host is kept back. */
  withhold: (datagram: Buffer) => boolean = () => false;
  readonly withheld: Buffer[] = [];
  readonly #sockets: Socket[] = [];
  #facingLeft!: Socket;
  #facingRight!: Socket;
  #left: readonly [number, string] = [0, ""];

  static async open(): Promise<Between> {
    const between = new Between();
    between.#facingLeft = await between.#bind("192.0.2.254", (datagram, from) => between.#fromLeft(datagram, from));
    await between.move();
    return between;
  }

  get port(): number {
    return this.#facingLeft.port;
  }

  /** As a NAT does that has forgotten: the left host comes from another port from now on. */
  async move(): Promise<void> {
    this.#facingRight = await this.#bind("203.0.113.254", (datagram) => this.#fromRight(datagram));
  }

  /** From another socket than what is passed on. */
  async attack(datagrams: readonly Buffer[], side: "right" | "left" = "right"): Promise<void> {
    const isRight = side === "right";
    const attacker = await this.#bind(isRight ? "203.0.113.254" : "192.0.2.254", () => {});
    for (const datagram of datagrams) attacker.send(datagram, ...(isRight ? RIGHT : this.#left));
  }

  [Symbol.dispose](): void {
    for (const socket of this.#sockets) socket.close();
  }

  #fromLeft(datagram: Buffer, from: readonly [number, string]): void {
    this.#left = from;
    this.toRight.push(datagram);
    if (this.withhold(datagram)) this.withheld.push(datagram);
    else this.#facingRight.send(datagram, ...RIGHT);
  }

  #fromRight(datagram: Buffer): void {
    this.toLeft.push(datagram);
    this.#facingLeft.send(datagram, ...this.#left);
  }

  async #bind(hostname: string, data: (datagram: Buffer, from: readonly [number, string]) => void): Promise<Socket> {
    const handlers = {
      data: (_: Socket, datagram: Buffer, port: number, address: string) => data(datagram, [port, address]),
    };
    const socket = await Bun.udpSocket({ hostname, socket: handlers });
    this.#sockets.push(socket);
    return socket;
  }
}

describeWithTools("the example vpn, attacked", tools, () => {
  let folder: ReturnType<typeof temporaryFolder>;
  let vpn: string;
  let key: string;
  let rig: { left: Namespace; between: Between; listening: Vpn; connecting: Vpn };
  let stack: DisposableStack;
  const before = interfaceNames();

  beforeAll(async () => {
    folder = temporaryFolder();
    vpn = compileVpn(folder.path);
    key = keyFile(folder.path, "vpn.key");
    stack = new DisposableStack();
    const [left, right] = [stack.use(await Namespace.open()), stack.use(await Namespace.open())];
    joinHere(left, "left0", "192.0.2");
    joinHere(right, "right0", "203.0.113");
    const between = stack.use(await Between.open());
    const options = (addresses: readonly string[]): string[] => [
      "--key",
      key,
      ...addresses.flatMap((a) => ["--address", a]),
    ];
    const listening = stack.use(new Vpn(right, vpn, "listen", ...options(tunnel.right)));
    await listening.next("up");
    const connecting = stack.use(new Vpn(left, vpn, "connect", `192.0.2.254:${between.port}`, ...options(tunnel.left)));
    await Promise.all([connecting.next("session"), listening.next("session")]);
    rig = { left, between, listening, connecting };
  }, 60_000);

  afterAll(async () => {
    const pids = [rig.listening.pid, rig.connecting.pid];
    stack[Symbol.dispose]();
    folder[Symbol.dispose]();
    await allGone(pids);
    await until(() => Bun.deepEquals(interfaceNames(), before), "the interfaces are gone");
  });

  /** What an attack changes in a host's drops, once that many datagrams are accounted for; the tunnel goes on. */
  async function effect(
    host: "listening" | "connecting",
    count: number,
    attack: () => Promise<void>,
  ): Promise<Record<string, number>> {
    const { between, left } = rig;
    const earlier = await rig[host].stats();
    await attack();
    let now = await rig[host].stats();
    const news = (): Record<string, number> => difference(now, earlier);
    while (Object.values(news()).reduce((sum, n) => sum + n, 0) < count) now = await rig[host].stats();
    expect(between.withheld).toEqual([]);
    expect(await ping(left, INNER.ipv4, 3)).toBe(3);
    now = await rig[host].stats();
    expect([now.peer, now.moves]).toEqual([earlier.peer, earlier.moves]);
    return news();
  }

  function difference(now: Stats, earlier: Stats): Record<string, number> {
    const changed = Object.entries(dropped(now)).map(
      ([reason, n]) => [reason, n - (earlier.dropped[reason] ?? 0)] as const,
    );
    return Object.fromEntries(changed.filter(([, n]) => n > 0));
  }

  /** The handshake, and what is still in the window of what came after it. */
  function firstAndLast(datagrams: readonly Buffer[]): Buffer[] {
    return [datagrams[0] as Buffer, ...datagrams.slice(1).slice(-500)];
  }

  /** Data that has passed, to the right host. */
  async function data(): Promise<Buffer> {
    expect(await ping(rig.left, INNER.ipv4, 1)).toBe(1);
    return rig.between.toRight.findLast(
      (datagram) => typeOf(datagram) === MessageType.DATA && datagram.length > 100,
    ) as Buffer;
  }

  test("what has passed is replayed to the host that listens: handshake and data", async () => {
    expect(await ping(rig.left, INNER.ipv6, 20)).toBe(20);
    const all = firstAndLast(rig.between.toRight);
    expect(new Set(all.map(typeOf))).toEqual(new Set([MessageType.INITIATION, MessageType.DATA]));
    expect(await effect("listening", all.length, () => rig.between.attack(all))).toEqual({ replayed: all.length });
  });

  test("what has passed is replayed to the host that connects", async () => {
    expect(await ping(rig.left, INNER.ipv6, 20)).toBe(20);
    const all = firstAndLast(rig.between.toLeft);
    expect(typeOf(all[0] as Buffer)).toBe(MessageType.RESPONSE);
    // The response belongs to a handshake that is over.
    expect(await effect("connecting", all.length, () => rig.between.attack(all, "left"))).toEqual({
      unexpected: 1,
      replayed: all.length - 1,
    });
  });

  test("data is changed by a bit, anywhere behind the header, or has another counter", async () => {
    const datagram = await data();
    const forged = Array.from({ length: datagram.length - 8 }, (_, i) => {
      const copy = Buffer.from(datagram);
      copy[8 + i] = (copy[8 + i] as number) ^ (1 << (i % 8));
      return copy;
    });
    const result = await effect("listening", forged.length, () => rig.between.attack(forged));
    expect(result).toEqual({ forged: forged.length });
  });

  test("data is cut: too short for any, or without the end", async () => {
    const datagram = await data();
    const cut = (...lengths: number[]): Buffer[] => lengths.map((length) => datagram.subarray(0, length));
    const tooShort = cut(1, 3, 4, 15, 16, 31);
    const withoutEnd = cut(32, 33, datagram.length - 17, datagram.length - 1);
    expect(await effect("listening", 10, () => rig.between.attack([...tooShort, ...withoutEnd]))).toEqual({
      malformed: tooShort.length,
      forged: withoutEnd.length,
    });
  });

  test("a datagram is of no known type, or of another session", async () => {
    const datagram = await data();
    const changed = (offset: number): Buffer => {
      const copy = Buffer.from(datagram);
      copy[offset] = (copy[offset] as number) ^ 0x40;
      return copy;
    };
    const others = [0, 1, 2, 3, 4, 5, 6, 7].map(changed);
    expect(await effect("listening", 8, () => rig.between.attack(others))).toEqual({ malformed: 4, unexpected: 4 });
  });

  test("somebody with another key shakes hands, or forges our initiation", async () => {
    const strangers = [1, 2, 3].map(
      (i) => new Handshakes(parseKey(makeKey(), "key")).initiate(i, Date.now() + 1000).message,
    );
    const initiation = Buffer.from(
      rig.between.toRight.find((datagram) => typeOf(datagram) === MessageType.INITIATION) as Buffer,
    );
    // A later time, so that it would not count as replayed.
    initiation.writeBigUInt64LE(BigInt(Date.now() + 10_000), 8);
    const result = await effect("listening", 4, () => rig.between.attack([...strangers, initiation]));
    expect(result).toEqual({ "wrong key": 4 });
  });

  test("a datagram is kept back until its counter is out of the window", async () => {
    const { between, left } = rig;
    between.withhold = (datagram) => between.withheld.length === 0 && datagram.length > 100;
    // The one that is kept back is lost to ping.
    expect(await ping(left, INNER.ipv4, 2, "-w", "1")).toBeGreaterThan(0);
    between.withhold = () => false;
    expect(await ping(left, INNER.ipv4, 2200)).toBe(2200);
    const late = between.withheld.splice(0);
    expect(late.length).toBe(1);
    expect(await effect("listening", 1, () => between.attack(late))).toEqual({ "too old": 1 });
  }, 20_000);

  test("a NAT gives the connection another port: the listening host follows", async () => {
    const { peer, moves } = await rig.listening.stats();
    await rig.between.move();
    expect(await ping(rig.left, INNER.ipv4, 3)).toBe(3);
    const now = await rig.listening.stats();
    expect(now.moves).toBe(moves + 1);
    expect(now.peer).not.toBe(peer as string);
  });
});
