import { describe, expect, test } from "bun:test";
import { type OpenRequest, withOpenHint } from "../../src/device/open-hints.ts";
import { systemError, TunTapError } from "../../src/errors.ts";
import { withHint } from "../../src/hints.ts";
import { isOneSentence } from "../support/programs.ts";

const request: OpenRequest = { kind: "tun", name: "tun0", path: "/dev/net/tun", exclusive: false };

describe("withOpenHint()", () => {
  test.each([
    ["open", -2, "/run/my-tun"],
    ["ioctl(TUNSETIFF)", -16, "tun0"],
  ])("says what %s was given, and keeps code, errno and call", (syscall, errno, detail) => {
    const error = withOpenHint(
      systemError(errno, syscall),
      { ...request, path: "/run/my-tun" },
      undefined,
    ) as TunTapError;
    expect(error).toMatchObject({ errno, syscall, detail });
    expect(error.hint).toSatisfy(isOneSentence);
    expect(error.message).toContain(`(${detail})`);
  });

  test("changes no error that has a hint, is not the kernel's, or is no TunTapError", () => {
    const errors = [
      systemError(-1, "open", { hint: "there" }),
      new TunTapError("ERR_TUNTAP_NATIVE", "text"),
      new Error("x"),
      "thrown text",
    ];
    for (const error of errors) expect(withOpenHint(error, request, undefined)).toBe(error);
  });

  test("keeps the kernel's own words", () => {
    const error = systemError(-22, "netlink(RTM_NEWLINK)", { detail: "mtu less than device minimum" });
    expect(withOpenHint(error, request, undefined)).toMatchObject({ detail: "mtu less than device minimum" });
  });

  test.each([-1, -2, -6, -13, -19])(
    "gives errno %d of open(2) the hint of openHint(), although open() asks withHint() first",
    (errno) => {
      const explained = withOpenHint(withHint(systemError(errno, "open")), request, undefined) as TunTapError;
      const direct = withOpenHint(systemError(errno, "open"), request, undefined) as TunTapError;
      expect(explained.hint).toBe(direct.hint as string);
    },
  );

  test.each([-1, -16, -22])("does so for errno %d of TUNSETIFF", (errno) => {
    const explained = withOpenHint(withHint(systemError(errno, "ioctl(TUNSETIFF)")), request, undefined) as TunTapError;
    const direct = withOpenHint(systemError(errno, "ioctl(TUNSETIFF)"), request, undefined) as TunTapError;
    expect(explained.hint).toBe(direct.hint as string);
  });
});
