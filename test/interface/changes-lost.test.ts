/** Notifications that the kernel had no room for: afterwards the changes told make the state that `ip` shows. */
import { dlopen } from "bun:ffi";
import { beforeAll, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type LinkChange, openTap, type Tap } from "../../src/index.ts";
import { watchInterface } from "../../src/interface/watch.ts";
import { otherNamespace, persistentInterface, withQuietIPv6 } from "../device/support.ts";
import { here, listenTo, type Place, replayed, shownIn } from "../support/namespaces.ts";
import { describeWithTools } from "../support/privilege.ts";
import { Random, seed } from "../support/random.ts";
import { openFds, run, until } from "../support/system.ts";

/** Random changes of `name` as lines for `ip -batch`, some of which fail. */
function randomChanges(random: Random, name: string, count: number): string[] {
  const address = (): string =>
    random.below(2) === 0 ? `192.0.2.${random.below(9) + 1}/32` : `2001:db8::${random.below(9) + 1}/128`;
  const kinds: (() => string)[] = [
    () => `link set dev ${name} mtu ${1300 + random.below(200)}`,
    () => `link set dev ${name} ${random.below(2) === 0 ? "up" : "down"}`,
    () => `link set dev ${name} address 02:00:5e:00:53:${(10 + random.below(80)).toString()}`,
    () => `address add ${address()} dev ${name} nodad`,
    () => `address delete ${address()} dev ${name}`,
  ];
  return Array.from({ length: count }, () => random.pick(kinds)());
}

/** Runs `lines` in one process; those that fail do not stop it. */
class Batch implements Disposable {
  readonly #folder = mkdtempSync(join(tmpdir(), "bun-tuntap-lost-"));

  command(lines: readonly string[]): string[] {
    const file = join(this.#folder, "batch");
    writeFileSync(file, lines.join("\n"));
    return ["ip", "-force", "-batch", file];
  }

  [Symbol.dispose](): void {
    rmSync(this.#folder, { recursive: true });
  }
}

/** Counts the notifications for this process that the kernel has dropped. */
function drops(): number {
  const inodes = openFds(/^socket:/).map((fd) => /\[(\d+)\]/.exec(fd)?.[1]);
  const rows = readFileSync("/proc/thread-self/net/netlink", "latin1").trim().split("\n").slice(1);
  const ours = rows.map((row) => row.trim().split(/\s+/)).filter((row) => inodes.includes(row[9]));
  return ours.reduce((sum, row) => sum + Number(row[8]), 0);
}

const libc = dlopen("libc.so.6", {
  setsockopt: { args: ["i32", "i32", "i32", "ptr", "u32"], returns: "i32" },
});

/** Gives the sockets opened by `use` the smallest receive buffer there is: SO_RCVBUF of asm-generic/socket.h. */
function withSmallBuffers<T>(use: () => T): T {
  const sockets = (): string[] => openFds(/^socket:/);
  const before = sockets();
  const value = use();
  const made = sockets().filter((socket) => !before.includes(socket));
  expect(made).toHaveLength(1);
  for (const socket of made) libc.symbols.setsockopt(Number.parseInt(socket, 10), 1, 8, new Int32Array([1]), 4);
  return value;
}

/** Makes more news than there is room for, while nobody reads. */
const flood = (name: string): string[] =>
  Array.from({ length: 12_000 }, (_, i) => `link set dev ${name} mtu ${1300 + (i % 2)}`);

describeWithTools(`changes of which the news are lost (BUN_TUNTAP_SEED=${seed})`, ["ip", "unshare", "nsenter"], () => {
  withQuietIPv6();
  let batch: Batch;
  beforeAll(() => {
    batch = new Batch();
    return () => batch[Symbol.dispose]();
  });

  /** Opens a device that somebody listens to. */
  function listening(name: string): { tap: Tap; changes: ReturnType<typeof listenTo> } {
    const tap = openTap({ name, up: true });
    return { tap, changes: listenTo(tap) };
  }

  /** Expects that what was told makes what `ip` shows, after a last change that is told. */
  async function expectConverged(
    changes: ReturnType<typeof listenTo>,
    tap: Tap,
    place: Pick<Place, "run">,
    first = "lost0",
  ): Promise<void> {
    const start = { name: first, mtu: 1500, mac: start0, up: true, addresses: [] };
    const shown = shownIn(place, tap.name);
    await until(() => Bun.deepEquals(replayed(start, changes.told), shown), "the state is told");
    const tail = changes.texts();
    tap.setMtu(1298);
    await until(() => changes.texts().length > tail.length, "one more change");
    expect(changes.texts()).toEqual([...tail, "mtu 1298"]);
  }
  let start0 = "";

  test("because the thread was busy: the state is reported, and later changes", async () => {
    const random = new Random(seed);
    const { tap, changes } = listening("lost0");
    using _ = tap;
    start0 = tap.mac;
    for (let round = 0; round < 3; round++) {
      Bun.spawnSync(batch.command([...flood("lost0"), ...randomChanges(random, "lost0", 60)]));
      expect(drops()).toBeGreaterThan(0);
      await until(() => changes.told.length > 0, "something is told");
    }
    expect(changes.told.length).toBeLessThan(12_000);
    await expectConverged(changes, tap, here);
  }, 60_000);

  test("because there is room for one or two: the state is reported, again and again while it changes", async () => {
    const random = new Random(seed);
    const tap = openTap({ name: "lost0", up: true });
    using _ = tap;
    start0 = tap.mac;
    const changes = withSmallBuffers(() => listenTo(tap));
    for (let round = 0; round < 5; round++) {
      await Bun.spawn(batch.command(randomChanges(random, "lost0", 2000)), { stderr: "ignore" }).exited;
    }
    expect(drops()).toBeGreaterThan(0);
    await expectConverged(changes, tap, here);
  }, 60_000);

  test("with the end of the interface among them: `deleted` is told", async () => {
    const { tap, changes } = listening("lost0");
    Bun.spawnSync(batch.command([...flood("lost0"), "link delete dev lost0"]));
    await changes.ended;
    expect(changes.texts().at(-1)).toBe("deleted");
    expect(tap.closeReason?.code).toBe("EBADFD");
  }, 60_000);

  test("of an interface that is watched by its name: the newest state is told last, and its end", async () => {
    using _made = persistentInterface("lost0", "tun");
    const told: LinkChange[] = [];
    const ended = (async () => {
      for await (const change of watchInterface("lost0")) told.push(change);
    })();
    Bun.spawnSync(batch.command([...flood("lost0"), "link set dev lost0 mtu 1400"]));
    expect(drops()).toBeGreaterThan(0);
    await until(() => told.length > 0, "something is told");
    run("ip", "link", "set", "dev", "lost0", "mtu", "1401");
    await until(() => told.some((change) => change.type === "mtu" && change.mtu === 1401), "the next change is told");
    expect(told).toEqual([
      { type: "mtu", mtu: 1400 },
      { type: "mtu", mtu: 1401 },
    ]);
    Bun.spawnSync(batch.command([...flood("lost0"), "link delete dev lost0"]));
    await ended;
    expect(told.slice(2)).toEqual([{ type: "deleted" }]);
  }, 60_000);

  test.each(["kept", "taken by another there"] as const)(
    "with its move to another namespace among them, its index %s: it is followed",
    async (index) => {
      using other = await otherNamespace();
      const { tap, changes } = listening("lost0");
      using _ = tap;
      start0 = tap.mac;
      if (index !== "kept") other.run("ip", "link", "add", "other0", "index", `${tap.index}`, "type", "bridge");
      const before = tap.index;
      Bun.spawnSync(batch.command([...flood("lost0"), `link set dev lost0 netns ${other.pid}`]));
      await until(() => changes.texts().some((text) => text.startsWith("moved")), "the move is told");
      expect(tap.index === before).toBe(index === "kept");
      other.run("ip", "link", "set", "dev", "lost0", "up");
      other.run("ip", "address", "add", "192.0.2.1/24", "dev", "lost0");
      await until(() => changes.texts().includes("address-added 192.0.2.1/24"), "what happens there is told");
      await expectConverged(changes, tap, other);
    },
    60_000,
  );
});
