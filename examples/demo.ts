/**
 * The first look: a neighbour on an Ethernet that is a few functions of TypeScript.
 *
 *   sudo bun run demo
 *   unshare -Urn bun run demo                  without root, where /dev/net/tun has mode 0666
 *   bun build --compile examples/demo.ts --outfile demo && sudo ./demo
 *
 * Opens a TAP interface in a network namespace of its own. The system's ping talks to the neighbour; where there is no
 * ping, the neighbour pings the kernel.
 */
import { dlopen } from "bun:ffi";
import { openTap, type Tap, TunTapError } from "../src/index.ts";
import * as packet from "../src/packet/index.ts";

const { EtherType, IcmpType, ArpOperation } = packet;
const PINGS = 3;
const [KERNEL, IP, MAC] = ["192.0.2.1", "192.0.2.2", "02:00:5e:00:53:02"];

process.exitCode = await main();

async function main(): Promise<number> {
  if (!enterOwnNamespace()) {
    // The whole path: sudo looks for bun in places of its own.
    const command = Bun.main.startsWith("/$bunfs/") ? process.execPath : `${process.execPath} run demo`;
    console.error("The demo makes a network namespace and an interface in it, which takes root. Type\n");
    console.error(`  sudo ${command}\n\nor, if /dev/net/tun has mode 0666 on this machine, without root\n`);
    console.error(`  unshare -Urn ${command}`);
    return 1;
  }
  try {
    await using tap = openTap({ addresses: [`${KERNEL}/24`] });
    console.log(`interface  ${tap.name}, up, in a network namespace of its own`);
    console.log(`MAC        ${tap.mac}\nMTU        ${tap.mtu}\naddress    ${KERNEL}/24`);
    console.log(`neighbour  ${IP} at ${MAC}, which exists in TypeScript only\n`);
    const passed = Bun.which("ping") === null ? await pingKernel(tap) : await letPing(tap);
    console.log(`\n${tap.name} goes with this program, and its network namespace too: nothing is left behind.`);
    return passed ? 0 : 1;
  } catch (error) {
    if (!(error instanceof TunTapError)) throw error;
    console.error(error.message);
    return 1;
  }
}

/** Moves this program into a network namespace of its own, as `unshare -n` would: the host sees nothing of it. */
function enterOwnNamespace(): boolean {
  const CLONE_NEWNET = 0x4000_0000; // include/uapi/linux/sched.h
  const libc = dlopen("libc.so.6", { unshare: { args: ["i32"], returns: "i32" } });
  return libc.symbols.unshare(CLONE_NEWNET) === 0;
}

/** Runs the system's ping, and answers it. */
async function letPing(tap: Tap): Promise<boolean> {
  const command = ["ping", "-c", `${PINGS}`, "-i", "0.5", "-W", "2", IP];
  console.log(`$ ${command.join(" ")}\n`);
  const ping = Bun.spawn(command, { stderr: "inherit" });
  void ping.exited.then(() => tap.close());
  for await (const frame of tap) react(tap, frame);
  const output = await ping.stdout.text();
  console.log(`\n${output.slice(output.indexOf("---")).trim()}`);
  return (await ping.exited) === 0;
}

/** Pings the kernel, from TypeScript. */
async function pingKernel(tap: Tap): Promise<boolean> {
  console.log(`There is no ping here, so ${IP} pings the kernel.\n`);
  const signal = AbortSignal.timeout(5000);
  const ping = (sequenceNumber: number): void => {
    const payload = new TextEncoder().encode("bun-tuntap");
    send(tap, echo(tap.mac, KERNEL, { type: IcmpType.ECHO_REQUEST, identifier: 1, sequenceNumber, payload }));
  };
  let replies = 0;
  ping(1);
  while (replies < PINGS) {
    const frame = await tap.receive({ signal }).catch(() => null);
    if (frame === null) break;
    if (react(tap, frame) && ++replies < PINGS) ping(replies + 1);
  }
  console.log(`\n${PINGS} packets transmitted, ${replies} received`);
  return replies === PINGS;
}

/** Prints a frame of the kernel's, and answers it if it asks for or pings the neighbour. Tells if it is an echo reply. */
function react(tap: Tap, bytes: Uint8Array): boolean {
  show("from kernel", bytes);
  const { etherType, source: mac, payload } = packet.parseEthernet(bytes);
  if (etherType === EtherType.ARP) {
    const arp = packet.parseArp(payload);
    if (arp.operation !== ArpOperation.REQUEST || arp.targetIPv4 !== IP) return false;
    const [targetMac, targetIPv4] = [arp.senderMac, arp.senderIPv4];
    const reply = { operation: ArpOperation.REPLY, senderMac: MAC, senderIPv4: IP, targetMac, targetIPv4 };
    send(tap, ethernet(mac, EtherType.ARP, packet.buildArp(reply)));
  } else if (etherType === EtherType.IPv4) {
    const { destination, protocol, source, payload: message } = packet.parseIPv4(payload);
    if (destination !== IP || protocol !== packet.IpProtocol.ICMP) return false;
    const { type, identifier, sequenceNumber, payload: data } = packet.parseIcmpEcho(message);
    if (type === IcmpType.ECHO_REPLY) return true;
    send(tap, echo(mac, source, { type: IcmpType.ECHO_REPLY, identifier, sequenceNumber, payload: data }));
  }
  return false;
}

function echo(mac: string, destination: string, message: Parameters<typeof packet.buildIcmpEcho>[0]): Uint8Array {
  const payload = packet.buildIcmpEcho(message);
  const ip = packet.buildIPv4({ source: IP, destination, protocol: packet.IpProtocol.ICMP, payload });
  return ethernet(mac, EtherType.IPv4, ip);
}

function ethernet(destination: string, etherType: number, payload: Uint8Array): Uint8Array {
  return packet.buildEthernet({ destination, source: MAC, etherType, payload });
}

function send(tap: Tap, frame: Uint8Array): void {
  show("to kernel  ", frame);
  tap.send(frame);
}

function show(direction: string, frame: Uint8Array): void {
  console.log(`${direction}  ${String(frame.length).padStart(4)} bytes  ${packet.describe(frame, "tap")}`);
}
