import type { Log } from "../core/log.ts";

/**
 * Has the system's resolver ask the tunnel's name servers. Returns how that is undone.
 *
 * resolvectl(1) comes first: where both are there, resolvconf(8) is mostly its other name.
 */
export async function setNameServers(
  name: string,
  servers: readonly string[],
  domains: readonly string[],
  log: Log,
): Promise<() => Promise<void>> {
  if (servers.length === 0) return async () => {};
  if (Bun.which("resolvectl") !== null && (await succeeds(["resolvectl", "status"]))) {
    await run(["resolvectl", "dns", name, ...servers]);
    await run(["resolvectl", "domain", name, "~.", ...domains]);
    // It forgets an interface that goes.
    return async () => {};
  }
  if (Bun.which("resolvconf") !== null) {
    const lines = [...servers.map((server) => `nameserver ${server}`)];
    if (domains.length > 0) lines.push(`search ${domains.join(" ")}`);
    await run(["resolvconf", "-a", `tun.${name}`, "-m", "0", "-x"], `${lines.join("\n")}\n`);
    return async () => run(["resolvconf", "-d", `tun.${name}`, "-f"]);
  }
  log.error(
    "DNS is not set: this machine has neither resolvectl (systemd-resolved) nor resolvconf; install one, or set /etc/resolv.conf by hand",
    { servers: servers.join(" ") },
  );
  return async () => {};
}

async function run(command: string[], input?: string): Promise<void> {
  const child = Bun.spawn(command, {
    stdin: input === undefined ? "ignore" : new TextEncoder().encode(input),
    stdout: "ignore",
    stderr: "inherit",
  });
  const code = await child.exited;
  if (code !== 0) throw new Error(`${command.join(" ")} ended with exit code ${code}`);
}

async function succeeds(command: string[]): Promise<boolean> {
  const child = Bun.spawn(command, { stdin: "ignore", stdout: "ignore", stderr: "ignore" });
  return (await child.exited) === 0;
}
