import { expect, test } from "bun:test";
import { floodFrames } from "../support/effort.ts";
import { describePrivileged } from "../support/privilege.ts";

const SECCOMP_EINVAL = 0x0005_0016;
const SECCOMP_ENOSYS = 0x0005_0026;

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

/** Makes the kernel answer one system call number with an errno, in this thread and those to come (seccomp(2)). */
function refuse(systemCall: number, action: number): string {
  return `
  const { dlopen, ptr } = await import("bun:ffi");
  const { symbols } = dlopen("libc.so.6", { prctl: { args: ["i32", "u64", "u64", "u64", "u64"], returns: "i32" } });
  // Classic BPF, struct sock_filter { u16 code; u8 jt, jf; u32 k }: load seccomp_data.nr; if it is the one, its errno.
  const code = new Uint32Array([0x20, 0, 0x0100_0015, ${systemCall}, 0x06, ${action}, 0x06, 0x7fff_0000]);
  const program = new BigUint64Array([4n, BigInt(ptr(code))]);
  if (symbols.prctl(38, 1, 0, 0, 0) !== 0) throw new Error("PR_SET_NO_NEW_PRIVS");
  if (symbols.prctl(22, 2, ptr(program), 0, 0) !== 0) throw new Error("PR_SET_SECCOMP");`;
}

function wokenBy(source: string, waker?: string): { woken: boolean; aio: boolean } {
  const env = { ...process.env, ...(waker === undefined ? {} : { BUN_TUNTAP_WAKER: waker }) };
  const { stdout, stderr } = Bun.spawnSync([process.execPath, "-e", source], { env });
  if (stdout.length === 0) throw new Error(stderr.toString());
  return JSON.parse(stdout.toString());
}

const numbers = process.arch === "x64" ? { io_setup: 206, io_submit: 209 } : { io_setup: 0, io_submit: 2 };

describePrivileged("the waker", () => {
  test("is AIO where the kernel has it", () => {
    expect(wokenBy(program())).toEqual({ woken: true, aio: true });
  });

  test("is a thread where io_setup is refused, as in qemu-user", () => {
    expect(wokenBy(program(refuse(numbers.io_setup, SECCOMP_ENOSYS)))).toEqual({ woken: true, aio: false });
  });

  test("is a thread where io_submit refuses the poll, as in gVisor", () => {
    // The context is there then, but nothing is submitted to it.
    expect(wokenBy(program(refuse(numbers.io_submit, SECCOMP_EINVAL)))).toEqual({ woken: true, aio: true });
  });

  test("is what BUN_TUNTAP_WAKER says, and says so if that fails", () => {
    expect(wokenBy(program(), "thread")).toEqual({ woken: true, aio: false });
    expect(wokenBy(program(), "aio")).toEqual({ woken: true, aio: true });
    expect(() => wokenBy(program(refuse(numbers.io_setup, SECCOMP_ENOSYS)), "aio")).toThrow("ENOSYS");
    expect(() => wokenBy(program(), "smoke")).toThrow('BUN_TUNTAP_WAKER must be "aio" or "thread", got "smoke"');
  });

  test("makes no difference otherwise: the tests of this folder pass with the thread too", async () => {
    const files = ["io/receive", "io/send", "device/end", "io/flood"].map((name) => `./test/${name}.test.ts`);
    const child = Bun.spawn([process.execPath, "test", ...files], {
      stderr: "pipe",
      cwd: `${import.meta.dir}/../..`,
      env: {
        ...process.env,
        BUN_TUNTAP_WAKER: "thread",
        BUN_TUNTAP_REQUIRE_ROOT: "1",
        BUN_TUNTAP_FLOOD_FRAMES: String(floodFrames / 5),
      },
    });
    const output = await child.stderr.text();
    expect(output).toMatch(/\n 0 fail\n/);
    expect(output).toMatch(/\nRan [1-9]\d+ tests across 4 files/);
    expect(await child.exited).toBe(0);
  }, 180_000);
});
