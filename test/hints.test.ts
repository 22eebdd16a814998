import { describe, expect, test } from "bun:test";
import { sendRefused } from "../src/device/refusal.ts";
import { systemError, TunTapError } from "../src/errors.ts";
import { withHint } from "../src/hints.ts";
import { abortedError, closedError, goneError, handlerError, isGone } from "../src/io/failures.ts";
import { isOneSentence } from "./support/programs.ts";

const [EIO, EBADF, EFAULT, EINVAL, EBADFD, EOPNOTSUPP] = [-5, -9, -14, -22, -77, -95];
const ip = Uint8Array.of(0x45, 0, 0, 20);

describe("sendRefused()", () => {
  test.each([
    {
      name: "the interface is down",
      errno: EIO,
      detail: "the interface is down",
      hint: "bring it up first, with up()",
    },
    {
      name: "a TUN is given nothing",
      frame: new Uint8Array(0),
      detail: "this frame has 0 bytes",
      hint: "give an IP packet",
    },
    {
      name: "a TUN with packet information is given its header alone",
      frame: new Uint8Array(4),
      packetInfo: true,
      detail: "this frame has 4 bytes",
      hint: "give a packet-information header of 4 bytes and an IP packet",
    },
    {
      name: "a TAP is given less than a header",
      kind: "tap" as const,
      frame: new Uint8Array(13),
      detail: "this frame has 13 bytes",
      hint: "give an Ethernet frame of at least 14 bytes",
    },
    {
      name: "a TAP with packet information is given less than both headers",
      kind: "tap" as const,
      frame: new Uint8Array(17),
      packetInfo: true,
      detail: "this frame has 17 bytes",
      hint: "give a packet-information header of 4 bytes and an Ethernet frame of at least 14 bytes",
    },
    {
      name: "a TUN is given an Ethernet frame",
      frame: Uint8Array.of(0x02, 0x00, 0x5e),
      detail: "this packet starts with 0x02",
      hint: "give an IP packet, whose first half-byte is 4 or 6, without any header before it (packetInfo is false, and a TUN has no Ethernet header)",
    },
    {
      name: "a TUN is given zeros",
      frame: new Uint8Array(1),
      detail: "this packet starts with 0x00",
      hint: "give an IP packet, whose first half-byte is 4 or 6, without any header before it (packetInfo is false, and a TUN has no Ethernet header)",
    },
    {
      name: "a TAP is given a whole header",
      kind: "tap" as const,
      frame: new Uint8Array(14),
      detail: undefined,
      hint: "give one whole, well-formed frame",
    },
    {
      name: "a TUN with packet information is given more than the header",
      frame: new Uint8Array(5),
      packetInfo: true,
      detail: undefined,
      hint: "give one whole, well-formed frame",
    },
    { name: "the kernel says something else", errno: EFAULT, detail: undefined, hint: undefined },
  ])("explains when $name", (row) => {
    const { errno = EINVAL, frame = ip, kind = "tun", packetInfo = false, detail, hint } = row;
    const error = sendRefused(errno, frame, kind, packetInfo ? 4 : 0, undefined);
    expect([error.detail, error.hint]).toEqual([detail, hint]);
    expect([error.errno, error.syscall, error.frameIndex]).toEqual([errno, "write", undefined]);
    if (hint !== undefined) expect(hint).toSatisfy(isOneSentence);
  });

  test("says which frame of sendMany() it was", () => {
    expect(sendRefused(EIO, ip, "tun", 0, 0).frameIndex).toBe(0);
    expect(sendRefused(EINVAL, new Uint8Array(3), "tap", 0, 511).frameIndex).toBe(511);
  });
});

describe("goneError()", () => {
  test.each([
    [EBADFD, "read", "the interface was deleted, or the network namespace that it was in has ended"],
    [EFAULT, "read", "the interface was deleted, or the network namespace that it was in has ended"],
    [EBADF, "write", "the fd was closed behind the device's back"],
  ])("of %d from %s says why: %s", (errno, syscall, detail) => {
    const error = goneError(errno, syscall);
    expect(error).toMatchObject({ errno, syscall, detail });
    expect(error.hint).toSatisfy(isOneSentence);
  });

  test("adds nothing to another errno", () => {
    expect(goneError(EIO, "read")).toMatchObject({ code: "EIO", detail: undefined, hint: undefined });
  });
});

describe("isGone()", () => {
  test("is true for EBADFD and EBADF alone, as negative numbers", () => {
    expect([EBADFD, EBADF].map(isGone)).toEqual([true, true]);
    for (const errno of [0, 1, 77, 9, EIO, EFAULT, EINVAL, -11]) expect(isGone(errno)).toBe(false);
  });
});

describe("closedError()", () => {
  test("says what to do where close() was called", () => {
    const error = closedError(undefined);
    expect(error.message).toBe("ERR_TUNTAP_CLOSED: the device is closed: open a new one, or check `closed` first");
    expect(Object.hasOwn(error, "cause")).toBe(false);
  });

  test("says why the device ended, and has the reason as cause", () => {
    const reason = goneError(EBADFD, "read");
    const error = closedError(reason);
    expect(error.code).toBe("ERR_TUNTAP_CLOSED");
    expect(error.cause).toBe(reason);
    expect(error.hint).toBe(`it ended because of ${reason.message}`);
    expect([error.errno, error.syscall]).toEqual([undefined, undefined]);
  });
});

describe("abortedError()", () => {
  test("has the signal's reason as cause", () => {
    const reason = new Error("enough");
    expect(abortedError(reason)).toMatchObject({ code: "ERR_TUNTAP_ABORTED", cause: reason });
  });
});

describe("handlerError()", () => {
  test("names the handler and what it threw, which is its cause", () => {
    for (const [cause, what] of [
      [new RangeError("too far"), "RangeError: too far"],
      ["text", '"text"'],
      [undefined, "undefined"],
      [7, "7"],
    ]) {
      const error = handlerError("data", cause);
      expect(error.message).toBe(`ERR_TUNTAP_HANDLER: the data handler threw ${what}`);
      expect(error.cause).toBe(cause);
    }
  });
});

describe("withHint()", () => {
  test.each([
    ["ioctl(TUNGETIFF)", -25, "TUNSETIFF"],
    ["ioctl(TUNGETIFF)", EBADF, "no open file"],
    ["ioctl(TUNGETIFF)", EBADFD, "TUNSETIFF"],
    ["epoll_ctl(EPOLL_CTL_ADD)", -17, "belongs to a device already"],
    ["open", -24, "ulimit -n"],
    ["eventfd", -24, "ulimit -n"],
    ["open", -23, "limit on open files"],
    ["netlink(RTM_NEWLINK)", -1, "setcap cap_net_admin+ep"],
    ["netlink(RTM_NEWADDR)", -1, "setcap cap_net_admin+ep"],
    ["netlink(RTM_DELADDR)", -1, "setcap cap_net_admin+ep"],
    ["netlink(RTM_GETLINK)", -19, "namespace"],
    ["ioctl(SIOCSIFHWADDR)", EOPNOTSUPP, "open a TAP"],
    ["ioctl(SIOCSIFHWADDR)", -99, "multicast"],
    ["netlink(RTM_NEWADDR)", -17, "has that address already"],
    ["netlink(RTM_DELADDR)", -99, "addresses()"],
    ["netlink(RTM_NEWLINK)", -17, "another interface has that name"],
    ["netlink(RTM_NEWLINK)", -16, "call down() first"],
    ["netlink(RTM_NEWLINK)", -34, "32767 frames at most"],
    ["socket(NETLINK_ROUTE)", -97, "`RestrictAddressFamilies=AF_NETLINK AF_UNIX`"],
    ["netlink(RTM_NEWADDR)", EOPNOTSUPP, "this kernel has no IPv6"],
    ["netlink(RTM_NEWROUTE)", EOPNOTSUPP, "this kernel has no IPv6"],
    ["ioctl(TUNATTACHFILTER)", -12, "net.core.optmem_max"],
    ["ioctl(TUNSETIFF)", -7, "256 queues"],
    ["ioctl(TUNSETQUEUE)", -7, "256 queues"],
  ])("says about %s with errno %d what to do: … %s …", (syscall, errno, cure) => {
    const error = withHint(systemError(errno, syscall, { detail: "the kernel's words" }), () => false) as TunTapError;
    expect(error.hint).toContain(cure);
    expect(error.hint).toSatisfy(isOneSentence);
    expect(error).toMatchObject({ errno, syscall, detail: "the kernel's words" });
  });

  test("leaves alone what it knows nothing about, what has a hint, and what is no error of the kernel", () => {
    const errors = [
      systemError(EIO, "write"),
      systemError(-19, "read", { hint: "there" }),
      new TunTapError("ERR_TUNTAP_UNSUPPORTED", "text"),
      new TypeError("x"),
      undefined,
    ];
    for (const error of errors) expect(withHint(error)).toBe(error);
  });

  test("leaves to open() what open(2) and TUNSETIFF say", () => {
    for (const errno of [-1, -2, -6, -13, -16, -19, -22]) {
      for (const syscall of ["open", "ioctl(TUNSETIFF)"]) {
        const error = systemError(errno, syscall);
        expect(withHint(error)).toBe(error);
      }
    }
  });
});
