/** Addresses to listen at, on the command line. */
import { expect, test } from "bun:test";
import { parseListen } from "../../apps/support/listen.ts";

test.each([
  ["192.0.2.1:7000", { hostname: "192.0.2.1", port: 7000 }],
  ["[2001:db8::1]:0", { hostname: "2001:db8::1", port: 0 }],
  ["localhost:65535", { hostname: "localhost", port: 65_535 }],
])("%s is an address to listen at", (text, listen) => expect(parseListen("at", text)).toEqual(listen));

test.each(["", "7000", "192.0.2.1", "192.0.2.1:", "2001:db8::1:7000", ":7000", "a:65536", "a:-1"])(
  "%p is no address to listen at",
  (text) => expect(() => parseListen("at", text)).toThrow("--at must be"),
);
