/** Clients that wait for an address while other things happen: they leave, come twice, or the store goes. */
import { afterEach, beforeAll, beforeEach, expect, test } from "bun:test";
import type { AddressBook, Applicant } from "../../apps/switch/addresses/book.ts";
import { Lobby } from "../../apps/switch/lobby.ts";
import { Members } from "../../apps/switch/members.ts";
import { serve } from "../../apps/switch/serve.ts";
import { describeWithTools } from "../support/privilege.ts";
import { run, until } from "../support/system.ts";
import { serveOptions, TOKEN } from "./switch-lan.ts";

/** An address book that answers when the test says so. */
class SlowBook implements AddressBook {
  trouble: string | undefined;
  readonly asked: (Applicant & { answer(address: string | undefined): void; fail(error: Error): void })[] = [];
  readonly released: string[] = [];

  lease(client: Applicant): Promise<string | undefined> {
    const { promise, resolve, reject } = Promise.withResolvers<string | undefined>();
    this.asked.push({ ...client, answer: resolve, fail: reject });
    return promise;
  }

  async claim(client: Applicant, address: string): Promise<boolean> {
    return (await this.lease(client)) === address;
  }

  release(id: string): void {
    this.released.push(id);
  }

  status() {
    return { given: this.asked.length, size: 254, available: this.trouble === undefined };
  }
}

interface Client {
  readonly socket: WebSocket;
  readonly messages: unknown[];
  closed?: { readonly code: number; readonly reason: string };
}

describeWithTools("a client that waits for its address", ["ip"], () => {
  let members: Members;
  let book: SlowBook;
  let server: ReturnType<typeof serve>;
  let clients: Client[] = [];
  const log: string[] = [];
  const options = serveOptions(log, { portsMax: 3, perHostMax: 3, perPortMax: 2 });

  beforeAll(() => run("ip", "link", "set", "lo", "up"));
  beforeEach(() => {
    members = new Members(options);
    book = new SlowBook();
    members.book = book;
    server = serve(options, members);
    log.length = 0;
  });
  afterEach(async () => {
    for (const { socket } of clients) socket.terminate();
    clients = [];
    await server.stop(true);
  });

  /** A client without an interface; resolves once it has asked for an address, or was refused. */
  async function client(query: string): Promise<Client> {
    const before = book.asked.length;
    const url = `ws://127.0.0.1:${server.port}/lan?${query}`;
    const socket = new WebSocket(url, { headers: { authorization: `Bearer ${TOKEN}` } });
    const client: Client = { socket, messages: [] };
    socket.onmessage = ({ data }) => client.messages.push(JSON.parse(data));
    socket.onclose = ({ code, reason }) => {
      client.closed = { code, reason };
    };
    clients.push(client);
    const hasAsked = (): boolean => book.asked.length > before && socket.readyState === WebSocket.OPEN;
    await until(() => hasAsked() || client.closed !== undefined, "it has asked");
    return client;
  }
  const hasSpoken = ({ messages, closed }: Client): boolean => messages.length > 0 || closed !== undefined;
  const ids = (): string[] => members.all().map(({ id }) => id);

  test("is in the LAN once it has it, and sends nothing before", async () => {
    const one = await client("id=one");
    one.socket.send(Uint8Array.of(0, 0));
    expect([one.messages, ids(), log]).toEqual([[], [], []]);
    book.asked[0]?.answer("198.51.100.7/24");
    await until(() => hasSpoken(one), "it is welcomed");
    expect([one.messages, ids()]).toEqual([[{ mtu: 1500, address: "198.51.100.7/24" }], ["one"]]);
  });

  test("and leaves meanwhile: its address is released when it comes", async () => {
    const one = await client("id=one");
    one.socket.close();
    await until(() => one.closed !== undefined && server.pendingWebSockets === 0, "the switch knows");
    expect(book.released).toEqual([]);
    book.asked[0]?.answer("198.51.100.7/24");
    await until(() => book.released.length > 0, "it is released");
    expect([book.released, ids(), log]).toEqual([["one"], [], []]);
  });

  test("and comes again: the newer connection is let in, the older one closed, the address kept", async () => {
    const first = await client("id=one&run=a");
    const second = await client("id=one&run=a");
    await until(() => first.closed !== undefined, "the first is closed");
    expect(first.closed).toEqual({ code: 4004, reason: "another connection with this id" });
    // The answers may come in any order.
    book.asked[1]?.answer("198.51.100.7/24");
    await until(() => hasSpoken(second), "the second is welcomed");
    book.asked[0]?.answer("198.51.100.7/24");
    const third = await client("id=one&run=b");
    await until(() => second.closed !== undefined, "the second is closed");
    expect([second.closed?.code, book.released]).toEqual([4001, ["one"]]);
    book.asked[2]?.answer("198.51.100.7/24");
    await until(() => hasSpoken(third), "the third is welcomed");
    expect([ids(), book.released]).toEqual([["one"], ["one"]]);
  });

  test("and comes again, and both leave: the address is released, once the last answer is there", async () => {
    const both = [await client("id=one&run=a"), await client("id=one&run=a")];
    for (const { socket } of both) socket.close();
    await until(
      () => both.every(({ closed }) => closed !== undefined) && server.pendingWebSockets === 0,
      "both have gone",
    );
    book.asked[0]?.answer("198.51.100.7/24");
    book.asked[1]?.answer("198.51.100.7/24");
    await until(() => book.released.length === 2, "released");
    expect(ids()).toEqual([]);
  });

  test("has a port: no more wait than there are", async () => {
    const waiting = [await client("id=one"), await client("id=two"), await client("id=three")];
    expect((await client("id=four")).closed).toEqual({ code: 4003, reason: "all 3 ports are in use" });
    // One that comes again takes its own place.
    expect((await client("id=two")).closed).toBeUndefined();
    waiting[0]?.socket.close();
    await until(() => waiting[0]?.closed !== undefined && server.pendingWebSockets === 2, "one has gone");
    expect((await client("id=four")).closed).toBeUndefined();
  });

  test("and the store goes: is let in without one, told why, and called when there are addresses again", async () => {
    const one = await client("id=one");
    book.trouble = "the store does not answer";
    book.asked[0]?.answer(undefined);
    await until(() => hasSpoken(one), "it is welcomed");
    expect(one.messages).toEqual([{ mtu: 1500, noAddress: "the store does not answer" }]);
    const claiming = await client("id=two&claim=198.51.100.9/24");
    book.asked[1]?.answer(undefined);
    await until(() => hasSpoken(claiming), "it is refused");
    expect(claiming.closed).toEqual({
      code: 4006,
      reason: "198.51.100.9/24 cannot be booked now: the store does not answer",
    });
    book.trouble = undefined;
    const full = await client("id=three");
    book.asked[2]?.answer(undefined);
    await until(() => hasSpoken(full), "it is welcomed");
    expect(full.messages).toEqual([
      { mtu: 1500, noAddress: "all that there are, or that one machine may have, are taken" },
    ]);
    members.recall();
    await until(() => one.closed !== undefined, "it is called");
    expect([one.closed?.code, ids()]).toEqual([4006, ["three"]]);
  });

  test("and the book breaks: is told to try again", async () => {
    const one = await client("id=one");
    book.asked[0]?.fail(new Error("broken"));
    await until(() => hasSpoken(one), "it is refused");
    expect([one.closed, ids()]).toEqual([{ code: 4006, reason: "no answer" }, []]);
  });

  test("looks at the hub first if it wants to: it joins by a word, and by no other", async () => {
    members.backbone = { isIsolated: true, summary: () => ({}) };
    const look = async (): Promise<Client> => {
      const socket = new WebSocket(`ws://127.0.0.1:${server.port}/lan?id=one&hold=1`, {
        headers: { authorization: `Bearer ${TOKEN}` },
      });
      const client: Client = { socket, messages: [] };
      clients.push(client);
      socket.onmessage = ({ data }) => client.messages.push(JSON.parse(data));
      socket.onclose = ({ code, reason }) => {
        client.closed = { code, reason };
      };
      await until(() => hasSpoken(client), "the hub has spoken");
      return client;
    };
    const one = await look();
    expect([one.messages, book.asked.length]).toEqual([[{ isolated: true }], 0]);
    one.socket.send("something else");
    await until(() => one.closed !== undefined, "it is closed");
    expect(one.closed).toEqual({ code: 1003, reason: 'wanted "join"' });
    const two = await look();
    two.socket.send("join");
    await until(() => book.asked.length === 1, "it has asked");
    book.asked[0]?.answer("198.51.100.7/24");
    await until(() => two.messages.length === 2, "it is welcomed");
    expect([two.messages[1], book.asked.length]).toEqual([{ mtu: 1500, address: "198.51.100.7/24" }, 1]);
    members.tellState({ isolated: false });
    await until(() => two.messages.length === 3, "it is told");
    expect(two.messages[2]).toEqual({ isolated: false });
  });
});

test("a client that looks at a hub for too long is sent away", async () => {
  const lobby = new Lobby<{ send(): void; close(code: number): void }>({ perHostMax: 2, stayMs: 1 });
  const closed: number[] = [];
  const [one, two] = [1, 2].map(() => ({ send: () => {}, close: (code: number) => void closed.push(code) }));
  for (const visitor of [one, two])
    lobby.enter(visitor as NonNullable<typeof visitor>, "192.0.2.1", { isolated: false });
  lobby.leave(two as NonNullable<typeof two>);
  await until(() => closed.length > 0, "it is closed");
  expect(closed).toEqual([4005]);
});

test("only so many clients may look at a hub at a time, and fewer of one machine", () => {
  const lobby = new Lobby<{ send(): void; close(code: number): void }>({ perHostMax: 32 });
  const closed: number[] = [];
  const visitors = Array.from({ length: 1025 }, () => ({
    send: () => {},
    close: (code: number) => void closed.push(code),
  }));
  const enter = (hostOf: (i: number) => number): void => {
    for (const [i, visitor] of visitors.entries()) lobby.enter(visitor, `192.0.2.${hostOf(i)}`, { isolated: false });
  };
  const leave = (): number => visitors.filter((visitor) => lobby.leave(visitor)).length;
  enter((i) => i % 64);
  expect([closed.splice(0), leave()]).toEqual([[4003], 1024]);
  enter((i) => (i < 1000 ? 1 : i));
  expect([closed.length, leave()]).toEqual([1000 - 32, 32 + 25]);
});
