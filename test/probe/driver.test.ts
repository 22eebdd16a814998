import { describe, expect, test } from "bun:test";
import { namedFeatures } from "../../src/probe/driver.ts";

describe("namedFeatures()", () => {
  const known = ["TUN", "TAP", "NAPI", "NAPI_FRAGS", "NO_CARRIER", "MULTI_QUEUE", "NO_PI", "ONE_QUEUE", "VNET_HDR"];

  function set(bits: number): string[] {
    return Object.entries(namedFeatures(bits))
      .filter(([, on]) => on)
      .map(([name]) => name.replace("IFF_", ""));
  }

  test("has a name for each bit of Linux 6.18, and for the one announced for 7.2", () => {
    expect(set(0x7173)).toEqual(known);
    expect(set(0x71f3).sort()).toEqual([...known, "BACKPRESSURE"].sort());
  });

  test("has every name, whether the driver has the flag or not", () => {
    expect(Object.keys(namedFeatures(0)).sort()).toEqual(Object.keys(namedFeatures(0x71f3)).sort());
    expect(set(0)).toEqual([]);
  });

  test("tells bits without a name by their number", () => {
    expect(set(0x0008 | 0x0001)).toEqual(["TUN", "0x0008"]);
    // As an int, which is what an ioctl gives, the highest bit is negative.
    expect(set(0x8000_0000 | 0)).toEqual(["0x80000000"]);
  });
});
