import { expect, test } from "bun:test";
import { floodFrames } from "../support/effort.ts";
import { describePrivileged, describeWithTools } from "../support/privilege.ts";
import { EAGAIN, ENOMEM, numbers, refuse } from "./seccomp.ts";

const EINVAL = 22;
const ENOSYS = 38;

/** A child that opens a TAP, gets a frame from the kernel, and says how it was woken. */
const program = (before = ""): string => `
  ${before}
  const { openTap } = await import("${import.meta.dir}/../../src/index.ts");
  const { readFileSync } = await import("node:fs");
  const tap = openTap({ addresses: ["192.0.2.1/24"] });
  const socket = await Bun.udpSocket({ hostname: "192.0.2.1" });
  const pending = tap.receive();
  socket.send("x", 9, "192.0.2.2");
  const frame = await pending;
  const aio = readFileSync("/proc/self/maps", "latin1").includes("[aio]");
  console.log(JSON.stringify({ woken: frame.length > 0, aio }));
  process.exit();`;

function wokenBy(source: string, waker?: string): { woken: boolean; aio: boolean } {
  const env = { ...process.env, ...(waker === undefined ? {} : { BUN_TUNTAP_WAKER: waker }) };
  const { stdout, stderr } = Bun.spawnSync([process.execPath, "-e", source], { env });
  if (stdout.length === 0) throw new Error(stderr.toString());
  return JSON.parse(stdout.toString());
}

describePrivileged("the waker", () => {
  test("is AIO where the kernel has it", () => {
    expect(wokenBy(program())).toEqual({ woken: true, aio: true });
  });

  test("is a thread where io_setup is refused, as in qemu-user", () => {
    expect(wokenBy(program(refuse(numbers.io_setup, ENOSYS)))).toEqual({ woken: true, aio: false });
  });

  test("is a thread where io_submit refuses the poll, as in gVisor", () => {
    // The context is there then, but nothing is submitted to it.
    expect(wokenBy(program(refuse(numbers.io_submit, EINVAL)))).toEqual({ woken: true, aio: true });
  });

  test("is what BUN_TUNTAP_WAKER says, and says so if that fails", () => {
    expect(wokenBy(program(), "thread")).toEqual({ woken: true, aio: false });
    expect(wokenBy(program(), "aio")).toEqual({ woken: true, aio: true });
    expect(() => wokenBy(program(refuse(numbers.io_setup, ENOSYS)), "aio")).toThrow("ENOSYS");
    expect(() => wokenBy(program(), "smoke")).toThrow('BUN_TUNTAP_WAKER must be "aio" or "thread", got "smoke"');
  });

  test("makes no difference otherwise: the tests of this folder pass with the thread too", async () => {
    const files = ["io/receive", "io/send", "device/end", "io/flood"].map((name) => `./test/${name}.test.ts`);
    const child = Bun.spawn([process.execPath, "test", "--timeout", "60000", ...files], {
      stderr: "pipe",
      cwd: `${import.meta.dir}/../..`,
      env: {
        ...process.env,
        BUN_TUNTAP_WAKER: "thread",
        BUN_TUNTAP_REQUIRE_ROOT: "1",
        BUN_TUNTAP_FLOOD_FRAMES: String(floodFrames / 10),
      },
    });
    const output = await child.stderr.text();
    expect(output).toMatch(/\n 0 fail\n/);
    expect(output).toMatch(/\nRan [1-9]\d+ tests across 4 files/);
    expect(await child.exited).toBe(0);
  }, 400_000);
});

/** A child that gets one frame, has something happen, and gets another one; says what it was woken by at last. */
const goingOn = (between: string): string => `
  const { openTun } = await import("${import.meta.dir}/../../src/index.ts");
  const { currentWaker } = await import("${import.meta.dir}/../../src/io/reactor.ts");
  const uncaught = [];
  process.on("uncaughtException", (error) => uncaught.push(error.message));
  process.on("unhandledRejection", (error) => uncaught.push(String(error)));
  const tun = openTun({ addresses: ["192.0.2.1/24"], ipv6: false });
  const socket = await Bun.udpSocket({ hostname: "192.0.2.1" });
  const exchange = async () => {
    // Traffic that has rested is waited for anew.
    await Bun.sleep(5);
    const pending = tun.receive();
    socket.send("x", 9, "192.0.2.2");
    return (await pending) !== null;
  };
  const frames = [await exchange()];
  ${between}
  for (let i = 0; i < 10; i++) frames.push(await exchange());
  console.log(JSON.stringify({ frames: frames.every(Boolean), closed: tun.closed, waker: currentWaker(), uncaught }));
  process.exit();`;

interface WentOn {
  frames: boolean;
  closed: boolean;
  waker: string;
  uncaught: string[];
}

function wentOn(command: string[]): WentOn {
  const env = { ...process.env };
  delete env["BUN_TUNTAP_WAKER"];
  const { stdout, stderr } = Bun.spawnSync(command, { env, timeout: 30_000 });
  if (stdout.length === 0) throw new Error(stderr.toString());
  return JSON.parse(stdout.toString());
}

describePrivileged("io_submit that fails while devices are open", () => {
  for (const [name, errno] of Object.entries({ EAGAIN, ENOMEM, EINVAL })) {
    test(`${name} for good: the thread takes over, and nobody notices`, () => {
      const source = goingOn(refuse(numbers.io_submit, errno));
      expect(wentOn([process.execPath, "-e", source])).toEqual({
        frames: true,
        closed: false,
        waker: "thread",
        uncaught: [],
      });
    });
  }
});

describeWithTools("io_submit that fails for a moment", ["strace"], () => {
  test("is tried again, and stays the waker", () => {
    const strace = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", "trace=io_submit"];
    for (const inject of ["EAGAIN:when=3+3", "ENOMEM:when=4+2"]) {
      expect(
        wentOn([...strace, "-e", `inject=io_submit:error=${inject}`, process.execPath, "-e", goingOn("")]),
      ).toEqual({
        frames: true,
        closed: false,
        waker: "aio",
        uncaught: [],
      });
    }
  }, 60_000);
});
