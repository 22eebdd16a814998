/** The begin and the end of the program, which are those of wireguard-go. */
import { expect, test } from "bun:test";
import { describeWithTools } from "../../support/privilege.ts";
import { until } from "../../support/system.ts";
import { type Host, keys, ours, Rig } from "./rig.ts";

const socketOf = (name: string): string => `/run/wireguard/${name}.sock`;
const hasInterface = (host: Host, name: string): boolean => host.try("ip", "link", "show", name).exitCode === 0;

describeWithTools("the program", ["wg", "nsenter", "unshare", "ip", "strace", "bash", "pgrep"], () => {
  const ways: readonly { readonly name: string; end(host: Host, pid: number): void }[] = [
    { name: "SIGTERM", end: (_host, pid) => process.kill(pid, "SIGTERM") },
    { name: "SIGINT", end: (_host, pid) => process.kill(pid, "SIGINT") },
    { name: "the interface is deleted", end: (host) => void host.run("ip", "link", "del", "wg1") },
    { name: "its socket is removed", end: (host) => void host.run("rm", socketOf("wg1")) },
  ];

  test.each(ways)("ends with 0 when $name, and leaves neither interface nor socket", async ({ end }) => {
    using rig = await Rig.open(1);
    const host = rig.host(1);
    const child = await rig.serve(host, ours, "wg1");
    expect(hasInterface(host, "wg1")).toBe(true);
    expect(host.run("stat", "-c", "%a", socketOf("wg1")).trim()).toBe("600");
    // nsenter execs the program: the pid is its own.
    end(host, child.pid);
    expect(await child.exited).toBe(0);
    expect(hasInterface(host, "wg1")).toBe(false);
    expect(host.has(socketOf("wg1"))).toBe(false);
    expect(await child.stderr.text()).toBe("");
  });

  test("goes into the background once it is ready, unless told otherwise", async () => {
    using rig = await Rig.open(1);
    const host = rig.host(1);
    const { exitCode, stderr } = host.try(...ours, "wg1");
    expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: "" });
    expect(hasInterface(host, "wg1")).toBe(true);
    expect(host.run("wg", "show", "wg1")).toContain("interface: wg1");
    host.run("rm", socketOf("wg1"));
    await until(() => !hasInterface(host, "wg1"), "end of the tunnel");
  });

  test("that cannot start says why, in the foreground and in the background, and leaves nothing", async () => {
    using rig = await Rig.open(1);
    const host = rig.host(1);
    host.run("ip", "link", "add", "wg1", "type", "bridge");
    for (const options of [["-f"], []]) {
      const { exitCode, stderr } = host.try(...ours, ...options, "wg1");
      expect(exitCode).toBe(1);
      expect(stderr).toContain('"wg1" exists and is no TUN/TAP interface');
      expect(host.has(socketOf("wg1"))).toBe(false);
    }
  });

  test("ends, and leaves nothing, where the machine has no inotify left", async () => {
    using rig = await Rig.open(1);
    const host = rig.host(1);
    const inject = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", "inject=inotify_init1:error=EMFILE"];
    const { exitCode, stderr } = host.try(...["timeout", "-s", "KILL", "30"], ...inject, ...ours, "-f", "wg1");
    expect([exitCode, stderr]).toEqual([1, expect.stringContaining("EMFILE: too many open files, watch")]);
    expect([hasInterface(host, "wg1"), host.has(socketOf("wg1"))]).toEqual([false, false]);
  }, 120_000);

  test("opens its socket again when that ends by itself, and goes on meanwhile", async () => {
    using rig = await Rig.open(2);
    const [us, them] = [rig.host(1), rig.host(2)];
    // All reads of several datagrams fail: an error now and then would pass.
    const inject = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", "inject=recvmmsg:error=EIO"];
    const child = await rig.serve(us, [...inject, ...ours], "wg1");
    const peer = ["peer", keys().public, "endpoint", `${them.ipv4}:51820`, "persistent-keepalive", "1"];
    us.run("wg", "set", "wg1", "listen-port", "51820", "private-key", rig.file("key", keys().private), ...peer);
    us.run("ip", "link", "set", "wg1", "up");
    const lines = child.stderr.pipeThrough(new TextDecoderStream()).getReader();
    let said = "";
    const reading = (async () => {
      for (let next = await lines.read(); !next.done; next = await lines.read()) said += next.value;
    })();
    const garbage = `for i in $(seq 50); do echo garbage >/dev/udp/${us.ipv4}/51820; done`;
    const ends = (): number => said.split("the socket has ended, and is opened again: EIO").length - 1;
    await until(() => {
      them.try("bash", "-c", garbage);
      return ends() >= 2;
    }, "the end of a second socket");
    expect(us.run("wg", "show", "wg1", "listen-port").trim()).toBe("51820");
    for (const pid of us.run("pgrep", "-P", `${child.pid}`).trim().split("\n")) process.kill(Number(pid), "SIGTERM");
    expect(await child.exited).toBe(0);
    await reading;
    expect(said.trim().split("\n")).toHaveLength(ends());
  }, 90_000);

  test("does not take the socket of a tunnel of that name in another network namespace", async () => {
    using rig = await Rig.open(2);
    await rig.serve(rig.host(1), ours, "wg1");
    const { exitCode, stderr } = rig.host(2).try(...ours, "-f", "wg1");
    expect(exitCode).toBe(1);
    expect(stderr).toContain("wg1.sock is served by process");
    expect(hasInterface(rig.host(2), "wg1")).toBe(false);
    expect(rig.host(1).run("wg", "show", "wg1")).toContain("interface: wg1");
  });

  test("is not ended from a PID namespace that does not see it, and nobody else is either", async () => {
    using rig = await Rig.open(1);
    await rig.serve(rig.host(1), ours, "wg1");
    // In a session of its own: a signal to the process group would end this test.
    const down = ["setsid", "--wait", "unshare", "--pid", "--fork", ...ours, "down", "wg1"];
    const { exitCode, stderr } = rig.host(1).try(...down);
    expect([exitCode, stderr]).toEqual([1, expect.stringContaining("outside of this container or PID namespace")]);
    expect(rig.host(1).run("wg", "show", "wg1")).toContain("interface: wg1");
  });

  test.each([
    { args: [], wanted: "Give the name of an interface" },
    { args: ["up"], wanted: "up takes a configuration file" },
    { args: ["wg0", "wg1"], wanted: 'There is no command "wg0"' },
    { args: ["--mtu", "12", "wg0"], wanted: "--mtu must be a whole number from 576 to 65475" },
    { args: ["--cipher", "rot13", "wg0"], wanted: "--cipher must be libcrypto or libsodium" },
    { args: ["--no-such", "wg0"], wanted: "--no-such" },
  ])("refuses $args with exit code 2", ({ args, wanted }) => {
    const { exitCode, stderr } = Bun.spawnSync([...ours, ...args]);
    expect(exitCode).toBe(2);
    expect(stderr.toString()).toContain(wanted);
  });

  test("makes keys that wg takes, and derives the public key as wg does", () => {
    const run = (command: string[], input = ""): string => {
      const { exitCode, stdout, stderr } = Bun.spawnSync(command, { stdin: new TextEncoder().encode(input) });
      if (exitCode !== 0) throw new Error(stderr.toString());
      return stdout.toString();
    };
    for (let i = 0; i < 3; i++) {
      const key = run([...ours, "genkey"]);
      expect(run([...ours, "pubkey"], key)).toBe(run(["wg", "pubkey"], key));
    }
    expect(run([...ours, "genpsk"]).trim()).toMatch(/^[\w+/]{43}=$/);
    const wrong = Bun.spawnSync([...ours, "pubkey"], { stdin: new TextEncoder().encode("no key") });
    expect([wrong.exitCode, wrong.stderr.toString()]).toEqual([
      1,
      "Give a private key on standard input: 44 characters of base64\n",
    ]);
  });
});
