/** addRule(), removeRule() and listRules(), against `ip rule`, both ways. */
import { afterEach, beforeAll, describe, expect, test } from "bun:test";
import {
  addRule,
  listRules,
  type NetnsLike,
  openTun,
  type Rule,
  type RuleSettings,
  removeRule,
} from "../../src/index.ts";
import { as, somebody } from "../device/as-others.ts";
import { leavingNothing, otherNamespace, refusal, warmUp } from "../device/support.ts";
import { describeWithTools } from "../support/privilege.ts";
import { failureOf, runScript, top } from "../support/programs.ts";
import { quietIPv6, run } from "../support/system.ts";
import { ipJson } from "./support.ts";

interface Shown {
  readonly priority: number;
  readonly not?: null;
  readonly src: string;
  readonly srclen?: number;
  readonly dst?: string;
  readonly dstlen?: number;
  readonly fwmark?: string;
  readonly fwmask?: string;
  readonly iif?: string;
  readonly oif?: string;
  readonly table?: string;
  readonly suppress_prefixlen?: number;
  readonly protocol?: string;
  readonly action?: string;
}

const tables: Readonly<Record<string, number>> = { local: 255, main: 254, default: 253 };
const protocols: Readonly<Record<string, Rule["protocol"]>> = {
  ...{ unspec: 0, kernel: "kernel", boot: "boot", static: "static" },
  ...{ 2: "kernel", 3: "boot", 4: "static" },
};
/** FR_ACT_* as `ip -N` has them. */
const actions: Readonly<Record<string, Rule["action"]>> = { 6: "blackhole", 7: "unreachable", 8: "prohibit" };
const ifSet = (key: string, value: unknown): object => (value === undefined ? {} : { [key]: value });

function prefixOf(address: string | undefined, length: number | undefined): string | undefined {
  if (address === undefined || address === "all") return undefined;
  return `${address}/${length ?? (address.includes(":") ? 128 : 32)}`;
}

/** Returns what listRules() should be, by what `ip -N -d -j rule` shows. */
function rulesByIp(through: readonly string[] = []): Rule[] {
  return ([4, 6] as const).flatMap((family) =>
    ipJson<Shown>(`-N -d -${family} rule show`, through).map((shown) => ({
      family,
      priority: shown.priority,
      action: actions[shown.action ?? ""] ?? "lookup",
      protocol: protocols[shown.protocol ?? ""] ?? Number(shown.protocol),
      ...ifSet("from", prefixOf(shown.src, shown.srclen)),
      ...ifSet("to", prefixOf(shown.dst, shown.dstlen)),
      ...ifSet("mark", shown.fwmark === undefined ? undefined : Number(shown.fwmark)),
      ...ifSet("mask", shown.fwmask === undefined ? undefined : Number(shown.fwmask)),
      ...ifSet("not", shown.not === null ? true : undefined),
      ...ifSet("incomingInterface", shown.iif),
      ...ifSet("outgoingInterface", shown.oif),
      ...ifSet("table", shown.table === undefined ? undefined : (tables[shown.table] ?? Number(shown.table))),
      ...ifSet("suppressPrefixLength", shown.suppress_prefixlen),
    })),
  );
}

interface Row {
  readonly rule: RuleSettings;
  /** What `ip rule add` is given for the same. */
  readonly ip: string;
}

const rows: readonly Row[] = [
  { rule: { from: "192.0.2.0/24", table: 100 }, ip: "from 192.0.2.0/24 table 100" },
  { rule: { to: "192.0.2.1", priority: 7 }, ip: "to 192.0.2.1 priority 7 table main" },
  {
    rule: { from: "2001:db8::/32", to: "2001:db8:1::/48", table: 300 },
    ip: "from 2001:db8::/32 to 2001:db8:1::/48 table 300",
  },
  { rule: { not: true, mark: 51820, table: 51820 }, ip: "not fwmark 51820 table 51820" },
  { rule: { family: 6, not: true, mark: 51820, table: 51820 }, ip: "not fwmark 51820 table 51820" },
  { rule: { mark: 0xca6c, mask: 0xff00, table: 0xffff_ffff }, ip: "fwmark 0xca6c/0xff00 table 4294967295" },
  { rule: { mark: 0, mask: 0xff, table: 5 }, ip: "fwmark 0/0xff table 5" },
  { rule: { mark: 0xffff_ffff, table: 5 }, ip: "fwmark 0xffffffff table 5" },
  { rule: { table: 254, suppressPrefixLength: 0 }, ip: "table main suppress_prefixlength 0" },
  { rule: { family: 6, table: 254, suppressPrefixLength: 128 }, ip: "table main suppress_prefixlength 128" },
  { rule: { incomingInterface: "lo", table: 9 }, ip: "iif lo table 9" },
  { rule: { outgoingInterface: "fifteen-bytes-x", table: 9 }, ip: "oif fifteen-bytes-x table 9" },
  { rule: { family: 6, priority: 0xffff_ffff, table: 255 }, ip: "priority 4294967295 table local" },
  { rule: { from: "192.0.2.9", action: "blackhole" }, ip: "from 192.0.2.9 blackhole" },
  { rule: { to: "2001:db8::9", action: "unreachable" }, ip: "to 2001:db8::9 unreachable" },
  { rule: { to: "192.0.2.9", action: "prohibit", protocol: 99 }, ip: "to 192.0.2.9 prohibit protocol 99" },
];

const familyOf = ({ family, from, to }: RuleSettings): 4 | 6 => family ?? (`${from}${to}`.includes(":") ? 6 : 4);

describeWithTools("policy rules", ["ip", "unshare", "nsenter", "setpriv"], () => {
  beforeAll(() => {
    quietIPv6();
    warmUp();
  });
  afterEach(() => {
    for (const family of ["-4", "-6"]) {
      const made = ipJson<Shown>(`-N ${family} rule show`).filter(
        ({ priority }) => ![0, 32766, 32767].includes(priority),
      );
      for (const { priority } of made) run("ip", family, "rule", "delete", "priority", `${priority}`);
    }
  });

  test("there are the kernel's own, as ip shows them", () => {
    const rules = listRules();
    expect(rules).toEqual(rulesByIp());
    expect(rules.map(({ family, priority, table }) => [family, priority, table])).toEqual([
      [4, 0, 255],
      [4, 32766, 254],
      [4, 32767, 253],
      [6, 0, 255],
      [6, 32766, 254],
    ]);
    expect(listRules({ family: 6 })).toEqual(rules.filter(({ family }) => family === 6));
    expect(listRules({ family: 4 })).toEqual(rules.filter(({ family }) => family === 4));
  });

  test.each(rows)(
    "$ip: ours is what ip's is, each reads the other's, and either is removed by either",
    async ({ rule, ip }) => {
      const family = familyOf(rule);
      const before = listRules();
      const added = (): Rule => {
        expect(listRules()).toEqual(rulesByIp());
        const more = listRules().filter((each) => !before.some((old) => Bun.deepEquals(old, each)));
        expect(more).toHaveLength(1);
        return more[0] as Rule;
      };
      await leavingNothing(() => addRule(rule));
      const ours = added();
      run("ip", `-${family}`, "rule", "delete", ...ip.split(" "));
      expect(listRules()).toEqual(before);
      run("ip", `-${family}`, "rule", "add", ...ip.split(" "));
      const theirs = added();
      // What `ip` says of who made it depends on its version.
      expect({ ...theirs, protocol: ours.protocol }).toEqual(ours);
      removeRule(rule.protocol === undefined ? rule : { ...rule, protocol: theirs.protocol });
      expect(listRules()).toEqual(before);
      // One that was read can be given back, and finds itself.
      addRule(ours as RuleSettings);
      expect(added()).toEqual(ours);
      removeRule(ours);
      expect(listRules()).toEqual(before);
    },
  );

  test("what ip alone can make is listed as far as it is told, and is not given back as another", () => {
    const made = [
      "from 192.0.2.1 ipproto tcp dport 80-90 table 7 priority 11",
      "tos 0x10 table 7 priority 12",
      "uidrange 0-100 table 7 priority 13",
      "l3mdev priority 14",
      "table 7 suppress_ifgroup 5 priority 15",
    ];
    for (const rule of made) run("ip", "rule", "add", ...rule.split(" "));
    run("ip", "rule", "add", "from", "192.0.2.2", "goto", "32766", "priority", "16");
    const mine = listRules({ family: 4 }).filter(({ priority }) => priority > 10 && priority < 20);
    expect(mine.map(({ priority, incomplete, action }) => ({ priority, incomplete, action }))).toEqual([
      ...[11, 12, 13, 14, 15].map((priority) => ({ priority, incomplete: true, action: "lookup" as const })),
      { priority: 16, incomplete: true, action: 2 },
    ]);
    expect(mine[0]).toMatchObject({ from: "192.0.2.1/32", table: 7 });
    for (const rule of mine) {
      expect(() => addRule(rule as RuleSettings)).toThrow(RangeError);
      removeRule({ priority: rule.priority });
    }
    expect(listRules({ family: 4 })).toHaveLength(3);
  });

  test("the same again is EEXIST, one that is not there ENOENT, each with a hint", async () => {
    const rule: RuleSettings = { from: "192.0.2.0/24", table: 100, priority: 5 };
    addRule(rule);
    const again = await leavingNothing(() => refusal(() => addRule(rule)));
    expect(again).toMatchObject({ code: "EEXIST", syscall: "netlink(RTM_NEWRULE)" });
    expect(again.message).toContain("from 192.0.2.0/24, table 100, priority 5");
    expect(again.hint).toContain("another `priority`");
    removeRule(rule);
    const missing = await leavingNothing(() => refusal(() => removeRule(rule)));
    expect(missing).toMatchObject({ code: "ENOENT", syscall: "netlink(RTM_DELRULE)" });
    expect(missing.hint).toContain("listRules()");
  });

  test("in another namespace: by netns, and nothing here", async () => {
    using other = await otherNamespace();
    const through = ["nsenter", "--target", `${other.pid}`, "--net"];
    const [netns, before]: [NetnsLike, Rule[]] = [other.pid, listRules()];
    addRule({ from: "192.0.2.0/24", table: 100 }, { netns });
    addRule({ from: "2001:db8::/32", table: 100 }, { netns });
    expect(listRules()).toEqual(before);
    expect(listRules({ netns })).toEqual(rulesByIp(through));
    expect(listRules({ netns, family: 6 }).map(({ from }) => from)).toContain("2001:db8::/32");
    removeRule({ from: "2001:db8::/32" }, { netns });
    expect(listRules({ netns })).toEqual(rulesByIp(through));
    expect(refusal(() => listRules({ netns: "no-such-name" })).code).toBe("ENOENT");
  });

  test("they choose the table: a marked packet goes out by the main table, others into the tunnel", () => {
    using tunnel = openTun({ name: "full0", addresses: ["192.0.2.1/24"], routes: [{ to: "0.0.0.0/0", table: 51820 }] });
    using outside = openTun({ name: "outside0", addresses: ["198.51.100.1/24"], routes: ["0.0.0.0/0"] });
    addRule({ not: true, mark: 51820, table: 51820 });
    addRule({ table: 254, suppressPrefixLength: 0 });
    const way = (to: string, ...more: string[]): string | undefined =>
      ipJson<{ dev: string }>(["route get", to, ...more].join(" "))[0]?.dev;
    expect(way("203.0.113.1")).toBe(tunnel.name);
    expect(way("203.0.113.1", "mark", "51820")).toBe(outside.name);
    expect(way("198.51.100.7")).toBe(outside.name);
  });

  test("500 of them: more than one reading brings", () => {
    const batch = Array.from(
      { length: 500 },
      (_, i) => `rule add from 10.0.${i >> 8}.${i & 255} table ${i + 300} priority ${i + 100}`,
    );
    const { exitCode } = Bun.spawnSync(["ip", "-batch", "-"], { stdin: new TextEncoder().encode(batch.join("\n")) });
    expect(exitCode).toBe(0);
    expect(listRules({ family: 4 })).toEqual(rulesByIp().filter(({ family }) => family === 4));
    Bun.spawnSync(["ip", "-4", "rule", "flush"]);
    run("ip", "-4", "rule", "add", "priority", "32766", "table", "main");
    run("ip", "-4", "rule", "add", "priority", "32767", "table", "default");
  });

  test("without privilege they can be listed; adding one is EPERM with a hint", () => {
    const tried = `
      const { addRule, listRules } = await import("${top}/src/index.ts");
      const rules = listRules().length;
      try { addRule({ table: 5 }); } catch ({ code, hint }) { console.log(JSON.stringify({ rules, code, hint })); }`;
    const drop = `
      const { dlopen } = await import("bun:ffi");
      const { symbols } = dlopen("libc.so.6", { setgid: { args: ["u32"], returns: "i32" }, setuid: { args: ["u32"], returns: "i32" } });
      const library = await import("${top}/src/index.ts"); library.listRules();
      if (symbols.setgid(${somebody}) !== 0 || symbols.setuid(${somebody}) !== 0) throw new Error("setuid");`;
    const { stdout, stderr } = runScript(drop + tried);
    expect(stderr).toBe("");
    expect(JSON.parse(stdout)).toEqual({ rules: 5, code: "EPERM", hint: expect.stringContaining("CAP_NET_ADMIN") });
    expect(as(somebody).length).toBeGreaterThan(0);
  });
});

describe("a rule that cannot be", () => {
  const wrong: readonly [what: unknown, kind: string, text: string][] = [
    [undefined, "TypeError", "A rule must be an object"],
    ["from 192.0.2.1", "TypeError", "A rule must be an object"],
    [{ form: "192.0.2.1" }, "TypeError", 'A rule has no "form"'],
    [{ from: 4 }, "TypeError", "`from` must be text"],
    [{ from: "192.0.2.1/33" }, "RangeError", "192.0.2.1/33"],
    [{ to: "192.0.2.1/24" }, "RangeError", 'give "192.0.2.0/24"'],
    [{ from: "192.0.2.1", to: "2001:db8::1" }, "RangeError", "of one family"],
    [{ family: 6, from: "192.0.2.1" }, "RangeError", "of one family"],
    [{ family: 5 }, "RangeError", "`family` must be 4 or 6, got 5"],
    [{ mark: -1 }, "RangeError", "`mark` must be a whole number from 0 to 4294967295, got -1"],
    [{ mark: 1.5 }, "RangeError", "`mark`"],
    [{ mask: 255 }, "TypeError", "`mask`"],
    [{ mark: 1, mask: 2 ** 32 }, "RangeError", "`mask`"],
    [{ not: 1 }, "TypeError", "`not` must be true or false, got 1"],
    [{ incomingInterface: "" }, "RangeError", "`incomingInterface`"],
    [{ incomingInterface: "a b" }, "RangeError", "`incomingInterface`"],
    [{ outgoingInterface: "sixteen-bytes-xy" }, "RangeError", "`outgoingInterface`"],
    [{ outgoingInterface: 7 }, "RangeError", "`outgoingInterface`"],
    [{ table: 0 }, "RangeError", "`table` must be a whole number from 1"],
    [{ table: "main" }, "RangeError", "`table`"],
    [{ suppressPrefixLength: 129 }, "RangeError", "`suppressPrefixLength` must be a whole number from 0 to 128"],
    [{ priority: 2 ** 32 }, "RangeError", "`priority`"],
    [{ action: "goto" }, "RangeError", "`action` must be lookup, blackhole, unreachable, prohibit"],
    [{ action: "blackhole", table: 5 }, "TypeError", "looks in no table"],
    [{ protocol: 256 }, "RangeError", "`protocol`"],
    [{ protocol: "bird" }, "RangeError", "`protocol`"],
  ];

  test.each(wrong)("%p: a %s that says %s", (rule, kind, text) => {
    for (const call of [addRule, removeRule]) {
      const error = failureOf(() => call(rule as RuleSettings));
      expect(error.kind).toBe(kind);
      expect(error.message).toContain(text);
    }
  });

  test.each([{}, { family: 6 }, { not: true }, { from: "0.0.0.0/0" }])("to be removed says too little: %p", (rule) => {
    expect(() => removeRule(rule as RuleSettings)).toThrow(TypeError);
  });

  test("options are checked as everywhere", () => {
    expect(() => listRules({ family: 5 as 4 })).toThrow(RangeError);
    expect(() => listRules({ famly: 4 } as never)).toThrow('Unknown option "famly"');
    expect(() => addRule({ table: 5 }, { netns: 1.5 })).toThrow(RangeError);
    expect(() => removeRule({ table: 5 }, { family: 4 } as never)).toThrow('Unknown option "family"');
  });
});
