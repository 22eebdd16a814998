import { describe, expect, test } from "bun:test";
import { isInitialUserNamespace } from "../../src/probe/user.ts";
import { type UserNamespaceRules, userNamespaceFailure } from "../../src/probe/user-namespaces.ts";
import { isOneSentence } from "../support/programs.ts";

const rules: UserNamespaceRules = { privileged: false, cloneAllowed: true, appArmorRestricts: false };
const [EPERM, EINVAL, ENOSPC, ENOSYS] = [-1, -22, -28, -38];

describe("userNamespaceFailure()", () => {
  test("is null where one was made that serves", () => {
    expect(userNamespaceFailure(0, rules)).toBeNull();
    // AppArmor restricts the unprivileged alone.
    expect(userNamespaceFailure(0, { ...rules, privileged: true, appArmorRestricts: true })).toBeNull();
  });

  test.each([
    {
      when: "Debian's switch is off",
      result: EPERM,
      rules: { ...rules, cloneAllowed: false },
      cure: "sysctl kernel.unprivileged_userns_clone=1",
    },
    {
      when: "Ubuntu's AppArmor refuses",
      result: EPERM,
      rules: { ...rules, appArmorRestricts: true },
      cure: "sysctl kernel.apparmor_restrict_unprivileged_userns=0",
    },
    { when: "nothing else tells", result: EPERM, rules, cure: "seccomp" },
    { when: "their number is limited", result: ENOSPC, rules, cure: "sysctl user.max_user_namespaces" },
    { when: "the kernel has none", result: EINVAL, rules, cure: "CONFIG_USER_NS" },
    { when: "the system is no Linux kernel", result: ENOSYS, rules, cure: "CONFIG_USER_NS" },
  ])("says the cure where $when", ({ result, rules, cure }) => {
    const failure = userNamespaceFailure(result, rules);
    expect(failure).toMatchObject({ errno: result, syscall: "clone(CLONE_NEWUSER)" });
    expect(failure?.message).toStartWith(`${failure?.code}: `);
    expect(failure?.hint).toContain(cure);
    expect(failure?.hint ?? undefined).toSatisfy(isOneSentence);
  });

  test("says that one without capabilities is of no use", () => {
    const failure = userNamespaceFailure(0, { ...rules, appArmorRestricts: true });
    expect(failure).toMatchObject({ code: "EPERM", errno: null, syscall: null });
    expect(failure?.message).toContain("AppArmor takes away the capabilities");
    expect(failure?.hint).toContain("apparmor_restrict_unprivileged_userns=0");
  });
});

describe("isInitialUserNamespace()", () => {
  const rows: readonly { map: string | undefined; is: boolean | null }[] = [
    { map: "         0          0 4294967295\n", is: true },
    { map: "         0      65534          1\n", is: false },
    { map: "         0       1000          1\n         1     100000      65536\n", is: false },
    { map: "         0     100000 4294867295\n", is: false },
    { map: "", is: false },
    { map: undefined, is: null },
  ];
  test.each(rows.map((row) => ({ ...row, name: JSON.stringify(row.map) })))("is $is for $name", ({ map, is }) => {
    expect(isInitialUserNamespace(map)).toBe(is);
  });
});
