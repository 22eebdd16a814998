/**
 * bun ends-child.ts KIND COUNT [WAY]: devices that end under flood, COUNT for each way to
 * receive, by the deletion of their interface ("deletion") or by the end of the
 * namespace that it is in ("namespace"). Prints the number of ends and what went
 * wrong, as JSON.
 */
import { type OpenOptions, openTun, type Tun } from "../../src/index.ts";
import { openFds, quietIPv6, run, until } from "../support/system.ts";
import { floodedAddress } from "./flooded.ts";
import { type Way, ways } from "./ways.ts";

if (process.env["BUN_TUNTAP_TEST_NETNS"] !== "1") throw new Error("Run by ends.test.ts, in a namespace of its own");

const [kind = "deletion", countText = "8", wayName] = process.argv.slice(2);
const count = Number(countText);
/** Devices at a time. */
const GROUP = 15;
/** On a machine with much else to do. */
const ENOUGH_MS = 120_000;
const ours = /\/tun$|socket:/;

let ends = 0;
const problems: string[] = [];
const problem = (text: string): void => void (problems.length < 20 && problems.push(text));
process.on("uncaughtException", (error) => problem(`uncaught: ${error.message}`));
process.on("unhandledRejection", (error) => problem(`unhandled: ${error}`));

quietIPv6();
const udp = await Bun.udpSocket({});
let bystanderFrames = 0;
const bystander = openTun({
  addresses: ["198.51.100.1/24"],
  data(_, frames) {
    bystanderFrames += frames.length;
  },
});

/** A device that is flooded, and what came of it. */
class Ending {
  readonly device: Tun;
  readonly #way: string;
  #observed = 0;
  #isDone = false;
  delivered = 0;
  closes = 0;

  constructor(way: Way, number: number) {
    this.#way = way.name;
    const got = (frames: readonly Uint8Array[]): void => {
      this.delivered += frames.length;
    };
    const options: OpenOptions<Tun> = {
      ...way.options(got),
      close: () => {
        this.closes++;
      },
    };
    const addresses = kind === "deletion" ? { addresses: [floodedAddress(number)] } : {};
    this.device = openTun({ ...options, ...addresses });
    this.device.observe({
      frames: (frames) => {
        this.#observed += frames.length;
      },
    });
    const end = (error?: unknown): void => {
      this.#isDone = true;
      if (error !== undefined) this.#wrong(`the consumer failed: ${error}`);
    };
    void way.start(this.device, got).done.then(() => end(), end);
  }

  #wrong(text: string): void {
    problem(`${this.#way}: ${text}`);
  }

  /** Waits for the end, and looks at all of it. */
  async check(): Promise<void> {
    const { device } = this;
    await until(() => device.closed && this.#isDone, "the end of the device", ENOUGH_MS).catch(() => {
      this.#wrong(`no end: closed ${device.closed}, consumer ended ${this.#isDone}`);
      device.close();
    });
    const code = device.closeReason?.code;
    if (code !== "EBADFD") this.#wrong(`ended with ${code}: ${device.closeReason?.message}`);
    if (this.closes !== 1) this.#wrong(`${this.closes} calls of close`);
    if (this.delivered !== this.#observed) this.#wrong(`${this.#observed} frames read, ${this.delivered} delivered`);
    ends++;
  }
}

async function endGroup(way: Way, size: number): Promise<void> {
  const group = Array.from({ length: size }, (_, i) => new Ending(way, i));
  const names = group.map(({ device }) => device.name);
  let flooder: Bun.Subprocess | undefined;
  if (kind === "namespace") {
    flooder = Bun.spawn(["unshare", "-n", process.execPath, `${import.meta.dir}/flooder.ts`, `${size}`, ...names]);
    const { pid } = flooder;
    const own = run("readlink", "/proc/self/ns/net");
    await until(() => run("readlink", `/proc/${pid}/ns/net`) !== own, "a namespace of its own");
    for (const name of names) run("ip", "link", "set", name, "netns", `${pid}`);
  }
  await until(() => group.every(({ delivered }) => delivered > 20), "every device is flooded", ENOUGH_MS).catch(
    (error) => problem(`${way.name}: ${error.message}`),
  );
  if (flooder === undefined) {
    // As one group: the kernel waits for its readers once, and not for each.
    const lines = [...names.map((name) => `link set dev ${name} group 77\n`), "link del group 77\n"].join("");
    await Bun.spawn(["ip", "-batch", "-"], { stdin: Buffer.from(lines) }).exited;
  } else flooder.kill("SIGKILL");
  await Promise.all(group.map((ending) => ending.check()));
  await flooder?.exited;
}

async function bystanderGoesOn(way: Way): Promise<void> {
  const before = bystanderFrames;
  udp.send("x", 9, "198.51.100.2");
  await until(() => bystanderFrames > before, "", ENOUGH_MS).catch(() =>
    problem(`${way.name}: the other device got no frame, closed ${bystander.closed}`),
  );
}

const flooder =
  kind === "deletion" ? Bun.spawn([process.execPath, `${import.meta.dir}/flooder.ts`, `${GROUP}`]) : undefined;
try {
  for (const way of ways.filter(({ name }) => wayName === undefined || name === wayName)) {
    const before = openFds(ours).length;
    for (let left = count; left > 0 && problems.length === 0; left -= GROUP) {
      await endGroup(way, Math.min(GROUP, left));
      await bystanderGoesOn(way);
    }
    // Pipes of children that have ended are sockets, too, and go a moment later.
    const left = (): string[] => openFds(ours).slice(before);
    console.error(`${kind}, ${way.name}: ${ends} ends, ${problems.length} problems`);
    await until(() => left().length === 0, "", ENOUGH_MS).catch(() => problem(`${way.name}: fds left: ${left()}`));
  }
} finally {
  flooder?.kill("SIGKILL");
}
console.log(JSON.stringify({ ends, problems }));
process.exit(problems.length === 0 ? 0 : 1);
