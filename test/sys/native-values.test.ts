/**
 * What bun:ffi of Bun 1.4.5 makes of values that are not what a signature
 * says. Nobody may rely on it: it shows what has to be checked above, and a
 * Bun that changes it should be noticed.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { closeSync, openSync, readFileSync } from "node:fs";
import { EPOLL_CTL_ADD, EPOLL_CTL_DEL, EPOLLIN } from "../../src/sys/constants.ts";
import { native } from "../../src/sys/native.ts";

const n = native();
let epoll: number;
let eventfd: number;
let sink: number;

beforeAll(() => {
  epoll = n.ep_open();
  eventfd = n.ev_open();
  sink = openSync("/dev/null", "w");
});

afterAll(() => {
  closeSync(sink);
  n.fd_close(eventfd);
  n.fd_close(epoll);
});

/** The token that the kernel has after it was given as `value`. */
function tokenFor(value: unknown): string {
  expect(n.ep_control(epoll, EPOLL_CTL_ADD, eventfd, EPOLLIN, value as number)).toBe(0);
  const line = /^tfd:.*data:\s*([0-9a-f]+)/m.exec(readFileSync(`/proc/self/fdinfo/${epoll}`, "latin1"));
  n.ep_control(epoll, EPOLL_CTL_DEL, eventfd, 0, 0);
  return `0x${line?.[1]}`;
}

/** write(2) of `length` bytes at `frame` to /dev/null. */
function write(frame: unknown, length: number): number {
  return n.tun_write(sink, frame as Uint8Array, length);
}

describe("a u32 parameter (the token of ep_control)", () => {
  test.each([
    ["0", 0, "0x0"],
    ["1", 1, "0x1"],
    ["2^31 - 1", 2 ** 31 - 1, "0x7fffffff"],
    ["2^31", 2 ** 31, "0x80000000"],
    ["2^32 - 1", 2 ** 32 - 1, "0xffffffff"],
  ])("takes %s as it is, which bindings of cc do not", (_name, value, token) => {
    expect(tokenFor(value)).toBe(token);
  });

  test("takes numbers modulo 2^32, without their fraction", () => {
    const given = [2 ** 32, 2 ** 32 + 5, -1, 1.5, Number.NaN, Number.POSITIVE_INFINITY, 5n];
    expect(given.map(tokenFor)).toEqual(["0x0", "0x5", "0xffffffff", "0x1", "0x0", "0x0", "0x5"]);
  });

  test("takes undefined, null and objects as 0, true as 1", () => {
    expect([undefined, null, {}, false, true].map(tokenFor)).toEqual(["0x0", "0x0", "0x0", "0x0", "0x1"]);
  });

  test("refuses text, also of digits", () => {
    for (const text of ["5", "x", ""]) {
      expect(() => tokenFor(text)).toThrow(new TypeError("bun:ffi cannot convert argument to 'u32'"));
    }
  });
});

describe("an i32 parameter (the fd of fd_control)", () => {
  test("takes numbers modulo 2^32, without their fraction: a wrong fd becomes another one", () => {
    const flags = n.fd_control(eventfd, 3, 0);
    expect(flags).toBeGreaterThan(0);
    for (const fd of [2 ** 32 + eventfd, eventfd + 0.5, BigInt(eventfd) as unknown as number]) {
      expect(n.fd_control(fd, 3, 0)).toBe(flags);
    }
  });

  test("takes 2^31 as negative: EBADF", () => {
    expect([2 ** 31, -1].map((fd) => n.fd_control(fd, 3, 0))).toEqual([-9, -9]);
  });

  test("takes undefined, null, NaN and 2^32 as 0, which is the standard input", () => {
    const flags = n.fd_control(0, 3, 0);
    for (const fd of [undefined, null, Number.NaN, 2 ** 32]) expect(n.fd_control(fd as number, 3, 0)).toBe(flags);
  });

  test("refuses text", () => {
    expect(() => n.fd_control(String(eventfd) as unknown as number, 3, 0)).toThrow(
      new TypeError("bun:ffi cannot convert argument to 'i32'"),
    );
  });
});

describe("a ptr parameter (the frame of tun_write)", () => {
  test("takes every view and buffer", () => {
    const buffer = new ArrayBuffer(8);
    const shared = new SharedArrayBuffer(8);
    for (const bytes of [buffer, shared, new Uint8Array(8), new DataView(buffer), new Int32Array(2), Buffer.alloc(8)]) {
      expect(write(bytes, 8)).toBe(8);
    }
  });

  test("takes an empty Uint8Array without a fault", () => {
    expect(write(new Uint8Array(0), 0)).toBe(0);
    expect(write(new Uint8Array(8).subarray(8), 0)).toBe(0);
  });

  test("begins at the view's offset, not at its buffer's start", () => {
    const message = new TextEncoder().encode("xx/dev/null\0");
    const fd = n.fd_open(message.subarray(2), 0);
    expect(fd).toBeGreaterThan(2);
    expect(n.fd_close(fd)).toBe(0);
  });

  test("takes undefined and null as NULL", () => {
    expect([undefined, null].map((frame) => n.fd_open(frame as unknown as Uint8Array, 0))).toEqual([-14, -14]);
  });

  test("refuses text, lists, objects and true", () => {
    for (const frame of ["text", [1], {}, true]) expect(() => write(frame, 1)).toThrow(TypeError);
  });
});
