/**
 * sudo bun examples/handover.ts
 * bun build --compile examples/handover.ts --outfile handover && sudo ./handover
 *
 * Two processes: a helper with privilege opens a TAP interface, in a network
 * namespace of its own, and a worker that has given up all privilege gets it
 * over a Unix socket and answers ping on it. The helper could end then.
 */
import { accessSync, mkdtempSync, rmSync } from "node:fs";
import { handOver, openTap, type TunTapError, takeOver } from "../src/index.ts";
import { describe } from "../src/packet/index.ts";
import { Neighbour } from "./support/neighbour.ts";
import { enterOwnNamespace } from "./support/own-namespace.ts";

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
    const path = `${folder}/tap.sock`;
    const tap = openTap({ addresses: ["192.0.2.1/24"] });
    console.log(`helper  uid ${process.getuid?.()} has opened ${tap.name}, and waits at ${path}`);
    const ended = new AbortController();
    const given = handOver(tap, {
      path,
      // Everybody may knock, and one user is let in.
      mode: 0o666,
      allow: ({ uid }) => uid === WORKER,
      signal: AbortSignal.any([ended.signal, AbortSignal.timeout(WAIT_MS)]),
    });
    const worker = startWorker(path);
    void worker.exited.then(() => ended.abort(new Error("The worker has ended without the interface")));
    const { pid, uid } = await given;
    console.log(`helper  it is process ${pid}'s now, of uid ${uid}; closed here: ${tap.closed}`);
    await Bun.spawn(["ping", "-q", "-c", `${PINGS}`, "-i", "0.2", "-w", "5", WORKER_IP], { stdout: "inherit" }).exited;
    return await worker.exited;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function startWorker(path: string): Bun.Subprocess {
  const self = compiled ? [process.execPath] : [process.execPath, Bun.main];
  return Bun.spawn([...self, "worker", path], { stdio: ["ignore", "inherit", "inherit"], timeout: 2 * WAIT_MS });
}

/** The half without. */
async function work(path: string): Promise<number> {
  dropPrivilege();
  console.log(`worker  uid ${process.getuid?.()}; ${refusal()}`);
  using tap = await takeOver(path, { signal: AbortSignal.timeout(WAIT_MS) });
  console.log(`worker  has ${tap.name}, with ${tap.addresses().map(({ address }) => address)}`);
  const neighbour = new Neighbour("02:00:5e:00:53:02", WORKER_IP);
  let answered = 0;
  while (answered < PINGS) {
    const frame = await tap.receive({ signal: AbortSignal.timeout(WAIT_MS) });
    if (frame === null) return 1;
    const answer = neighbour.answer(frame);
    if (answer === null) continue;
    const line = describe(answer, tap.kind);
    console.log(`worker  ${line}`);
    tap.send(answer);
    if (line.includes("echo reply")) answered++;
  }
  return 0;
}

/** For good: groups first, for only root may change them. */
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

/** That it cannot open an interface itself. */
function refusal(): string {
  try {
    openTap().close();
    return "which may open interfaces here";
  } catch (error) {
    return `may it open an interface? ${(error as TunTapError).code}`;
  }
}
