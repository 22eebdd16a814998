/** The versions of Bun that are refused; test/package/old-bun.test.ts tries real ones. */
import { describe, expect, test } from "bun:test";
import type { TunTapError } from "../../src/errors.ts";
import { assertSupported } from "../../src/sys/platform.ts";
import { isOneSentence, thrownBy } from "../support/programs.ts";

describe("assertSupported()", () => {
  test.each(["0.8.1", "1.0.36", "1.3.14", "1.3.14-canary.1", "1.4.0"])(
    "refuses Bun %s, and names what is needed",
    (version) => {
      const { code, message, hint } = thrownBy(() => assertSupported(version)) as TunTapError;
      expect(code).toBe("ERR_TUNTAP_UNSUPPORTED");
      expect(message).toContain(`Bun ${version} is not supported, bun-tuntap needs 1.4.1`);
      expect(hint).toContain("install Bun 1.4.1 or newer");
      expect(hint).toSatisfy(isOneSentence);
    },
  );

  test.each(["1.4.1", "1.4.1-debug", "1.4.12", "1.10.0", "2.0.0", Bun.version])("lets Bun %s pass", (version) => {
    expect(() => assertSupported(version)).not.toThrow();
  });
});
