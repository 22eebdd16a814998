/**
 * bun run demo                               as root
 * sudo bun run demo
 * unshare -Urn bun run demo                  without root, where /dev/net/tun has mode 0666
 * bun build --compile examples/demo.ts --outfile demo && sudo ./demo
 *
 * Opens a TAP interface in a network namespace of its own, and lets the
 * system's ping talk to a neighbour that exists only in TypeScript. Where
 * there is no ping, the neighbour pings the kernel.
 */
import { openTap, type Tap, TunTapError } from "../src/index.ts";
import { describe } from "../src/packet/index.ts";
import { Neighbour } from "./support/neighbour.ts";
import { enterOwnNamespace } from "./support/own-namespace.ts";

const PINGS = 3;
const KERNEL_IP = "192.0.2.1";
const neighbour = new Neighbour("02:00:5e:00:53:02", "192.0.2.2");

process.exitCode = await main();

async function main(): Promise<number> {
  if (!enterOwnNamespace()) {
    console.error("The demo makes a network namespace and an interface in it, which takes root. Type\n");
    console.error(`  sudo ${ownCommand()}\n`);
    console.error("or, if /dev/net/tun has mode 0666 on this machine, without root\n");
    console.error(`  unshare -Urn ${ownCommand()}`);
    return 1;
  }
  try {
    await using tap = openTap({ addresses: [`${KERNEL_IP}/24`] });
    introduce(tap);
    const passed = Bun.which("ping") === null ? await pingFromTypeScript(tap) : await pingFromKernel(tap);
    console.log(`\n${tap.name} goes with this program, and its network namespace too: nothing is left behind.`);
    return passed ? 0 : 1;
  } catch (error) {
    if (!(error instanceof TunTapError)) throw error;
    console.error(error.message);
    return 1;
  }
}

/** How to start this again. The whole path, for sudo looks for bun in places of its own. */
function ownCommand(): string {
  const compiled = Bun.main.startsWith("/$bunfs/");
  return compiled ? process.execPath : `${process.execPath} run demo`;
}

function introduce(tap: Tap): void {
  console.log(`interface  ${tap.name}, up, in a network namespace of its own`);
  console.log(`MAC        ${tap.mac}`);
  console.log(`MTU        ${tap.mtu}`);
  console.log(`address    ${KERNEL_IP}/24`);
  console.log(`neighbour  ${neighbour.ip} at ${neighbour.mac}, which is a TypeScript object\n`);
}

/** Prints frames as they pass, out of the kernel and into it, and answers those that want an answer. */
async function answerFrames(tap: Tap): Promise<void> {
  for await (const frame of tap) {
    show("from kernel", frame);
    const answer = neighbour.answer(frame);
    if (answer !== null) sendShown(tap, answer);
  }
}

function sendShown(tap: Tap, frame: Uint8Array): void {
  show("to kernel  ", frame);
  tap.send(frame);
}

function show(direction: string, frame: Uint8Array): void {
  console.log(`${direction}  ${String(frame.length).padStart(4)} bytes  ${describe(frame, "tap")}`);
}

async function pingFromKernel(tap: Tap): Promise<boolean> {
  const command = ["ping", "-c", String(PINGS), "-i", "0.5", "-W", "2", neighbour.ip];
  console.log(`$ ${command.join(" ")}\n`);
  const answering = answerFrames(tap);
  const ping = Bun.spawn(command, { stderr: "inherit" });
  const output = await ping.stdout.text();
  const passed = (await ping.exited) === 0;
  console.log(`\n${output.slice(output.indexOf("---")).trim()}`);
  tap.close();
  await answering;
  return passed;
}

async function pingFromTypeScript(tap: Tap): Promise<boolean> {
  console.log(`There is no ping here, so ${neighbour.ip} pings the kernel.\n`);
  const timeout = AbortSignal.timeout(5000);
  sendShown(tap, neighbour.askFor(KERNEL_IP));
  let replies = 0;
  sendShown(tap, neighbour.ping(tap.mac, KERNEL_IP, 1));
  while (replies < PINGS) {
    const frame = await tap.receive({ signal: timeout }).catch(() => null);
    if (frame === null) break;
    show("from kernel", frame);
    const answer = neighbour.answer(frame);
    if (answer !== null) sendShown(tap, answer);
    if (!neighbour.isEchoReply(frame)) continue;
    replies++;
    if (replies < PINGS) sendShown(tap, neighbour.ping(tap.mac, KERNEL_IP, replies + 1));
  }
  console.log(`\n${PINGS} packets transmitted, ${replies} received`);
  return replies === PINGS;
}
