/**
 * Handing over: a helper with privilege opens a TUN interface, and a worker that has given up all privilege gets it over
 * a Unix socket and answers ping on it. The helper could end then.
 *
 *   sudo bun examples/handover.ts
 *   bun build --compile examples/handover.ts --outfile handover && sudo ./handover
 */
import { dlopen } from "bun:ffi";
import { accessSync, mkdtempSync, rmSync } from "node:fs";
import { handOver, openTun, type TunTapError, takeOver } from "../src/index.ts";
import { buildIcmpEcho, buildIPv4, describe, IcmpType, parseIcmpEcho, parseIPv4 } from "../src/packet/index.ts";

/** nobody, on every Linux. */
const WORKER = 65534;
const PINGS = 3;
const WAIT_MS = 10_000;
const WORKER_IP = "192.0.2.2";
const compiled = Bun.main.startsWith("/$bunfs/");

const [role, socket = ""] = process.argv.slice(2);
try {
  process.exitCode = role === "worker" ? await work(socket) : await help();
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
}

/** The half with privilege. */
async function help(): Promise<number> {
  if (!enterOwnNamespace()) {
    console.error(`This takes root: sudo ${process.execPath}${compiled ? "" : " examples/handover.ts"}`);
    return 1;
  }
  const folder = mkdtempSync("/tmp/handover-");
  try {
    // Made by root, so that nobody else can put a socket in its place; the worker may look inside.
    Bun.spawnSync(["chmod", "711", folder]);
    const path = `${folder}/tun.sock`;
    const tun = openTun({ addresses: [{ address: "192.0.2.1", peer: WORKER_IP }], ipv6: false });
    console.log(`helper  uid ${process.getuid?.()} has opened ${tun.name}, and waits at ${path}`);
    const ended = new AbortController();
    const given = handOver(tun, {
      path,
      // Everybody may knock, and one user is let in.
      mode: 0o666,
      allow: ({ uid }) => uid === WORKER,
      signal: AbortSignal.any([ended.signal, AbortSignal.timeout(WAIT_MS)]),
    });
    const worker = startWorker(path);
    void worker.exited.then(() => ended.abort(new Error("The worker has ended without the interface")));
    const { pid, uid } = await given;
    console.log(`helper  it is process ${pid}'s now, of uid ${uid}; closed here: ${tun.closed}`);
    await Bun.spawn(["ping", "-q", "-c", `${PINGS}`, "-i", "0.2", "-w", "5", WORKER_IP], { stdout: "inherit" }).exited;
    return await worker.exited;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** Moves this program into a network namespace of its own, as `unshare -n` would: the host sees nothing of it. */
function enterOwnNamespace(): boolean {
  const CLONE_NEWNET = 0x4000_0000; // include/uapi/linux/sched.h
  const libc = dlopen("libc.so.6", { unshare: { args: ["i32"], returns: "i32" } });
  return libc.symbols.unshare(CLONE_NEWNET) === 0;
}

function startWorker(path: string): Bun.Subprocess {
  const self = compiled ? [process.execPath] : [process.execPath, Bun.main];
  return Bun.spawn([...self, "worker", path], { stdio: ["ignore", "inherit", "inherit"], timeout: 2 * WAIT_MS });
}

/** The half without privilege. */
async function work(path: string): Promise<number> {
  dropPrivilege();
  console.log(`worker  uid ${process.getuid?.()}; ${refusal()}`);
  using tun = await takeOver(path, { signal: AbortSignal.timeout(WAIT_MS) });
  console.log(`worker  has ${tun.name}, with ${tun.addresses().map(({ address }) => address)}`);
  for (let answered = 0; answered < PINGS; answered++) {
    const packet = await tun.receive({ signal: AbortSignal.timeout(WAIT_MS) });
    if (packet === null) return 1;
    const reply = echoReply(packet);
    console.log(`worker  ${describe(reply, "tun")}`);
    tun.send(reply);
  }
  return 0;
}

/** Gives up privilege for good: groups first, as only root may change them. */
function dropPrivilege(): void {
  process.setgroups?.([]);
  process.setgid?.(WORKER);
  process.setuid?.(WORKER);
  try {
    // Parts of the library are loaded when they are first used.
    if (!compiled) accessSync(import.meta.path);
  } catch {
    console.error(`The worker may not read ${import.meta.path}: put the project where every user can, or compile it`);
    process.exit(1);
  }
}

/** Tells what happens to a process that opens an interface itself. */
function refusal(): string {
  try {
    openTun().close();
    return "which may open interfaces here";
  } catch (error) {
    return `may it open an interface? ${(error as TunTapError).code}`;
  }
}

/** Answers a ping: all that the helper's namespace sends here. */
function echoReply(request: Uint8Array): Uint8Array {
  const { source: destination, destination: source, protocol, payload: message } = parseIPv4(request);
  const { identifier, sequenceNumber, payload } = parseIcmpEcho(message);
  const reply = buildIcmpEcho({ type: IcmpType.ECHO_REPLY, identifier, sequenceNumber, payload });
  return buildIPv4({ source, destination, protocol, payload: reply });
}
