/**
 * Makes traffic.json anew, as root: what three namespaces of this kernel say to each other, as tcpdump
 * saw it on the first host's link.
 *
 *   bun test/packet/golden/capture.ts >test/packet/golden/traffic.json
 *
 *   host ── link ── router ── far (MTU 1300 there)
 *
 * Ports are ones for which tcpdump has no dissector.
 */
import { release } from "node:os";
import { Namespace } from "../../io/offload/support/namespaces.ts";
import { framesOf } from "./frames.ts";

const TOOLS = ["-U", "--immediate-mode", "-s", "0", "-w", "-"];
/** For what is still under way at the end. */
const SETTLE_MS = 300;

await using stack = new AsyncDisposableStack();
const [host, router, far] = await Promise.all([Namespace.open(), Namespace.open(), Namespace.open()]);
for (const namespace of [host, router, far]) stack.use(namespace);

/** The two ends of a veth pair, which hand over whole packets with their checksums. */
function connect(left: Namespace, leftName: string, right: Namespace, rightName: string, mtu: number): void {
  left.run("ip", "link", "add", "name", leftName, "type", "veth", "peer", "name", rightName, "netns", right.path);
  for (const [namespace, name] of [
    [left, leftName],
    [right, rightName],
  ] as const) {
    namespace.run("ip", "link", "set", name, "mtu", `${mtu}`);
    namespace.run("ethtool", "-K", name, "tx", "off", "tso", "off", "gso", "off", "gro", "off");
  }
}

connect(host, "wire0", router, "wire0", 1500);
connect(router, "far", far, "far", 1300);
host.run("ip", "link", "set", "wire0", "address", "02:00:5e:00:53:01");
router.run("ip", "link", "set", "wire0", "address", "02:00:5e:00:53:02");
host.run(
  "sh",
  "-c",
  "echo 0 >/proc/sys/net/ipv6/conf/wire0/addr_gen_mode; echo 1 >/proc/sys/net/ipv6/conf/wire0/accept_ra",
);
host.run("sh", "-c", "echo 1 >/proc/sys/net/ipv6/conf/wire0/accept_dad");
// Up, for tcpdump wants that; without carrier until the router's end is, so that what is said first is seen too.
host.run("ip", "link", "set", "wire0", "up");
const tcpdump = Bun.spawn(["nsenter", `--net=${host.path}`, "tcpdump", "-i", "wire0", ...TOOLS], { stderr: "pipe" });
const capture = tcpdump.stdout.bytes();
const messages = tcpdump.stderr.pipeThrough(new TextDecoderStream()).getReader();
for (let heard = ""; !heard.includes("listening on"); ) {
  const { value, done } = await messages.read();
  if (done) throw new Error(`tcpdump ended: ${heard}`);
  heard += value;
}

for (const [namespace, name, v4, v6] of [
  [host, "wire0", "192.0.2.1/24", "2001:db8::1/64"],
  [router, "wire0", "192.0.2.2/24", "2001:db8::2/64"],
  [router, "far", "198.51.100.1/24", "2001:db8:1::1/64"],
  [far, "far", "198.51.100.2/24", "2001:db8:1::2/64"],
] as const) {
  namespace.run("ip", "address", "add", v4, "dev", name);
  namespace.run("ip", "address", "add", v6, "dev", name);
  namespace.run("ip", "link", "set", name, "up");
}
router.run("sh", "-c", "echo 1 >/proc/sys/net/ipv4/ip_forward; echo 1 >/proc/sys/net/ipv6/conf/all/forwarding");
for (const [namespace, v4, v6] of [
  [host, "192.0.2.2", "2001:db8::2"],
  [far, "198.51.100.1", "2001:db8:1::1"],
] as const) {
  namespace.run("ip", "route", "add", "default", "via", v4);
  namespace.run("ip", "-6", "route", "add", "default", "via", v6);
}

/** What the host does; what fails is in the capture too. */
async function does(...command: string[]): Promise<void> {
  const inside = ["nsenter", `--net=${host.path}`, ...command];
  await Bun.spawn(inside, { stdout: "ignore", stderr: "ignore", timeout: 6000 }).exited;
}

await Bun.sleep(2500); // Duplicate address detection and router solicitations.
await does("ping", "-c", "1", "192.0.2.2");
await does("ping", "-c", "1", "-R", "-s", "3", "192.0.2.2");
await does("ping", "-c", "1", "-T", "tsandaddr", "192.0.2.2");
await does("ping", "-c", "1", "-s", "2000", "192.0.2.2");
await does("ping", "-c", "1", "-M", "do", "-s", "1400", "-W", "1", "198.51.100.2");
await does("ping", "-c", "1", "-t", "1", "-W", "1", "198.51.100.2");
await does("ping", "-c", "1", "-W", "1", "203.0.113.9");
await does("ping", "-6", "-c", "1", "2001:db8::2");
await does("ping", "-6", "-c", "1", "-s", "2000", "2001:db8::2");
await does("ping", "-6", "-c", "1", "-M", "do", "-s", "1400", "-W", "1", "2001:db8:1::2");
await does("ping", "-6", "-c", "1", "-t", "1", "-W", "1", "2001:db8:1::2");
await does("ping", "-6", "-c", "1", "-W", "1", "2001:db8:2::9");

const script = `
import socket, struct, sys, time
def udp(family, to, data, options=()):
    s = socket.socket(family, socket.SOCK_DGRAM)
    s.bind(("", 4321))
    for o in options: s.setsockopt(*o)
    s.sendto(data, (to, 33434)); time.sleep(0.1); s.close()
udp(socket.AF_INET, "192.0.2.2", b"to nobody")
udp(socket.AF_INET, "192.0.2.2", b"", [(socket.IPPROTO_IP, socket.IP_TOS, 0xb8)])
udp(socket.AF_INET, "198.51.100.2", b"no checksum", [(socket.SOL_SOCKET, 11, 1)])
udp(socket.AF_INET6, "2001:db8::2", b"to nobody")
# Hop-by-hop options with a router alert, destination options that are padding, and both.
HOP, DST = (socket.IPPROTO_IPV6, socket.IPV6_HOPOPTS, bytes([0,0,5,2,0,0,1,0])), (socket.IPPROTO_IPV6, socket.IPV6_DSTOPTS, bytes([0,0,1,4,0,0,0,0]))
udp(socket.AF_INET6, "2001:db8::2", b"hop", [HOP])
udp(socket.AF_INET6, "2001:db8::2", b"destination", [DST])
udp(socket.AF_INET6, "2001:db8::2", b"both" * 400, [HOP, DST])
def raw(to, protocol, data):
    s = socket.socket(socket.AF_INET, socket.SOCK_RAW, protocol); s.sendto(data, (to, 0)); s.close()
raw("192.0.2.2", 253, b"experimental")
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, socket.inet_aton("233.252.0.1") + socket.inet_aton("192.0.2.1")); time.sleep(0.2); s.close()
def tcp(family, to):
    s = socket.socket(family, socket.SOCK_STREAM); s.settimeout(3)
    s.connect((to, 4444)); s.sendall(b"hello " * 20); s.shutdown(socket.SHUT_WR)
    while s.recv(9000): pass
    s.close()
    s = socket.socket(family, socket.SOCK_STREAM)
    try: s.connect((to, 4445))
    except OSError: pass
    s = socket.socket(family, socket.SOCK_STREAM); s.settimeout(3)
    s.connect((to, 4444)); s.send(b"!", socket.MSG_OOB); s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)); s.close()
tcp(socket.AF_INET, "192.0.2.2")
tcp(socket.AF_INET6, "2001:db8::2")
time.sleep(0.3)
`;
const serve = `
import socket, threading
def serve(family, to):
    s = socket.socket(family, socket.SOCK_STREAM); s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind((to, 4444)); s.listen()
    if family == socket.AF_INET6: print("ready", flush=True)
    while True:
        c, _ = s.accept()
        try:
            while d := c.recv(9000): c.sendall(d.upper())
        except OSError: pass
        c.close()
threading.Thread(target=serve, args=(socket.AF_INET, "192.0.2.2")).start()
serve(socket.AF_INET6, "2001:db8::2")
`;
using server = router.start("python3", "-c", serve);
await server.line();
router.run("sh", "-c", "echo 1 >/proc/sys/net/ipv4/tcp_ecn");
host.run("sh", "-c", "echo 1 >/proc/sys/net/ipv4/tcp_ecn");
host.run("python3", "-c", script);

await Bun.sleep(SETTLE_MS);
tcpdump.kill("SIGINT");
const frames = framesOf(await capture).map((frame) => frame.toHex());
console.log(JSON.stringify({ kernel: release(), frames }, null, 1));
