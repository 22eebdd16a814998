import { describe, expect, test } from "bun:test";
import { check, describeErrno, systemError, TunTapError } from "../src/errors.ts";
import { thrownBy } from "./support/programs.ts";

describe("TunTapError", () => {
  test.each([
    { name: "code and text alone", details: {}, message: "EPERM: operation not permitted" },
    { name: "syscall", details: { syscall: "open" }, message: "EPERM: operation not permitted, open" },
    { name: "hint", details: { hint: "use sudo" }, message: "EPERM: operation not permitted: use sudo" },
    { name: "detail", details: { detail: "/dev/net/tun" }, message: "EPERM: operation not permitted (/dev/net/tun)" },
    {
      name: "all of them, in order",
      details: { hint: "use sudo", detail: "tun0", syscall: "ioctl(TUNSETIFF)", errno: -1 },
      message: "EPERM: operation not permitted (tun0), ioctl(TUNSETIFF): use sudo",
    },
    {
      name: "empty texts, which are there all the same",
      details: { hint: "", detail: "", syscall: "" },
      message: "EPERM: operation not permitted (), : ",
    },
  ])("has a message of $name", ({ details, message }) => {
    expect(new TunTapError("EPERM", "operation not permitted", details).message).toBe(message);
  });

  test("keeps each detail in a field", () => {
    const cause = new Error("why");
    const details = { errno: -22, syscall: "write", detail: "3 bytes", hint: "give more", frameIndex: 7, cause };
    const error = new TunTapError("EINVAL", "invalid argument", details);
    const { name, code, errno, syscall, detail, hint, frameIndex } = error;
    expect({ errno, syscall, detail, hint, frameIndex, cause: error.cause }).toEqual(details);
    expect(error.cause).toBe(cause);
    expect({ name, code }).toEqual({ name: "TunTapError", code: "EINVAL" });
  });

  test("leaves undefined what is not known, and has no cause where none is given", () => {
    const error = new TunTapError("ERR_TUNTAP_CLOSED", "the device is closed");
    const { errno, syscall, detail, hint, frameIndex } = error;
    expect([errno, syscall, detail, hint, frameIndex]).toEqual(new Array(5).fill(undefined));
    expect(Object.hasOwn(error, "cause")).toBe(false);
    expect(Object.hasOwn(new TunTapError("EIO", "text", { cause: undefined }), "cause")).toBe(false);
  });

  test("keeps a cause that is falsy but not undefined", () => {
    for (const cause of [null, 0, "", false]) {
      expect(new TunTapError("ERR_TUNTAP_ABORTED", "text", { cause }).cause).toBe(cause);
    }
  });

  test("keeps frame index 0", () => {
    expect(new TunTapError("EINVAL", "text", { frameIndex: 0 }).frameIndex).toBe(0);
  });

  test("is an Error with a stack that starts with name and message", () => {
    const error = new TunTapError("EIO", "input/output error");
    expect(error).toBeInstanceOf(Error);
    expect(error.stack).toContain("TunTapError: EIO: input/output error");
    expect(`${error}`).toBe("TunTapError: EIO: input/output error");
  });
});

describe("systemError()", () => {
  test("takes name and text from the errno, and leaves it negative", () => {
    const error = systemError(-1, "ioctl(TUNSETIFF)");
    expect(error).toBeInstanceOf(TunTapError);
    expect(error.message).toBe("EPERM: operation not permitted, ioctl(TUNSETIFF)");
    expect([error.code, error.errno, error.syscall]).toEqual(["EPERM", -1, "ioctl(TUNSETIFF)"]);
  });

  test("adds the details, which override neither errno nor syscall", () => {
    const error = systemError(-16, "open", {
      errno: -1,
      syscall: "other",
      hint: "wait",
      detail: "tun0",
      frameIndex: 2,
    });
    expect(error.message).toBe("EBUSY: resource busy or locked (tun0), open: wait");
    expect([error.errno, error.syscall, error.frameIndex]).toEqual([-16, "open", 2]);
  });
});

describe("check()", () => {
  test.each([0, 1, 3, 2 ** 31 - 1])("returns %d, which is no error", (result) => {
    expect(check(result, "open")).toBe(result);
  });

  test.each([
    [-1, "EPERM"],
    [-4000, "E4000"],
  ])("throws for %d the error %s", (result, code) => {
    expect(thrownBy(() => check(result, "open"))).toMatchObject({ code, errno: result, syscall: "open" });
  });
});

describe("describeErrno()", () => {
  test.each([
    [-1, "EPERM"],
    [-2, "ENOENT"],
    [-4, "EINTR"],
    [-5, "EIO"],
    [-6, "ENXIO"],
    [-9, "EBADF"],
    [-11, "EAGAIN"],
    [-13, "EACCES"],
    [-14, "EFAULT"],
    [-16, "EBUSY"],
    [-17, "EEXIST"],
    [-19, "ENODEV"],
    [-22, "EINVAL"],
    [-24, "EMFILE"],
    [-25, "ENOTTY"],
    [-77, "EBADFD"],
    [-95, "EOPNOTSUPP"],
    [-99, "EADDRNOTAVAIL"],
  ])("calls %d %s and has a text for it", (errno, code) => {
    const [name, text] = describeErrno(errno);
    expect(name).toBe(code);
    expect(text).toMatch(/^\S.*\S$/);
    expect(text).not.toBe("unknown error");
  });

  test("knows EBADFD, which Node's table lacks and a deleted interface gives", () => {
    expect(process.getBuiltinModule("node:util").getSystemErrorMap().has(-77)).toBe(false);
    expect(describeErrno(-77)).toEqual(["EBADFD", "file descriptor in bad state"]);
  });

  test("has a name for an errno that nobody knows", () => {
    expect(describeErrno(-4000)).toEqual(["E4000", "unknown error"]);
    expect(describeErrno(-512)).toEqual(["E512", "unknown error"]);
  });
});
