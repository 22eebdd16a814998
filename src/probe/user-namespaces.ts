import { describeErrno } from "../errors.ts";
import type { ProbeFailure } from "./report.ts";

/** Settings that restrict user namespaces, beside the kernel's answer. */
export interface UserNamespaceRules {
  /** CAP_SYS_ADMIN, effective. */
  readonly privileged: boolean;
  /** `kernel.unprivileged_userns_clone`, of Debian's kernels; absent means yes. */
  readonly cloneAllowed: boolean;
  /** `kernel.apparmor_restrict_unprivileged_userns`, of Ubuntu's. */
  readonly appArmorRestricts: boolean;
}

const syscall = "clone(CLONE_NEWUSER)";

/** Explains why user namespaces do not help here, from the result of clone(2); null if they do. Pure. */
export function userNamespaceFailure(result: number, rules: UserNamespaceRules): ProbeFailure | null {
  if (result >= 0) return rules.appArmorRestricts && !rules.privileged ? powerless : null;
  const [code, text] = describeErrno(result);
  return { code, message: `${code}: ${text}, ${syscall}`, errno: result, syscall, hint: hintFor(code, rules) };
}

const appArmorHint =
  "AppArmor keeps programs without a profile from them: `sudo sysctl kernel.apparmor_restrict_unprivileged_userns=0`";

/** Ubuntu from 24.04 on lets everybody make one, and takes its capabilities away. */
const powerless: ProbeFailure = {
  code: "EPERM",
  message: "EPERM: AppArmor takes away the capabilities that a new user namespace gives",
  errno: null,
  syscall: null,
  hint: appArmorHint,
};

function hintFor(code: string, { cloneAllowed, appArmorRestricts }: UserNamespaceRules): string | null {
  switch (code) {
    case "EPERM":
      if (!cloneAllowed) return "they are switched off for users: `sudo sysctl kernel.unprivileged_userns_clone=1`";
      return appArmorRestricts
        ? appArmorHint
        : "a container's seccomp profile forbids them, or this process is behind chroot(2): run it outside, or the container with `--security-opt seccomp=unconfined`";
    case "ENOSPC":
      return "their number is limited: `sudo sysctl user.max_user_namespaces=10000` (a limit of an outer user namespace, and a depth of 32, count too)";
    case "EINVAL":
    case "ENOSYS":
      return "this kernel has none: use one with CONFIG_USER_NS";
    default:
      return null;
  }
}
