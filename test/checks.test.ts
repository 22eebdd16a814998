/** Checks of what users give: an option that is not known is refused, with the one that was probably meant. */
import { expect, test } from "bun:test";
import { checkKnown } from "../src/checks.ts";
import { openTun } from "../src/index.ts";
import { openUdp } from "../src/udp/index.ts";
import { failureOf } from "./support/programs.ts";

const known = ["addresses", "mtu", "multiQueue", "name", "netns", "offload", "owner", "persist", "reuseBuffers", "up"];

function refusalOf(member: string): string {
  return failureOf(() => checkKnown({ [member]: 1 }, known, (name) => `Unknown option "${name}"`)).message;
}

test.each([
  ["adresses", "addresses"], // a letter is missing
  ["address", "addresses"],
  ["multiqueue", "multiQueue"], // the case
  ["reuseBuffer", "reuseBuffers"],
  ["resueBuffers", "reuseBuffers"], // two letters have changed places
  ["nmae", "name"],
  ["Offload", "offload"],
  ["mut", "mtu"],
])("%s was meant to be %s", (given, meant) => {
  expect(refusalOf(given)).toBe(`Unknown option "${given}", did you mean "${meant}"? Known are ${known.join(", ")}`);
});

test.each(["ip", "m", "gateway", "toString", "_", "", "x".repeat(1000)])(
  "of %p nobody knows what was meant",
  (given) => {
    expect(refusalOf(given)).toBe(`Unknown option "${given}": known are ${known.join(", ")}`);
  },
);

test("opening a device or a socket says so, before anything is opened", () => {
  const tun = failureOf(() => openTun({ adresses: ["192.0.2.1/24"] } as object));
  expect(tun).toMatchObject({ kind: "TypeError", message: expect.stringContaining('did you mean "addresses"?') });
  const member = failureOf(() => openTun({ addresses: [{ address: "192.0.2.1", per: "192.0.2.2" } as never] }));
  expect(member).toMatchObject({ kind: "TypeError", message: expect.stringContaining('did you mean "peer"?') });
  const udp = failureOf(() => openUdp({ recieveBuffer: 1 } as object));
  expect(udp).toMatchObject({ kind: "TypeError", message: expect.stringContaining('did you mean "receiveBuffer"?') });
});
