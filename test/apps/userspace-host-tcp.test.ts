/** The userspace host's TCP, segment by segment and without a clock: what RFC 9293 has it do, and bounds. The kernel's view is in userspace-host.test.ts. */

import { describe, expect, test } from "bun:test";
import { CONNECTIONS_MAX, HALF_OPEN_MAX } from "../../apps/userspace-host/tcp.ts";
import type { TcpSegment } from "../../src/packet/index.ts";
import { ACK, bigBody, endOf, FIN, gist, newHost, Peer, PSH, RST, SYN } from "./userspace-host-peer.ts";

const payloadOf = (segments: readonly TcpSegment[]): Buffer => Buffer.concat(segments.map(({ payload }) => payload));
const bodyOf = (answer: Buffer): Buffer => answer.subarray(answer.indexOf("\r\n\r\n") + 4);

/** Acknowledges at once until the host has nothing more to say; all that it said. */
function readAll(peer: Peer, first: readonly TcpSegment[]): { answer: Buffer; ended: boolean } {
  const all = [...first];
  let segments = first;
  for (let turns = 0; turns < 10_000 && segments.some((each) => endOf(each) !== each.sequence); turns++) {
    segments = peer.acknowledge(segments);
    all.push(...segments);
  }
  return { answer: payloadOf(all), ended: all.some(({ flags }) => flags & FIN) };
}

describe("opening", () => {
  test("a SYN is answered with our MSS, what comes next, and an unguessable number that goes on with the clock", () => {
    const host = newHost();
    const ask = (port: number, now: number): TcpSegment => {
      const [synAck] = new Peer(host, { port, now }).send({ sequence: 0xffff_ffff, flags: SYN });
      return synAck!;
    };
    const first = ask(1, 0);
    expect(first).toMatchObject({ sourcePort: 80, destinationPort: 1, flags: SYN | ACK, acknowledgment: 0 });
    expect(first.options).toEqual([{ kind: "mss", mss: 1460 }]);
    expect(Math.abs(ask(2, 0).sequence - first.sequence)).toBeGreaterThan(1000);
    const [later] = new Peer(newHost(), { port: 1, now: 4 }).send({ sequence: 1, flags: SYN });
    expect((later!.sequence - first.sequence) >>> 0).toBe(1000);
  });

  test.each([
    { mss: 100, size: 100 },
    { mss: 1, size: 48 },
    { mss: 9000, size: 1460 },
    { mss: undefined, size: 536 },
  ])("no segment has more than the peer's MSS: $mss", ({ mss, size }) => {
    const peer = new Peer(newHost()).connect(mss === undefined ? {} : { mss });
    const sizes = peer.get("/big?bytes=30000").map(({ payload }) => payload.length);
    expect(Math.max(...sizes)).toBe(size);
    // RFC 6928: ten segments, and not more than 14600 bytes unless they are two.
    expect(sizes.length).toBe(10);
  });

  test("a SYN that comes twice has the same answer; without an ACK it is sent three times, then forgotten", () => {
    const peer = new Peer(newHost());
    const [first] = peer.send({ sequence: 1000, flags: SYN });
    const again = peer.wait(6999);
    expect(again.map(({ at, segment }) => [at, gist(segment)])).toEqual([1000, 3000].map((at) => [at, gist(first!)]));
    expect(peer.states).toEqual({ "SYN-RECEIVED": 1 });
    expect(peer.wait(10)).toEqual([]);
    expect(peer.states).toEqual({});
    const other = new Peer(newHost());
    const twice = [other.send({ sequence: 1000, flags: SYN }), other.send({ sequence: 1000, flags: SYN })];
    expect(twice[0]!.map(gist)).toEqual(twice[1]!.map(gist));
  });

  test("a wrong ACK is reset, and the right one still opens", () => {
    const peer = new Peer(newHost());
    const [synAck] = peer.send({ sequence: 1000, flags: SYN });
    const wrong = (endOf(synAck!) + 5) >>> 0;
    const [reset] = peer.send({ sequence: 1001, acknowledgment: wrong, flags: ACK });
    expect(reset).toMatchObject({ sequence: wrong, flags: RST });
    expect(peer.send({ sequence: 1001, acknowledgment: endOf(synAck!), flags: ACK })).toEqual([]);
    expect(peer.states).toEqual({ ESTABLISHED: 1 });
  });
});

describe("refusing", () => {
  test.each([
    { what: "a SYN", flags: SYN, answer: { flags: RST | ACK, sequence: 0, acknowledgment: 8 } },
    { what: "data", flags: ACK, payload: "abc", answer: { flags: RST, sequence: 99 } },
    { what: "data without an ACK", flags: 0, payload: "abc", answer: { flags: RST | ACK, acknowledgment: 10 } },
  ])("$what to a closed port is reset", ({ flags, payload = "", answer }) => {
    const peer = new Peer(newHost(), { to: 81 });
    const answers = peer.send({ sequence: 7, acknowledgment: 99, flags, payload });
    expect(answers.length).toBe(1);
    expect(answers[0]).toMatchObject(answer);
  });

  test("a RST is never answered, and an ACK to a listening port is reset", () => {
    const peer = new Peer(newHost());
    expect(new Peer(peer.host, { to: 81 }).send({ sequence: 7, flags: RST })).toEqual([]);
    expect(peer.send({ sequence: 7, flags: RST | ACK })).toEqual([]);
    expect(peer.send({ sequence: 7, acknowledgment: 99, flags: ACK })[0]).toMatchObject({ flags: RST, sequence: 99 });
    expect(peer.send({ sequence: 7, flags: 0 })).toEqual([]);
  });
});

describe("receiving", () => {
  const request = "GET /nothing HTTP/1.1\r\nHost: x\r\n\r\n";

  test("asks again for segments that are missing, and takes repeated ones once", () => {
    const peer = new Peer(newHost()).connect();
    const { sequence, expected: acknowledgment } = peer;
    const part = (from: number, to: number): TcpSegment[] =>
      peer.send({ sequence: sequence + from, acknowledgment, flags: ACK, payload: request.slice(from, to) });
    // Behind a gap: the answer says which byte is missing, and the bytes are dropped.
    expect(part(10, 20).map(gist)).toEqual([
      { sequence: acknowledgment, acknowledgment: sequence, flags: ACK, length: 0 },
    ]);
    expect(part(0, 10)[0]).toMatchObject({ acknowledgment: sequence + 10 });
    expect(part(0, 10)[0]).toMatchObject({ acknowledgment: sequence + 10 });
    expect(part(5, 20)[0]).toMatchObject({ acknowledgment: sequence + 20 });
    const answers = part(15, request.length);
    expect(payloadOf(answers).toString()).toStartWith("HTTP/1.1 404 Not Found\r\n");
    expect(answers[0]).toMatchObject({ acknowledgment: sequence + request.length });
    expect(peer.host.counters.segmentsOutOfOrder).toBe(1);
  });

  test.each([
    { where: "before the window", offset: -100 },
    { where: "behind the window", offset: 16_384 },
    { where: "at the other side of the numbers", offset: 2 ** 31 },
  ])("what is $where is not taken", ({ offset }) => {
    const peer = new Peer(newHost()).connect();
    const { sequence, expected: acknowledgment } = peer;
    const at = (sequence + offset) >>> 0;
    const answers = peer.send({ sequence: at, acknowledgment, flags: ACK, payload: request });
    expect(answers.map(gist)).toEqual([{ sequence: acknowledgment, acknowledgment: sequence, flags: ACK, length: 0 }]);
    // A RST from there is somebody's guess.
    expect(peer.send({ sequence: at, flags: RST })).toEqual([]);
    expect(peer.states).toEqual({ ESTABLISHED: 1 });
  });

  test("only the very next number resets; any other in the window is asked about, and so is a SYN", () => {
    const peer = new Peer(newHost()).connect();
    const { sequence, expected: acknowledgment } = peer;
    const challenge = { sequence: acknowledgment, acknowledgment: sequence, flags: ACK, length: 0 };
    expect(peer.send({ sequence: sequence + 1, flags: RST }).map(gist)).toEqual([challenge]);
    expect(peer.send({ sequence: sequence + 1, flags: SYN }).map(gist)).toEqual([challenge]);
    expect(peer.states).toEqual({ ESTABLISHED: 1 });
    expect(peer.send({ sequence, flags: RST })).toEqual([]);
    expect(peer.states).toEqual({});
  });

  test.each([
    { what: "was never sent", offset: 1 },
    { what: "is older than any window", offset: -70_000 },
  ])("an acknowledgment of what $what is answered, and its data is not taken", ({ offset }) => {
    const peer = new Peer(newHost()).connect();
    const { sequence, expected } = peer;
    const acknowledgment = (expected + offset) >>> 0;
    const answers = peer.send({ sequence, acknowledgment, flags: ACK, payload: request });
    expect(answers.map(gist)).toEqual([{ sequence: expected, acknowledgment: sequence, flags: ACK, length: 0 }]);
  });

  test("a packet with a wrong checksum, or cut off, has no effect", () => {
    const peer = new Peer(newHost());
    const packet = peer.packet({ sequence: 1, flags: SYN });
    const damaged = packet.slice();
    damaged[30]! ^= 1;
    expect(peer.host.receive([damaged, packet.subarray(0, 39), packet.subarray(0, 3), new Uint8Array()], 0)).toEqual(
      [],
    );
    expect(peer.host.counters.packetsDamaged).toBe(4);
    expect(peer.host.receive([packet], 0).length).toBe(1);
  });
});

describe("sending", () => {
  test("the body comes whole, with a FIN behind it, over numbers that wrap around on both sides", () => {
    const [synAck] = new Peer(newHost()).send({ sequence: 1, flags: SYN });
    // Its clock goes on by 250 each millisecond: until the numbers wrap around within the body.
    const now = Math.ceil((2 ** 32 - synAck!.sequence - 50_000) / 250);
    const peer = new Peer(newHost(), { sequence: 0xffff_fff0, now }).connect({ mss: 1460 });
    const start = peer.expected;
    const { answer, ended } = readAll(peer, peer.get("/big?bytes=100000"));
    expect(peer.expected).toBeLessThan(start);
    expect(bodyOf(answer).equals(bigBody(100_000))).toBe(true);
    expect(ended).toBe(true);
    expect(peer.host.counters.segmentsSentAgain).toBe(0);
  });

  test("without an answer the first segment is sent again after 1, 2, 4... seconds at most; after 100 s a RST ends it", () => {
    const peer = new Peer(newHost());
    const [synAck] = peer.send({ sequence: 1000, flags: SYN });
    peer.now = 100;
    peer.sequence = 1001;
    peer.acknowledge([synAck!]);
    const [first] = peer.get("/big?bytes=5000");
    const again = peer.wait(300_000);
    // RFC 6298: the one round trip of 100 ms gives 300; then twice as long each time.
    const times = again.map(({ at }) => at);
    expect(times.slice(0, 7)).toEqual([300, 900, 2100, 4500, 9300, 18_900, 38_100].map((ms) => 100 + ms));
    for (const { segment } of again.slice(0, -1)) expect(gist(segment)).toEqual(gist(first!));
    expect(again.at(-1)!.segment.flags).toBe(RST | ACK);
    expect(times.at(-1)! - 100).toBeGreaterThanOrEqual(100_000);
    expect(peer.states).toEqual({});
  });

  test("after a timeout everything from there on is sent again, one segment first", () => {
    const peer = new Peer(newHost()).connect({ mss: 1000 });
    const flight = peer.get("/big?bytes=50000");
    expect(flight.length).toBe(10);
    const [again, ...more] = peer.wait(250);
    expect(more).toEqual([]);
    expect(gist(again!.segment)).toEqual(gist(flight[0]!));
    expect(peer.acknowledge([flight[0]!]).map(gist)).toEqual(flight.slice(1, 3).map(gist));
    const { answer } = readAll(peer, peer.acknowledge(flight.slice(1)));
    expect(answer.length).toBeGreaterThan(0);
    expect(peer.wait(5000)).toEqual([]);
  });

  test("three duplicates have the lost segment sent again at once, and the next lost one with the next acknowledgment", () => {
    const peer = new Peer(newHost()).connect({ mss: 1000 });
    const flight = peer.get("/big?bytes=50000");
    const lost = [flight[0]!, flight[4]!];
    const duplicate = (): TcpSegment[] => peer.say("");
    // RFC 3042: something new for the first two.
    const beyond = [...duplicate(), ...duplicate()];
    expect(beyond.map(({ sequence }) => sequence)).toEqual([endOf(flight[9]!), endOf(flight[9]!) + 1000]);
    expect(duplicate().map(gist)).toEqual([gist(lost[0]!)]);
    expect(peer.acknowledge(flight.slice(0, 4))[0]).toMatchObject({ sequence: lost[1]!.sequence });
    expect(peer.host.counters.segmentsSentAgain).toBe(2);
    // A segment with data is no duplicate acknowledgment, however often the number comes.
    const other = new Peer(newHost(), { port: 2 }).connect({ mss: 1000 });
    other.get("/big?bytes=50000");
    for (let i = 0; i < 5; i++) other.say("x");
    expect(other.host.counters.segmentsSentAgain).toBe(0);
  });

  test("duplicates after a timeout are of what was sent twice: nothing is lost by them", () => {
    const peer = new Peer(newHost()).connect({ mss: 1000 });
    peer.get("/big?bytes=50000");
    expect(peer.wait(250).length).toBe(1);
    for (let i = 0; i < 5; i++) expect(peer.say("")).toEqual([]);
  });

  test("what was sent twice tells nothing about the round trip", () => {
    const peer = new Peer(newHost());
    const [synAck] = peer.send({ sequence: 1000, flags: SYN, mss: 1000 });
    peer.now = 100;
    peer.sequence = 1001;
    peer.acknowledge([synAck!]);
    const flight = peer.get("/big?bytes=50000");
    peer.wait(290);
    for (let i = 0; i < 3; i++) peer.say("");
    expect(peer.host.counters.segmentsSentAgain).toBe(1);
    peer.acknowledge([flight[0]!]);
    // As before: 100 ms, and four times half of it.
    expect(peer.host.deadline - peer.now).toBe(300);
  });

  test("a segment that was overtaken does not tell the window", () => {
    const peer = new Peer(newHost()).connect({ mss: 1000 });
    const flight = peer.get("/big?bytes=50000", 2000);
    for (const segment of flight) peer.expected = endOf(segment);
    const { sequence, expected: acknowledgment } = peer;
    peer.send({ sequence: sequence + 1, acknowledgment, flags: ACK, payload: "y", window: 0 });
    const answers = peer.send({ sequence, acknowledgment, flags: ACK, payload: "x", window: 2000 });
    expect(answers.map(({ payload }) => payload.length)).toEqual([0]);
    peer.sequence++;
    expect(peer.say("y", 0, 2000).map(({ payload }) => payload.length)).toEqual([1000, 1000]);
  });

  test("the window doubles each round trip, and no more is sent than the peer takes", () => {
    const peer = new Peer(newHost()).connect({ mss: 1000 });
    let flight = peer.get("/big?bytes=1000000", 30_000);
    const sizes: number[] = [];
    for (let round = 0; round < 4; round++) {
      sizes.push(payloadOf(flight).length);
      flight = flight.flatMap((segment) => peer.acknowledge([segment], 30_000));
    }
    expect(sizes).toEqual([10_000, 20_000, 30_000, 30_000]);
  });

  test("a closed window is asked after with one byte, ever more rarely, and all of it comes once the window opens", () => {
    const peer = new Peer(newHost()).connect({ mss: 1000 });
    const first = peer.get("/big?bytes=8000", 2000);
    expect(payloadOf(first).length).toBe(2000);
    const sent = [...first];
    expect(peer.acknowledge(first, 0)).toEqual([]);
    const times: number[] = [];
    for (let probe = 0; probe < 5; probe++) {
      const [asked, ...more] = peer.wait(peer.host.deadline - peer.now);
      expect(more).toEqual([]);
      expect(gist(asked!.segment)).toMatchObject({ sequence: peer.expected, length: 1 });
      times.push(asked!.at);
      // Not taken.
      expect(peer.say("", 0, 0)).toEqual([]);
    }
    expect(times).toEqual([200, 600, 1400, 3000, 6200]);
    const opened = peer.say("", 0, 65_535);
    sent.push(...opened);
    const { answer } = readAll(peer, opened);
    expect(bodyOf(Buffer.concat([payloadOf(first), answer])).equals(bigBody(8000))).toBe(true);
  });

  test("a probe may be taken, and a small window is used only once nothing else is on its way", () => {
    const peer = new Peer(newHost()).connect({ mss: 1000 });
    const first = peer.get("/big?bytes=5000", 2000);
    peer.acknowledge(first, 0);
    const [probe] = peer.wait(250);
    // Silly window syndrome: 100 bytes of room are not worth a segment until the timer says so.
    expect(peer.acknowledge([probe!.segment], 100)).toEqual([]);
    const [piece] = peer.wait(250);
    expect(piece!.segment.payload.length).toBe(100);
    const { answer } = readAll(peer, peer.acknowledge([piece!.segment]));
    const all = [payloadOf(first), probe!.segment.payload, piece!.segment.payload, answer];
    expect(bodyOf(Buffer.concat(all)).equals(bigBody(5000))).toBe(true);
  });

  test("a peer whose window stays closed is given up after 100 s", () => {
    const peer = new Peer(newHost()).connect();
    peer.acknowledge(peer.get("/big?bytes=8000", 2000), 0);
    let flags = 0;
    for (let probes = 0; probes < 50 && peer.states["FIN-WAIT-1"] === 1; probes++) {
      flags = peer.wait(peer.host.deadline - peer.now).at(-1)!.segment.flags;
      if (!(flags & RST)) peer.say("", 0, 0);
    }
    expect(flags).toBe(RST | ACK);
    expect(peer.states).toEqual({});
    expect(peer.now).toBeLessThan(200_000);
  });
});

describe("closing", () => {
  const answered = (peer: Peer): TcpSegment => peer.get("/nothing").at(-1)!;

  test("we close first: FIN-WAIT-1, FIN-WAIT-2, and TIME-WAIT for ten seconds, which a late FIN begins anew", () => {
    const peer = new Peer(newHost()).connect();
    const last = answered(peer);
    expect(last.flags & FIN).toBe(FIN);
    expect(peer.states).toEqual({ "FIN-WAIT-1": 1 });
    expect(peer.acknowledge([last])).toEqual([]);
    expect(peer.states).toEqual({ "FIN-WAIT-2": 1 });
    const fin = { sequence: peer.sequence, acknowledgment: peer.expected, flags: FIN | ACK };
    const [ack] = peer.send(fin);
    expect(ack).toMatchObject({ flags: ACK, acknowledgment: fin.sequence + 1, sequence: peer.expected });
    expect(peer.states).toEqual({ "TIME-WAIT": 1 });
    expect(peer.wait(9000)).toEqual([]);
    expect(peer.send(fin).map(gist)).toEqual([gist(ack!)]);
    expect(peer.wait(9000)).toEqual([]);
    expect(peer.states).toEqual({ "TIME-WAIT": 1 });
    expect(peer.wait(1500)).toEqual([]);
    expect(peer.states).toEqual({});
    expect(peer.host.deadline).toBe(Number.POSITIVE_INFINITY);
  });

  test("both close at once: CLOSING, then TIME-WAIT", () => {
    const peer = new Peer(newHost()).connect();
    const last = answered(peer);
    // Ours was on its way when the host's was sent: it acknowledges nothing of the answer.
    const [ack] = peer.say("", FIN);
    expect(ack).toMatchObject({ flags: ACK, acknowledgment: peer.sequence });
    expect(peer.states).toEqual({ CLOSING: 1 });
    expect(peer.acknowledge([last])).toEqual([]);
    expect(peer.states).toEqual({ "TIME-WAIT": 1 });
  });

  test("the peer closes first: CLOSE-WAIT and LAST-ACK, and nothing is left", () => {
    const peer = new Peer(newHost()).connect();
    const answers = peer.say("", FIN);
    expect(answers.map(({ flags }) => flags)).toEqual([FIN | ACK]);
    expect(peer.states).toEqual({ "LAST-ACK": 1 });
    expect(peer.acknowledge(answers)).toEqual([]);
    expect(peer.states).toEqual({});
  });

  test("a request with a FIN behind it is answered", () => {
    const peer = new Peer(newHost()).connect();
    const answers = peer.say("GET /nothing HTTP/1.1\r\nHost: x\r\n\r\n", FIN);
    expect(payloadOf(answers).toString()).toStartWith("HTTP/1.1 404");
    expect(answers.at(-1)!.flags & FIN).toBe(FIN);
    expect(peer.acknowledge(answers)).toEqual([]);
    expect(peer.states).toEqual({});
  });

  test("a FIN of ours that is lost is sent again", () => {
    const peer = new Peer(newHost()).connect();
    const { sequence, payload } = answered(peer);
    peer.expected = (sequence + payload.length) >>> 0;
    peer.say("");
    expect(peer.wait(250).map(({ segment }) => gist(segment))).toEqual([
      { sequence: peer.expected, acknowledgment: peer.sequence, flags: FIN | ACK, length: 0 },
    ]);
  });

  test("a new SYN ends TIME-WAIT, an old one does not", () => {
    const peer = new Peer(newHost()).connect();
    peer.acknowledge([answered(peer)]);
    peer.say("", FIN);
    expect(peer.send({ sequence: peer.sequence - 100, flags: SYN })[0]).toMatchObject({ flags: ACK });
    expect(peer.states).toEqual({ "TIME-WAIT": 1 });
    expect(peer.send({ sequence: peer.sequence + 100, flags: SYN })[0]).toMatchObject({ flags: SYN | ACK });
    expect(peer.states).toEqual({ "SYN-RECEIVED": 1 });
  });

  test("a silent peer is reset after 30 s", () => {
    const peer = new Peer(newHost()).connect();
    peer.say("GET / HT");
    expect(peer.wait(29_999)).toEqual([]);
    expect(peer.wait(1).map(({ segment }) => segment.flags)).toEqual([RST | ACK]);
    expect(peer.states).toEqual({});
  });
});

describe("bounds", () => {
  test("openings that are never finished leave room for others, and their number stays small", () => {
    const host = newHost();
    const early = new Peer(host, { port: 1 }).connect();
    for (let i = 0; i < 1000; i++) {
      new Peer(host, { port: 2 + i, address: `203.0.113.${1 + (i % 200)}` }).send({ sequence: i, flags: SYN });
    }
    expect(early.states).toEqual({ ESTABLISHED: 1, "SYN-RECEIVED": HALF_OPEN_MAX });
    expect(payloadOf(early.get("/nothing")).toString()).toStartWith("HTTP/1.1 404");
    const late = new Peer(host, { port: 5000 }).connect();
    expect(payloadOf(late.get("/nothing")).toString()).toStartWith("HTTP/1.1 404");
  });

  test("limits connections: ended ones make room, active ones do not", () => {
    const host = newHost();
    const ended = new Peer(host, { port: 1 }).connect();
    ended.acknowledge(ended.get("/nothing"));
    ended.say("", FIN);
    for (let port = 2; port <= CONNECTIONS_MAX + 1; port++) new Peer(host, { port }).connect();
    expect(ended.states).toEqual({ ESTABLISHED: CONNECTIONS_MAX });
    expect(new Peer(host, { port: 9999 }).send({ sequence: 1, flags: SYN })).toEqual([]);
    expect(ended.states).toEqual({ ESTABLISHED: CONNECTIONS_MAX });
  });
});

describe("the web server", () => {
  test.each([
    { request: "GET / HTTP/1.1\r\nHost: x\r\n\r\n", status: "200 OK", body: /^This host exists only in TypeScript/ },
    { request: "HEAD / HTTP/1.1\r\nhost: x\r\n\r\n", status: "200 OK", body: /^$/ },
    { request: "GET / HTTP/1.0\r\n\r\n", status: "200 OK", body: /requests answered/ },
    { request: "GET /big?bytes=5 HTTP/1.1\r\nHost: x\r\n\r\n", status: "200 OK", body: bigBody(5) },
    { request: "GET /big?bytes=0 HTTP/1.1\r\nHost: x\r\n\r\n", status: "200 OK", body: /^$/ },
    { request: "GET /big HTTP/1.1\r\nHost: x\r\n\r\n", status: "400 Bad Request", body: /bytes is a number/ },
    {
      request: "GET /big?bytes=99999999 HTTP/1.1\r\nHost: x\r\n\r\n",
      status: "400 Bad Request",
      body: /up to 16777216/,
    },
    { request: "GET /nothing HTTP/1.1\r\nHost: x\r\n\r\n", status: "404 Not Found", body: /There are/ },
    { request: "POST / HTTP/1.1\r\nHost: x\r\n\r\n", status: "405 Method Not Allowed", body: /GET and HEAD/ },
    { request: "GET / HTTP/1.1\r\n\r\n", status: "400 Bad Request", body: /no HTTP/ },
    { request: "hello\r\n\r\n", status: "400 Bad Request", body: /no HTTP/ },
    {
      request: `GET / HTTP/1.1\r\nx: ${"y".repeat(8200)}`,
      status: "431 Request Header Fields Too Large",
      body: /8192/,
    },
  ])("$status", ({ request, status, body }) => {
    const peer = new Peer(newHost()).connect({ mss: 1460 });
    const answers: TcpSegment[] = [];
    for (let at = 0; at < request.length; at += 1000) answers.push(...peer.say(request.slice(at, at + 1000), PSH));
    const text = readAll(
      peer,
      answers.filter(({ payload }) => payload.length > 0),
    ).answer.toString("latin1");
    expect(text).toStartWith(`HTTP/1.1 ${status}\r\nDate: `);
    expect(text).toContain("\r\nConnection: close\r\n");
    const [head, content] = text.split("\r\n\r\n");
    if (body instanceof RegExp) expect(content).toMatch(body);
    else expect(content).toBe(Buffer.from(body).toString("latin1"));
    if (!request.startsWith("HEAD")) expect(head).toContain(`\r\nContent-Length: ${content!.length}\r\n`);
    else expect(head).not.toContain("Content-Length: 0");
  });
});
