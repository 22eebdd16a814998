/**
 * Where memfd_create(2) is refused, the C text goes through a file. A seccomp
 * filter refuses it here, with the given errno, for the program and its
 * threads. Where libc alone lacks it, the kernel is asked all the same.
 */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { describeUnless } from "../support/privilege.ts";
import { isOneSentence, runToEnd, top } from "../support/programs.ts";

const source = `
  #include <stddef.h>
  #include <stdlib.h>
  #include <linux/filter.h>
  #include <linux/seccomp.h>
  #include <sys/prctl.h>
  #include <sys/syscall.h>
  #include <unistd.h>
  int main(int argc, char **argv)
  {
    struct sock_filter filter[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_memfd_create, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | atoi(argv[1])),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = { sizeof filter / sizeof *filter, filter };
    if (argc < 3 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program)) return 77;
    execv(argv[2], argv + 2);
    return 78;
  }`;

const script = `
  const { openTun } = await import(${JSON.stringify(`${top}/src/index.ts`)});
  try { openTun({ path: "/nonexistent/tun" }); }
  catch ({ code, hint, cause }) { console.log(JSON.stringify({ code, hint, cause: cause?.message })); }`;

const [ENOSYS, EPERM] = [38, 1];

describeUnless(
  Bun.which("gcc") === null ? "needs gcc: install it with your package manager" : undefined,
  "openTun() without memfd_create(2)",
  () => {
    let folder: string;

    beforeAll(() => {
      folder = mkdtempSync(`${process.env["TMPDIR"] ?? "/tmp"}/bun-tuntap-unit-`);
      const stdin = new TextEncoder().encode(source);
      const { exitCode, stderr } = Bun.spawnSync(["gcc", "-o", `${folder}/launch`, "-x", "c", "-"], { stdin });
      if (exitCode !== 0) throw new Error(stderr.toString());
    });

    afterAll(() => rmSync(folder, { recursive: true }));

    function open(errno: number, TMPDIR: string): { code?: string; hint?: string; cause?: string } {
      const command = [`${folder}/launch`, String(errno), process.execPath, "-e", script];
      const { exitCode, stdout, stderr } = runToEnd(command, { env: { TMPDIR } });
      expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: "" });
      return JSON.parse(stdout) as { code?: string };
    }

    test.each([
      ["ENOSYS", ENOSYS],
      ["EPERM", EPERM],
    ])("compiles from a file in TMPDIR when the kernel says %s, and leaves nothing there", (_name, errno) => {
      const temporary = mkdtempSync(`${folder}/tmp-`);
      expect(open(errno, temporary)).toMatchObject({ code: "ENOENT" });
      // Bun itself leaves the headers of its compiler there, in a folder of the user's own.
      expect(readdirSync(temporary).filter((name) => !/bun-cc/.test(name))).toEqual([]);
    });

    test("says that the shim could not be compiled if there is no folder for the file either", () => {
      const { code, hint, cause } = open(ENOSYS, "/nonexistent");
      expect(code).toBe("ERR_TUNTAP_NATIVE");
      expect(cause).toContain("/nonexistent");
      expect(hint).toSatisfy(isOneSentence);
    });
  },
);

/** A dlsym that does not find memfd_create, as on a glibc older than 2.27. */
const oldLibc = `
  #define _GNU_SOURCE
  #include <dlfcn.h>
  #include <string.h>
  void *dlsym(void *handle, const char *name)
  {
    static const char *const versions[] = { "GLIBC_2.34", "GLIBC_2.17", "GLIBC_2.2.5" };
    static void *(*next)(void *, const char *);
    for (int i = 0; !next && i < 3; i++)
      next = dlvsym(RTLD_NEXT, "dlsym", versions[i]);
    return strcmp(name, "memfd_create") ? next(handle, name) : 0;
  }`;

describeUnless(
  Bun.which("gcc") === null || /musl/.test(readFileSync("/proc/self/maps", "latin1"))
    ? "needs gcc and glibc: install gcc with your package manager"
    : undefined,
  "openTun() where libc has no function memfd_create()",
  () => {
    test("asks the kernel by number, and needs no file", () => {
      const folder = mkdtempSync(`${process.env["TMPDIR"] ?? "/tmp"}/bun-tuntap-unit-`);
      try {
        const stdin = new TextEncoder().encode(oldLibc);
        const library = `${folder}/old.so`;
        const compiled = Bun.spawnSync(["gcc", "-shared", "-fPIC", "-o", library, "-x", "c", "-"], { stdin });
        expect(compiled.stderr.toString()).toBe("");
        const asks = `
          const { dlopen } = await import("bun:ffi");
          try { dlopen("libc.so.6", { memfd_create: { args: ["ptr", "u32"], returns: "i32" } }); console.log("found"); }
          catch {}`;
        const command = [process.execPath, "-e", `${asks}${script}`];
        const { stdout, stderr } = runToEnd(command, { env: { LD_PRELOAD: library, TMPDIR: "/nonexistent" } });
        expect(stderr).toBe("");
        expect(JSON.parse(stdout)).toMatchObject({ code: "ENOENT" });
      } finally {
        rmSync(folder, { recursive: true });
      }
    });
  },
);
