/** The thread that closes fds (src/io/closer.ts), where there can be none, and where its queue is full. */
import { expect, test } from "bun:test";
import { describePrivileged } from "../support/privilege.ts";
import { runScript, runToEnd } from "../support/programs.ts";
import { EAGAIN, EMFILE, ENOMEM, numbers, refuse } from "./seccomp.ts";

const F_DUPFD_CLOEXEC = 1030;

/** Returns what a child says at its end, which it comes to by itself; with so many open files at most, if that is given. */
function said(source: string, filesMax?: number): unknown {
  const prelude = `
    import { closeSync, openSync, readdirSync, readFileSync, readlinkSync } from "node:fs";
    import { openTun } from "${import.meta.dir}/../../src/index.ts";
    const fds = (pattern = /./) => readdirSync("/proc/self/fd").filter((fd) => {
      try { return pattern.test(readlinkSync("/proc/self/fd/" + fd)); } catch { return false; }
    }).map(Number);
    const interfaces = () => readFileSync("/proc/thread-self/net/dev", "latin1").split("\\n").length;`;
  const { exitCode, signal, stdout, stderr } =
    filesMax === undefined
      ? runScript(prelude + source)
      : runToEnd(["sh", "-c", `ulimit -n ${filesMax}; exec "$0" -e "$1"`, process.execPath, prelude + source]);
  if (exitCode !== 0) throw new Error(`Status ${exitCode}, ${signal}: ${stderr}`);
  return JSON.parse(stdout);
}

/**
 * Source text of slowPair(): two ends of a TCP connection. To close the first blocks until the second is closed: it lingers
 * (socket(7), SO_LINGER) over bytes that the second has no room for.
 */
const slowSocket = `
  const i32 = (n) => Array.from({ length: n }, () => "i32");
  const { dlopen, ptr } = await import("bun:ffi");
  const { symbols: libc } = dlopen("libc.so.6", {
    socket: { args: i32(3), returns: "i32" },
    bind: { args: ["i32", "ptr", "i32"], returns: "i32" },
    listen: { args: i32(2), returns: "i32" },
    getsockname: { args: ["i32", "ptr", "ptr"], returns: "i32" },
    connect: { args: ["i32", "ptr", "i32"], returns: "i32" },
    accept: { args: ["i32", "ptr", "ptr"], returns: "i32" },
    setsockopt: { args: ["i32", "i32", "i32", "ptr", "i32"], returns: "i32" },
    send: { args: ["i32", "ptr", "usize", "i32"], returns: "i64" },
    fcntl: { args: i32(3), returns: "i32" },
    close: { args: i32(1), returns: "i32" },
  });
  const done = (result) => { if (result < 0) throw new Error("a call failed"); return result; };
  function slowPair() {
    Bun.spawnSync(["ip", "link", "set", "lo", "up"]);
    const listener = done(libc.socket(2, 1, 0));
    // AF_INET, any port, 127.0.0.1
    const address = new Uint8Array([2, 0, 0, 0, 127, 0, 0, 1, ...new Uint8Array(8)]);
    done(libc.bind(listener, ptr(address), 16));
    done(libc.listen(listener, 1));
    done(libc.getsockname(listener, ptr(address), ptr(new Int32Array([16]))));
    const slow = done(libc.socket(2, 1, 0));
    done(libc.connect(slow, ptr(address), 16));
    const peer = done(libc.accept(listener, null, null));
    libc.close(listener);
    // SOL_SOCKET, SO_LINGER: on, for 60 s
    done(libc.setsockopt(slow, 1, 13, ptr(new Int32Array([1, 60])), 8));
    const bytes = new Uint8Array(65536);
    // MSG_DONTWAIT | MSG_NOSIGNAL
    while (libc.send(slow, ptr(bytes), bytes.length, 0x4040) > 0);
    return [slow, peer];
  }`;

describePrivileged("closing in a thread", () => {
  test.each([
    { what: "a thread", refused: refuse(numbers.clone3, EAGAIN) + refuse(numbers.clone, EAGAIN) },
    { what: "a pipe", refused: refuse(numbers.pipe2, EMFILE) },
    { what: "a second fd of its eventfd", refused: refuse(numbers.fcntl, EMFILE, F_DUPFD_CLOEXEC) },
  ])("closes at once where the kernel refuses $what, each time, and leaves nothing", ({ refused }) => {
    expect(
      said(`
        // What the thread's first device opens for the thread's life is there before anything is counted.
        const first = openTun({ data() {} });
        const before = [fds().length, interfaces()];
        const devices = [openTun({ data() {} }), openTun()];
        const pending = devices[1].receive();
        ${refused}
        const closing = devices.map((device) => device[Symbol.asyncDispose]());
        // Before anybody waits for it.
        const left = [fds().length - before[0], interfaces() - before[1]];
        await Promise.all(closing);
        await first[Symbol.asyncDispose]();
        const closed = [first, ...devices].every((device) => device.closed);
        console.log(JSON.stringify({ left, closed, frame: await pending, tun: fds(/tun$/) }));`),
    ).toEqual({ left: [0, 0], closed: true, frame: null, tun: [] });
  });

  test("closes at once where the queue gets no memory, and does not keep the process", () => {
    expect(
      said(`
        const devices = [openTun({ data() {} }), openTun()];
        await openTun()[Symbol.asyncDispose]();
        // The number of an fd has four bytes, and the queue has one at a time.
        ${refuse(numbers.write, ENOMEM, 4, 2)}
        const closing = devices.map((device) => device[Symbol.asyncDispose]());
        const tun = fds(/tun$/);
        await Promise.all(closing);
        console.log(JSON.stringify({ tun }));`),
    ).toEqual({ tun: [] });
  });

  test("closes at once where no fd is left with which its module could be loaded", () => {
    expect(
      said(
        `
        const device = openTun({ data() {} });
        const files = [];
        try { for (;;) files.push(openSync("/dev/zero")); } catch {}
        await device[Symbol.asyncDispose]();
        for (const fd of files) closeSync(fd);
        console.log(JSON.stringify({ closed: device.closed, tun: fds(/tun$/) }));`,
        64,
      ),
    ).toEqual({ closed: true, tun: [] });
  });

  test("what the queue refuses goes with its thread; what it takes does not: the number may be another file's by then", () => {
    const worker = `
      const { native } = await import("${import.meta.dir}/../../src/sys/native.ts");
      const open = () => native().fd_open(new TextEncoder().encode("/dev/zero\\0"), 0);
      const wake = native().closer_open();
      const taken = open();
      native().closer_push(taken);
      while (native().closer_count(wake) < 1) await Bun.sleep(1);
      onmessage = () => {
        // The number of an fd has four bytes.
        ${refuse(numbers.write, ENOMEM, 4, 2)}
        postMessage(native().closer_push(open()));
      };
      postMessage(taken);`;
    expect(
      said(`
        const worker = new Worker(URL.createObjectURL(new Blob([${JSON.stringify(worker)}])));
        const answer = () => new Promise((resolve) => { worker.onmessage = ({ data }) => resolve(data); });
        const taken = await answer();
        while (openSync("/dev/full", "r") < taken);
        worker.postMessage("refuse");
        const result = await answer();
        const refused = fds(/zero$/).length;
        const ended = new Promise((resolve) => worker.addEventListener("close", resolve));
        worker.terminate();
        await ended;
        while (fds(/zero$/).length > 0) await Bun.sleep(1);
        console.log(JSON.stringify({ result, refused, kept: fds(/full$/).includes(taken) }));
        process.exit(0);`),
    ).toEqual({ result: -ENOMEM, refused: 1, kept: true });
  });

  test("closes at once what a full queue does not take, and the rest when the thread comes to it", () => {
    const { waiting, left, tun } = said(`
      import { closeInThread } from "${import.meta.dir}/../../src/io/closer.ts";
      ${slowSocket}
      const device = openTun({ data() {} });
      const before = fds().length;
      const [slow, peer] = slowPair();
      const pipes = fds(/^pipe:/);
      const closing = [closeInThread(slow)];
      const queue = fds(/^pipe:/).filter((fd) => !pipes.includes(fd));
      // One page, which is room for 1,024 numbers.
      for (const fd of queue) libc.fcntl(fd, 1031, 4096);
      for (let i = 0; i < 1100; i++) closing.push(closeInThread(openSync("/dev/zero")));
      closing.push(device[Symbol.asyncDispose]());
      const waiting = fds(/zero$/).length;
      const tun = fds(/tun$/);
      libc.close(peer);
      await Promise.all(closing);
      console.log(JSON.stringify({ waiting, tun, left: fds(/zero$/) }));`) as Record<string, unknown>;
    // The thread may have taken the first fd out of the queue.
    expect(waiting).toBeOneOf([1023, 1024]);
    expect({ left, tun }).toEqual({ left: [], tun: [] });
  });
});
