import { type Capture, type CaptureDirection, capture, LinkType } from "../capture/index.ts";
import { listDevices, type OpenOptions, openTap, openTun, type Tap, type Tun, TunTapError } from "../index.ts";
import { tryOrUndefined } from "../rollback.ts";
import { answerTo } from "./answer.ts";
import { type Command, type Context, defineCommand, type Work } from "./command.ts";
import { mostOf, PacketPrinter, type PacketValues, packetOptions } from "./packets.ts";
import { parseInteger } from "./values.ts";

/** RFC 5737 and RFC 3849: for documentation, so that no network is taken away. */
const [IPV4, IPV6] = ["192.0.2.1/24", "2001:db8::1/64"] as const;

interface Settings {
  readonly open: () => Tun | Tap;
  readonly answer: boolean;
  readonly write: string | undefined;
}

/** Makes an interface, and prints what arrives on it. */
export const dump: Command = defineCommand({
  operands: "[WORD…]",
  about: `Makes a TUN, or a TAP with --tap, and prints each packet that the kernel sends to it, until Ctrl-C; "out" leaves the kernel, "in" enters it. The interface is gone afterwards. Try it with \`bun-tuntap dump --answer\` here, and \`ping 192.0.2.2\` in another terminal. With words, those packets alone whose line has them all. Making an interface needs CAP_NET_ADMIN; --name of a persistent one of your own needs nothing.`,
  options: {
    tap: { type: "boolean", about: "make a TAP, which carries Ethernet frames" },
    name: { type: "string", value: "NAME", completes: "interfaces", about: "its name, or a persistent interface" },
    address: {
      type: "string",
      multiple: true,
      value: "ADDRESS",
      about: `the kernel's address; may be repeated; default ${IPV4} and ${IPV6} for a new interface`,
    },
    mtu: { type: "string", value: "BYTES", about: "largest packet" },
    answer: { type: "boolean", about: "answer ARP, neighbor solicitations and pings for every other address" },
    write: {
      type: "string",
      short: "w",
      value: "FILE",
      completes: "files",
      about: "write a pcapng file for Wireshark; with - standard output, and nothing else is printed there",
    },
    ...packetOptions,
  },
  count: [0, Number.POSITIVE_INFINITY],
  prepare(values, words): Work {
    const { tap, name, address, mtu, answer = false, write } = values;
    const most = mostOf(values as PacketValues);
    const options: OpenOptions<never> = {
      ...(name !== undefined && { name }),
      ...(mtu !== undefined && { mtu: parseInteger("mtu", mtu, { min: 68, max: 65_535 }) }),
    };
    const open = (): Tun | Tap => openInterface(tap ?? false, options, address);
    return async (context) => {
      const printer = new PacketPrinter(context.output, words, values as PacketValues, most);
      await follow({ open, answer, write }, printer, context);
    };
  },
});

function openInterface(tap: boolean, options: OpenOptions<never>, addresses: readonly string[] | undefined): Tun | Tap {
  const open = (addresses: readonly string[]): Tun | Tap =>
    tap ? openTap({ ...options, addresses }) : openTun({ ...options, addresses });
  if (addresses !== undefined) return open(addresses);
  if (isThere(options.name)) return tap ? openTap(options) : openTun(options);
  const device = open([IPV4]);
  // Nobody asked for it by name: where IPv6 is switched off it is done without.
  tryOrUndefined(() => device.addAddress({ address: IPV6, noDad: true }));
  return device;
}

/** Tells whether the interface exists: it belongs to somebody then, and stays as it is. */
function isThere(name: string | undefined): boolean {
  return name !== undefined && listDevices().some((info) => info.name === name);
}

async function follow({ open, answer, write }: Settings, printer: PacketPrinter, context: Context): Promise<void> {
  const { output, stop } = context;
  if (stop.aborted) return;
  await using device = open();
  stop.addEventListener("abort", () => device.close(), { once: true });
  const file = write === undefined ? undefined : capture(device, write === "-" ? Bun.stdout : write);
  const show = write === "-" ? undefined : showing(device, printer);
  output.progress(progress(device));
  for await (const batch of device.batches()) {
    for (const bytes of batch) {
      // Shown first: an observer sees the frame before its answer, too.
      show?.(bytes, "outbound");
      const reply = answer ? answerTo(bytes, device.kind) : undefined;
      if (reply !== undefined && send(device, reply)) show?.(reply, "inbound");
    }
    await output.flush();
    if (printer.isDone || device.closed) break;
    output.progress(progress(device));
  }
  if (file !== undefined) await finish(file, write as string, context);
  if (!stop.aborted && device.closeReason !== undefined) throw device.closeReason;
}

/** Returns a function that prints a frame of the device. */
function showing(
  { kind, name }: Tun | Tap,
  printer: PacketPrinter,
): (frame: Uint8Array, way: CaptureDirection) => void {
  const source = { name, linkType: kind === "tap" ? LinkType.ETHERNET : LinkType.RAW, snapLength: 0 };
  return (frame, direction) => {
    // Microseconds: as many as a double holds of the time since 1970.
    const timestampNs = BigInt(Math.round((performance.timeOrigin + performance.now()) * 1000)) * 1000n;
    printer.print({ interface: source, timestampNs, direction, frame, originalLength: frame.length });
  };
}

/** Sends an answer, unless the kernel has no room for it or the interface is down: a lost answer is asked for again. */
function send(device: Tun | Tap, frame: Uint8Array): boolean {
  try {
    return !device.closed && device.send(frame);
  } catch (error) {
    if (error instanceof TunTapError) return false;
    throw error;
  }
}

/** Writes what is left of the file, and says how much it is. */
async function finish(file: Capture, path: string, { output }: Context): Promise<void> {
  await file.close();
  const { packets, dropped } = file.stats();
  const lost = dropped === 0 ? "" : `, ${dropped} lost, as writing took too long`;
  output.note(`${packets} packets written to ${path === "-" ? "standard output" : path}${lost}`);
}

function progress(device: Tun | Tap): string {
  const { framesReceived } = device.counters();
  const where = device.addresses().map(({ address }) => address);
  const at = where.length === 0 ? "" : ` at ${where.join(", ")}`;
  return `${device.name}${at} · ${framesReceived} packets · Ctrl-C ends it`;
}
