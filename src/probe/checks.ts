/** Turns the facts of a report into its lines for people. Pure. */

import { describeErrno } from "../errors.ts";
import { isOpenable } from "./node.ts";
import type { ProbeCheck, ProbeFacts, ProbeFailure, ProbeGroup, ProbeTrial } from "./report.ts";

/** The lines, the most important ones first. */
export function checksOf(facts: ProbeFacts): ProbeCheck[] {
  // All other lines are about Linux.
  if (isUnsupported(facts.shim)) return machine(facts).slice(0, 2);
  return [...machine(facts), ...user(facts), ...device(facts), ...driver(facts), ...neighbours(facts)];
}

type Found = Pick<ProbeCheck, "status" | "detail"> & { readonly cure?: string | null };

function line(group: ProbeGroup, id: string, title: string, { status, detail, cure }: Found): ProbeCheck {
  return { id, group, title, status, detail, ...(cure ? { cure } : {}) };
}

const ok = (detail: string): Found => ({ status: "ok", detail });
const skipped = (detail: string): Found => ({ status: "skipped", detail });

function machine(facts: ProbeFacts): ProbeCheck[] {
  const check = line.bind(null, "machine");
  return [
    check("platform", "Platform", platform(facts)),
    check("bun", "Bun", bun(facts)),
    check("shim", "C shim", shim(facts)),
    check("waker", "Wake-ups", waker(facts)),
    check("rtnetlink", "rtnetlink", rtnetlink(facts)),
  ];
}

function platform({ system, shim, bun }: ProbeFacts): Found {
  const { platform, kernel, arch, libc, container } = system;
  const name = platform === "linux" ? "Linux" : platform;
  const detail = [
    `${name} ${kernel} on ${arch}`,
    ...(libc === null ? [] : [libc]),
    ...(container === null ? [] : [`in ${container}`]),
  ].join(", ");
  const isBunAtFault = !bun.supported && platform === "linux";
  return isUnsupported(shim) && !isBunAtFault
    ? { status: "missing", detail, cure: shim.failure?.hint ?? null }
    : ok(detail);
}

function isUnsupported({ failure }: ProbeTrial): boolean {
  return failure?.code === "ERR_TUNTAP_UNSUPPORTED";
}

function bun({ bun: { version, minimum, supported } }: ProbeFacts): Found {
  if (supported) return ok(version);
  return { status: "missing", detail: `${version} is older than ${minimum}`, cure: "`bun upgrade`" };
}

function shim({ shim }: ProbeFacts): Found {
  if (shim.failure === null) return ok(`compiled in ${shim.compileMs} ms`);
  return missing(shim.failure);
}

function waker({ shim, waker: { kind, chosen, failure } }: ProbeFacts): Found {
  if (shim.works !== true) return withoutShim;
  if (kind === "aio") return ok("by kernel AIO");
  const unset = chosen ? "leave BUN_TUNTAP_WAKER unset" : null;
  if (kind === null) return { ...missing(failure), cure: unset ?? failure?.hint ?? null };
  const why = chosen ? "BUN_TUNTAP_WAKER says so" : failure === null ? "" : told(failure);
  const cure = failure?.code === "EAGAIN" ? "all AIO contexts are taken: `sudo sysctl fs.aio-max-nr=1048576`" : unset;
  return { status: "warning", detail: `by a thread, which takes twice as long${why && `: ${why}`}`, cure };
}

function rtnetlink({ shim, rtnetlink: { failure } }: ProbeFacts): Found {
  if (shim.works !== true) return withoutShim;
  return failure === null ? ok("can be asked") : missing(failure);
}

const withoutShim = skipped("needs the C shim");

function user(facts: ProbeFacts): ProbeCheck[] {
  const check = line.bind(null, "user");
  return [
    check("user", "User", who(facts)),
    check("net-admin", "CAP_NET_ADMIN", netAdmin(facts)),
    check("network-namespaces", "Network namespaces", networkNamespaces(facts)),
    check("user-namespaces", "User namespaces", userNamespaces(facts)),
  ];
}

function who({ user: { uid, initialUserNamespace } }: ProbeFacts): Found {
  if (uid === null) return skipped("not known here");
  const where = initialUserNamespace === false ? ", of a user namespace, not of the host" : "";
  return ok(`${uid === 0 ? "root" : `uid ${uid}`}${where}`);
}

function netAdmin(facts: ProbeFacts): Found {
  const { capabilities, netAdmin } = facts.user;
  if (netAdmin.works === true) return ok("effective, and over this network namespace");
  if (netAdmin.works === null && capabilities.netAdmin) return ok("effective");
  if (!capabilities.netAdmin) return withoutPrivilege(facts, { ...missing(netAdmin.failure), detail: "not effective" });
  return { status: "missing", detail: "effective, but not over this network namespace", cure: foreignNetnsHint };
}

/** Puts first what works here without anybody's help: a user namespace of one's own, where the node opens. */
function withoutPrivilege({ user, node, command }: ProbeFacts, found: Found): Found {
  const { cure } = found;
  if (user.userNamespaces.works !== true || !isOpenable(node) || !cure) return found;
  const own = `in a network namespace of its own it works without root: \`unshare -Urn ${command}\``;
  return { ...found, cure: `${own}; in this one ${cure}` };
}

const foreignNetnsHint =
  "this network namespace belongs to another user namespace: start the program in one of your own, as `unshare -Urn` makes it";

function networkNamespaces({ shim, user: { networkNamespaces } }: ProbeFacts): Found {
  if (shim.works !== true) return withoutShim;
  return networkNamespaces.failure === null
    ? ok("can be made and entered, as the option `netns` does")
    : { ...missing(networkNamespaces.failure), status: "warning" };
}

function userNamespaces({ shim, user: { userNamespaces } }: ProbeFacts): Found {
  if (shim.works !== true) return withoutShim;
  const { failure } = userNamespaces;
  return failure === null
    ? ok("can be made; `unshare -Urn` gives anyone the capability")
    : { ...missing(failure), status: "warning" };
}

function device(facts: ProbeFacts): ProbeCheck[] {
  const check = line.bind(null, "device");
  const { tun, tap } = facts;
  return [
    check("node", "Device node", node(facts)),
    check("driver", "Driver", hasDriver(facts)),
    check("open", "Opening it", opening(facts)),
    check("tun", "TUN", made(facts, tun)),
    check("tap", "TAP", made(facts, tap)),
    ...(tun.works === true || facts.attachable.length === 0
      ? []
      : [check("attachable", "Made for you", attachable(facts))]),
  ];
}

function node({ node: { path, kind, mode, device, opening }, user, system }: ProbeFacts): Found {
  if (kind === null) {
    // The host's root, outside of a container, can make the node itself.
    const isHostRoot = user.uid === 0 && user.initialUserNamespace === true && system.container === null;
    const found = { ...missing(opening.failure), detail: `there is no ${path}` };
    return isHostRoot ? { ...found, cure: makeNodeHint } : found;
  }
  if (device !== null) return ok(`${path} ${device}, mode ${mode}`);
  return { status: "missing", detail: `${path} is a ${kind}`, cure: misplacedHint };
}

const makeNodeHint =
  "`modprobe tun` makes it; if it is still missing then, `mkdir -p /dev/net && mknod -m 0666 /dev/net/tun c 10 200`";

const misplacedHint =
  "remove it (a bind mount of a file that was missing leaves a directory), and give the container the device with `--device /dev/net/tun`";

function hasDriver({ node: { driver, opening } }: ProbeFacts): Found {
  if (driver === null) return skipped("shows once the device opens");
  return driver ? ok("there") : { ...missing(opening.failure), detail: "not there" };
}

function opening({ node: { device, driver, opening } }: ProbeFacts): Found {
  if (device === null) return skipped("there is no device");
  if (driver === false) return skipped("there is no driver");
  return opening.failure === null ? ok("works, for reading and writing") : missing(opening.failure);
}

function made(facts: ProbeFacts, { works, failure }: ProbeTrial): Found {
  const { node, user } = facts;
  if (works === true) return ok("can be made");
  if (works === null) return isOpenable(node) ? withoutShim : skipped("needs the device");
  const foreign = failure?.code === "EPERM" && user.capabilities.netAdmin && user.netAdmin.works === false;
  if (foreign) return { ...missing(failure), cure: foreignNetnsHint };
  const isPrivilege = failure?.code === "EPERM" && !user.capabilities.netAdmin;
  return isPrivilege ? withoutPrivilege(facts, missing(failure)) : missing(failure);
}

function attachable({ attachable, node }: ProbeFacts): Found {
  const names = attachable.join(", ");
  if (!isOpenable(node)) return skipped(`${names}, once the device opens`);
  return ok(`${names}: give \`name\`, and attaching needs no privilege`);
}

function driver({ shim, features, offloads }: ProbeFacts): ProbeCheck[] {
  const check = line.bind(null, "driver");
  const untold = (what: string): Found => (shim.works === true ? skipped(`needs ${what}`) : withoutShim);
  return [
    check("features", "Flags (IFF_)", features ? listed(features, "IFF_") : untold("the device")),
    check("offloads", "Offloads (TUN_F_)", offloads ? listed(offloads, "TUN_F_") : untold("an interface")),
  ];
}

function listed(bits: Readonly<Record<string, boolean>>, prefix: string): Found {
  const names = (wanted: boolean): string =>
    Object.entries(bits)
      .filter(([, on]) => on === wanted)
      .map(([name]) => name.replace(prefix, ""))
      .join(" ");
  return ok([names(true) || "none", names(false) && `not ${names(false)}`].filter(Boolean).join("; "));
}

function neighbours({ networkManagers }: ProbeFacts): ProbeCheck[] {
  const check = line.bind(null, "neighbours");
  if (networkManagers.length === 0) {
    return [check("network-managers", "Network services", ok("none that takes over new interfaces"))];
  }
  return networkManagers.map((name) =>
    check(name === "NetworkManager" ? "network-manager" : name, name, {
      status: "warning",
      detail: "runs here, and may take over a new interface and clear its addresses",
      cure: unmanagedHints[name],
    }),
  );
}

/**
 * Sources: systemd.network(5) and NetworkManager.conf(5); both call a TAP "tun", too. Addresses were lost in
 * systemd/systemd#14250.
 */
const unmanagedHints: Readonly<Record<ProbeFacts["networkManagers"][number], string>> = {
  "systemd-networkd":
    "tell it to leave them alone: `printf '[Match]\\nKind=tun\\n[Link]\\nUnmanaged=yes\\n' | sudo tee /etc/systemd/network/00-tuntap.network && sudo networkctl reload`",
  NetworkManager:
    "tell it to leave them alone: `printf '[keyfile]\\nunmanaged-devices=type:tun\\n' | sudo tee /etc/NetworkManager/conf.d/00-tuntap.conf && sudo systemctl reload NetworkManager`",
};

function missing(failure: ProbeFailure | null): Found {
  return { status: "missing", detail: failure === null ? "not there" : told(failure), cure: failure?.hint ?? null };
}

/**
 * Describes a failure: "operation not permitted (EPERM from open)", or the message of an error that is not the
 * kernel's.
 */
function told({ code, message, errno, syscall }: ProbeFailure): string {
  if (errno === null || syscall === null) return message.replace(`${code}: `, "");
  return `${describeErrno(errno)[1]} (${code} from ${syscall})`;
}
