/** A device whose interface is in a namespace that its process cannot enter: made by root there, its fd handed down. */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { cpSync } from "node:fs";
import { join } from "node:path";
import { IFF_NO_PI, IFF_TAP, IFF_TUN } from "../../src/sys/constants.ts";
import { openClone } from "../../src/sys/netns.ts";
import { closeFd, setIff } from "../../src/sys/tun.ts";
import { as, noOthers, rootless, somebody } from "../device/as-others.ts";
import { publicTree } from "../device/in-child.ts";
import { otherNamespace, warmUp } from "../device/support.ts";
import { describeUnless } from "../support/privilege.ts";
import { newFds, openFds, run, until } from "../support/system.ts";

setDefaultTimeout(60_000);

const unprivileged = as(somebody);
let tree: ReturnType<typeof publicTree>;

interface Said {
  what: string;
  value: unknown;
}

/** out-of-reach-child.ts with the fd of an interface `far0` in another namespace. */
class Far implements AsyncDisposable {
  readonly other: Awaited<ReturnType<typeof otherNamespace>>;
  readonly #process: Bun.Subprocess<"pipe", "pipe", "inherit">;
  readonly said: Said[] = [];

  static async open(kind: "tun" | "tap" = "tun", through: readonly string[] = unprivileged): Promise<Far> {
    const other = await otherNamespace();
    const fd = openClone("/dev/net/tun");
    setIff(fd, "far0", IFF_NO_PI | (kind === "tun" ? IFF_TUN : IFF_TAP));
    run("ip", "link", "set", "far0", "netns", `${other.pid}`);
    const far = new Far(other, through, fd);
    closeFd(fd);
    await far.until(({ what }) => what === "adopted", "the fd is adopted");
    return far;
  }

  constructor(other: Awaited<ReturnType<typeof otherNamespace>>, through: readonly string[], fd: number) {
    this.other = other;
    this.#process = Bun.spawn(
      [...through, join(tree.path, "bun"), join(tree.path, "test/interface/out-of-reach-child.ts")],
      {
        cwd: tree.path,
        env: { ...process.env, HOME: tree.path, BUN_RUNTIME_TRANSPILER_CACHE_PATH: "0" },
        stdio: ["pipe", "pipe", "inherit", fd],
      },
    ) as Bun.Subprocess<"pipe", "pipe", "inherit">;
    void this.#listen();
  }

  /** Runs `ip` where the interface is. */
  ip(...args: string[]): void {
    this.other.run("ip", ...args);
  }

  /** Returns what the child answers. */
  async ask(word: string): Promise<unknown> {
    const before = this.said.length;
    this.#process.stdin.write(`${word}\n`);
    this.#process.stdin.flush();
    const answer = (): Said | undefined => this.said.slice(before).find(({ what }) => what === word);
    await until(() => answer() !== undefined, `an answer to ${word}`);
    return answer()?.value;
  }

  async until(condition: (said: Said) => boolean, what: string): Promise<void> {
    await until(() => this.said.some(condition), `${what}, among ${JSON.stringify(this.said)}`);
  }

  /** The types of all changes that were told, once there are `count` of them. */
  async told(count: number): Promise<string[]> {
    const types = (by: string): string[] =>
      this.said
        .filter(({ what }) => what === by)
        .map(({ value }) => (value as { type?: string }).type ?? String(value));
    await until(() => types("handler").length >= count && types("iteration").length >= count, `${count} changes`);
    expect(types("iteration")).toEqual(types("handler"));
    return types("handler");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#process.kill("SIGKILL");
    this.other[Symbol.dispose]();
    await this.#process.exited;
  }

  async #listen(): Promise<void> {
    let text = "";
    for await (const chunk of this.#process.stdout.pipeThrough(new TextDecoderStream())) {
      const lines = (text + chunk).split("\n");
      text = lines.pop() ?? "";
      for (const line of lines) this.said.push(JSON.parse(line) as Said);
    }
  }
}

describeUnless(noOthers(), "an adopted fd whose interface is out of reach", () => {
  let fds: string[];
  beforeAll(() => {
    warmUp();
    fds = openFds(/\/net\/tun$/);
    tree = publicTree();
    for (const name of ["out-of-reach-child.ts"]) {
      cpSync(join(import.meta.dir, name), join(tree.path, "test/interface", name), { recursive: true });
    }
    run("chmod", "-R", "a+rX", tree.path);
  });
  afterAll(() => {
    tree?.[Symbol.dispose]();
    expect(newFds(fds, /\/net\/tun$/)).toEqual([]);
  });

  test.each(["tun", "tap"] as const)("a %s: `up` is told at once, and `down` when something is sent", async (kind) => {
    await using far = await Far.open(kind);
    expect(await far.ask("isUp")).toBe(false);
    for (let round = 0; round < 3; round++) {
      far.ip("link", "set", "far0", "up");
      // Nothing is asked meanwhile.
      expect(await far.told(2 * round + 1)).toHaveLength(2 * round + 1);
      expect(await far.ask("isUp")).toBe(true);
      far.ip("link", "set", "far0", "down");
      expect(await far.ask("isUp")).toBe(false);
      expect(await far.ask("send")).toMatchObject({ code: "EIO" });
      expect(await far.told(2 * round + 2)).toEqual(Array.from({ length: round + 1 }, () => ["up", "down"]).flat());
    }
  });

  test("`down` comes when the traffic ends, though nothing is sent or asked", async () => {
    await using far = await Far.open();
    far.ip("link", "set", "far0", "up");
    far.ip("address", "add", "192.0.2.1/24", "dev", "far0");
    expect(await far.told(1)).toEqual(["up"]);
    const { pid } = far.other;
    const nsenter = ["nsenter", "--target", `${pid}`, "--net"];
    const ping = Bun.spawn([...nsenter, "ping", "-q", "-i", "0.01", "192.0.2.2"], {
      stdout: "ignore",
      stderr: "ignore",
    });
    try {
      for (let round = 1; round <= 8; round++) {
        const before = (await far.ask("frames")) as number;
        while (((await far.ask("frames")) as number) < before + 5);
        far.ip("link", "set", "far0", "down");
        expect((await far.told(2 * round)).slice(-2)).toEqual(["up", "down"]);
        expect(await far.ask("isUp")).toBe(false);
        far.ip("link", "set", "far0", "up");
        await far.told(2 * round + 1);
      }
    } finally {
      ping.kill();
    }
  });

  test("reports nothing else; the other calls throw ENODEV with a hint", async () => {
    await using far = await Far.open("tap");
    far.ip("link", "set", "far0", "up");
    far.ip("link", "set", "far0", "mtu", "1400");
    far.ip("link", "set", "far0", "name", "far1");
    for (const word of ["mtu", "up", "setMtu", "addresses", "stats", "info"]) {
      expect(await far.ask(word)).toMatchObject({ code: "ENODEV", hint: expect.stringContaining("cannot reach") });
    }
    expect(await far.ask("name")).toBe("far1");
    expect(await far.told(1)).toEqual(["up"]);
  });

  test("ip link del tells `deleted`; close() only ends", async () => {
    {
      await using far = await Far.open();
      far.ip("link", "delete", "far0");
      await far.until(({ value }) => value === "ended", "the iteration ends");
      expect(await far.ask("isUp")).toBe(false);
      const types = far.said.filter(({ what }) => what === "iteration").map(({ value }) => value);
      expect(types).toEqual([{ type: "deleted" }, "ended"]);
    }
    await using far = await Far.open();
    await far.ask("close");
    await far.until(({ value }) => value === "ended", "the iteration ends");
    expect(far.said.filter(({ what }) => what === "handler")).toEqual([]);
  });

  test("an interface of the same name where the process is root itself is not taken for it", async () => {
    await using far = await Far.open("tun", rootless);
    expect(await far.ask("decoy")).toBe(1234);
    expect(await far.ask("setMtu")).toMatchObject({ code: expect.stringMatching(/^ENODEV$|^EPERM$/) });
    expect(await far.ask("the decoy's mtu")).toBe(1234);
    far.ip("link", "set", "far0", "up");
    expect(await far.ask("isUp")).toBe(true);
    far.ip("link", "set", "far0", "down");
    expect(await far.ask("isUp")).toBe(false);
  });
});
