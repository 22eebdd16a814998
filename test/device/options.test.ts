import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { checkAdoptOptions, checkOpenOptions } from "../../src/device/options.ts";
import { checkMtu, checkTxQueueLength, type Kind } from "../../src/interface/checks.ts";
import { failureOf } from "../support/programs.ts";

const handler = (): void => {};
const signal = new AbortController().signal;
const address = "192.0.2.1/24";

/** Options of both openTun and openTap, each with every kind of good value. */
const good: Record<string, readonly unknown[]> = {
  name: ["tun0", "vpn%d", "%d", "a%db", "x", "fifteen-bytes-x", "tun.1", "-", "...", "été"],
  path: ["/dev/net/tun", "x", " "],
  packetInfo: [true, false],
  exclusive: [true, false],
  multiQueue: [true, false],
  persist: [true, false],
  owner: [0, 1000, 2 ** 31, 0xffff_fffe],
  group: [0, 1000, 2 ** 31, 0xffff_fffe],
  up: [true, false],
  mtu: [68, 1500, 65521],
  txQueueLength: [0, 1, 0x7fff_ffff],
  sendBuffer: [1, 65536, 0x7fff_ffff],
  addresses: [[], [address], ["2001:db8::1/64", { address: "192.0.2.1", peer: "192.0.2.2" }], [{ address }]],
  routes: [
    [],
    ["198.51.100.0/24", "default", "::/0", "2001:db8::1"],
    [{ to: "198.51.100.0/24", via: "192.0.2.2", metric: 0, table: 1000, source: address.slice(0, -3), onLink: true }],
    [
      { to: "default", via: "2001:db8::1" },
      { to: "198.51.100.0/24", via: "2001:db8::1" },
    ],
  ],
  alias: ["", "to the office", "é".repeat(127)],
  promiscuous: [true, false],
  allMulticast: [true, false],
  master: ["br0", 7, null],
  ipv6: [true, false],
  ownerless: [true, false],
  netns: ["blue", "/run/netns/blue", "/proc/1/ns/net", 1, 0x7fff_ffff],
  reuseBuffers: [true, false],
  offload: [true, false, {}, { raw: true }, { raw: false, udp: false }],
  signal: [signal],
  data: [handler, async () => {}],
  drain: [handler],
  change: [handler],
  error: [handler],
  close: [handler],
};

const wholeNumber = ["1500", 1500.5, Number.NaN, Number.POSITIVE_INFINITY, null, 1500n, true, {}, []];
const notBoolean = [0, 1, "true", "", null, {}, Number.NaN];
const notFunction = [null, true, "handler", {}, []];

interface Bad {
  readonly option: string;
  readonly kind: "TypeError" | "RangeError";
  readonly values: readonly unknown[];
  /** What the message says is wanted. */
  readonly wanted: string;
}

const bad: readonly Bad[] = [
  ...[
    "packetInfo",
    "exclusive",
    "persist",
    "up",
    "reuseBuffers",
    "promiscuous",
    "allMulticast",
    "ipv6",
    "ownerless",
  ].map((option): Bad => ({ option, kind: "TypeError", values: notBoolean, wanted: "true or false" })),
  ...["data", "drain", "change", "error", "close"].map(
    (option): Bad => ({ option, kind: "TypeError", values: notFunction, wanted: "a function" }),
  ),
  ...["owner", "group"].flatMap((option): Bad[] => [
    { option, kind: "TypeError", values: wholeNumber, wanted: "a whole number" },
    { option, kind: "RangeError", values: [-1, 0xffff_ffff, 2 ** 32, 2 ** 53], wanted: "0 to 4294967294" },
  ]),
  {
    option: "path",
    kind: "TypeError",
    values: ["", null, 3, true, new URL("file:///dev")],
    wanted: "a non-empty string",
  },
  { option: "mtu", kind: "TypeError", values: wholeNumber, wanted: "a whole number" },
  { option: "mtu", kind: "RangeError", values: [0, -1, 67, 65536, 2 ** 31, 2 ** 32 + 1500], wanted: "68 to 65535" },
  { option: "txQueueLength", kind: "TypeError", values: wholeNumber, wanted: "a whole number" },
  { option: "txQueueLength", kind: "RangeError", values: [-1, 2 ** 31, 2 ** 32], wanted: "0 to 2147483647" },
  { option: "sendBuffer", kind: "TypeError", values: wholeNumber, wanted: "a whole number" },
  { option: "sendBuffer", kind: "RangeError", values: [0, -1, 2 ** 31], wanted: "1 to 2147483647" },
  { option: "signal", kind: "TypeError", values: [null, {}, new AbortController(), "now"], wanted: "an AbortSignal" },
  { option: "addresses", kind: "TypeError", values: [null, {}, address, 4, new Set([address])], wanted: "a list of" },
  { option: "routes", kind: "TypeError", values: [null, {}, "default", 4], wanted: "a list of" },
  {
    option: "offload",
    kind: "TypeError",
    values: [null, 1, "raw", { tso: true }],
    wanted: "true, false or { raw, udp }",
  },
  { option: "alias", kind: "TypeError", values: [null, 4, "a\0b"], wanted: "text without NUL" },
  { option: "alias", kind: "RangeError", values: ["é".repeat(128)], wanted: "at most 255 bytes long" },
  { option: "master", kind: "TypeError", values: [true, 1.5, {}], wanted: "a whole number" },
  { option: "master", kind: "RangeError", values: [0, -1, 2 ** 31], wanted: "1 to 2147483647" },
  { option: "netns", kind: "TypeError", values: [null, "", "a\0b", "..", true, {}], wanted: "a name as in" },
  { option: "netns", kind: "RangeError", values: [0, -1, 1.5, 2 ** 31], wanted: "the id of a process" },
  { option: "name", kind: "TypeError", values: [null, 0, true, ["tun0"], new String("tun0")], wanted: "a string" },
];

describe("checkOpenOptions()", () => {
  for (const kind of ["tun", "tap"] as const) {
    test(`takes no options, and undefined for every option, of a ${kind.toUpperCase()}`, () => {
      checkOpenOptions({}, kind);
      checkOpenOptions(Object.fromEntries([...Object.keys(good), "mac"].map((option) => [option, undefined])), kind);
    });

    test.each(Object.entries(good))(`takes the good values of %s of a ${kind.toUpperCase()}`, (option, values) => {
      for (const value of values) checkOpenOptions({ [option]: value }, kind);
    });
  }

  test.each(bad)("throws a $kind for what $option cannot be ($wanted), naming option, value and want", (row) => {
    for (const value of row.values) {
      const { kind, message } = failureOf(() => checkOpenOptions({ [row.option]: value }, "tun"));
      expect({ value, kind, message }).toEqual({
        value,
        kind: row.kind,
        message: expect.stringContaining(`Option "${row.option}" must be ${row.wanted}`),
      });
      expect(message).toEndWith(`, got ${Bun.inspect(value)}`);
    }
  });

  test("names an unknown option, and the known ones in order", () => {
    const { kind, message } = failureOf(() => checkOpenOptions({ address: ["192.0.2.1/24"] }, "tun"));
    expect(kind).toBe("TypeError");
    expect(message).toBe(
      `Unknown option "address", did you mean "addresses"? Known are ${[...Object.keys(good), "mac"].sort().join(", ")}`,
    );
  });

  test("refuses an unknown option even if it is undefined", () => {
    expect(failureOf(() => checkOpenOptions({ Mtu: undefined }, "tun")).message).toStartWith('Unknown option "Mtu"');
  });

  test.each(["constructor", "toString", "hasOwnProperty", "__proto__"])("knows no option %s", (option) => {
    const options = Object.fromEntries([[option, true]]);
    expect(failureOf(() => checkOpenOptions(options, "tun")).message).toStartWith(`Unknown option "${option}"`);
  });

  test.each([null, undefined, "tun0", 0, true, () => {}])("throws a TypeError if the options are %p", (options) => {
    const { kind, message } = failureOf(() => checkOpenOptions(options, "tun"));
    expect({ kind, message }).toEqual({
      kind: "TypeError",
      message: `Option "options" must be an object, got ${Bun.inspect(options)}`,
    });
  });

  test("throws nothing but TypeError and RangeError, whatever the options are", () => {
    const value = fc.oneof(fc.anything({ withBigInt: true, withDate: true, withMap: true }), fc.string());
    const options = fc.dictionary(fc.constantFrom(...Object.keys(good), "mac", "closeFd"), value, { maxKeys: 3 });
    fc.assert(
      fc.property(options, fc.constantFrom<Kind>("tun", "tap"), (options, kind) => {
        for (const check of [checkOpenOptions, checkAdoptOptions]) {
          try {
            check(options, kind);
          } catch (error) {
            expect([TypeError, RangeError]).toContain((error as Error).constructor as typeof TypeError);
          }
        }
      }),
      { numRuns: 3000 },
    );
  });

  test("names the option, and refuses a path with a NUL byte, which open(2) would cut there", () => {
    const { message } = failureOf(() => checkOpenOptions({ path: "/dev/net/tun\0.old" }, "tun"));
    expect(message).toContain('Option "path"');
  });
});

describe("checkAdoptOptions()", () => {
  test("takes closeFd, and the options of an interface that is there already", () => {
    checkAdoptOptions({ closeFd: true, up: true, mtu: 1400, addresses: [address], persist: true, signal }, "tun");
    checkAdoptOptions({ closeFd: false, mac: "02:00:5e:00:53:01" }, "tap");
  });

  test.each(["name", "path", "packetInfo", "exclusive", "netns"])("knows no option %s", (option) => {
    const { kind, message } = failureOf(() => checkAdoptOptions({ [option]: good[option]?.[0] }, "tun"));
    expect(kind).toBe("TypeError");
    expect(message).toBe(
      `Unknown option "${option}": known are addresses, alias, allMulticast, change, close, closeFd, data, drain, error, group, ipv6, mac, master, mtu, offload, owner, ownerless, persist, promiscuous, reuseBuffers, routes, sendBuffer, signal, txQueueLength, up`,
    );
  });

  test("throws a TypeError for a closeFd that is not a boolean", () => {
    expect(failureOf(() => checkAdoptOptions({ closeFd: 0 }, "tun"))).toEqual({
      kind: "TypeError",
      message: 'Option "closeFd" must be true or false, got 0',
    });
  });
});

describe("checkMtu()", () => {
  test.each([
    ["tun", 68, 65535],
    ["tap", 68, 65521],
  ] as const)("takes what the driver takes on a %s: %d to %d", (kind, min, max) => {
    for (const bytes of [min, min + 1, 1500, 9000, max - 1, max]) checkMtu(bytes, kind);
    for (const bytes of [min - 1, max + 1, -0, 0, -1500]) {
      expect(failureOf(() => checkMtu(bytes, kind))).toEqual({
        kind: "RangeError",
        message: `Option "mtu" must be ${min} to ${max}, got ${bytes}`,
      });
    }
  });
});

describe("checkTxQueueLength()", () => {
  test("takes 0 to 2^31 - 1", () => {
    for (const frames of [0, 1, 500, 2 ** 31 - 1]) checkTxQueueLength(frames);
    for (const frames of [-1, 2 ** 31]) {
      expect(failureOf(() => checkTxQueueLength(frames)).kind).toBe("RangeError");
    }
  });
});
