import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { render, wrap } from "../../src/cli/report.ts";
import { painter } from "../../src/cli/style.ts";
import { type Differences, failure, refused, report, untried } from "../probe/made-up.ts";

const plain = { paint: painter(false), columns: 80 };

const closed: Differences = {
  user: {
    uid: 1000,
    capabilities: { netAdmin: false, sysAdmin: false },
    netAdmin: refused("EPERM", -1, "x", "become `root`"),
  },
  node: { opening: refused("EACCES", -13, "open", "`sudo chmod 0666 /dev/net/tun`") },
  tun: refused("EPERM", -1, "ioctl(TUNSETIFF)", "become `root`"),
  tap: untried,
  features: null,
  offloads: null,
};

describe("render()", () => {
  test("is a page that one likes to read, where all is well", () => {
    expect(render(report({ system: { container: "podman" } }), plain)).toBe(`This machine
  ✓ Platform            Linux 6.18.0 on x64, glibc, in podman
  ✓ Bun                 1.4.5
  ✓ C shim              compiled in 6.5 ms
  ✓ Wake-ups            by kernel AIO
  ✓ rtnetlink           can be asked

This user
  ✓ User                root
  ✓ CAP_NET_ADMIN       effective, and over this network namespace
  ✓ Network namespaces  can be made and entered, as the option \`netns\` does
  ✓ User namespaces     can be made; \`unshare -Urn\` gives anyone the capability

The device
  ✓ Device node         /dev/net/tun 10:200, mode 0666
  ✓ Driver              there
  ✓ Opening it          works, for reading and writing
  ✓ TUN                 can be made
  ✓ TAP                 can be made

The driver
  ✓ Flags (IFF_)        TUN TAP VNET_HDR; not BACKPRESSURE
  ✓ Offloads (TUN_F_)   CSUM TSO4; not USO4

The neighbours
  ✓ Network services    none that takes over new interfaces

A TUN can be opened here.
`);
  });

  test("marks missing things, with the cure below, each cure once, and a summary at the end", () => {
    const page = render(report(closed), plain).split("\n");
    const at = (text: string): number => page.findIndex((line) => line.includes(text));
    expect(page[at("CAP_NET_ADMIN")]).toBe("  ✗ CAP_NET_ADMIN       not effective");
    expect(page[at("CAP_NET_ADMIN") + 1]).toBe("    → become `root`");
    expect(page[at("Opening it") + 1]).toBe("    → `sudo chmod 0666 /dev/net/tun`");
    expect(page[at("TUN     ")]).toMatch(/^ {2}✗ TUN +operation not permitted \(EPERM from ioctl\(TUNSETIFF\)\)$/);
    expect(page[at("TUN     ") + 1]).toBe("    → as for CAP_NET_ADMIN");
    expect(page[at("Flags")]).toMatch(/^ {2}- Flags/);
    expect(page.slice(-3)).toEqual(["", "A TUN cannot be opened here: see the 3 lines with ✗ above.", ""]);
  });

  test("counts warnings at the end", () => {
    const last = (differences: Differences): string | undefined =>
      render(report(differences), plain).trimEnd().split("\n").at(-1);
    expect(last({ networkManagers: ["NetworkManager"] })).toBe("A TUN can be opened here. There is a warning above.");
    expect(last({ networkManagers: ["NetworkManager", "systemd-networkd"] })).toBe(
      "A TUN can be opened here. There are 2 warnings above.",
    );
    expect(last({ waker: { kind: null, failure: failure("EMFILE", -24, "eventfd", "close some") } })).toBe(
      "A TUN cannot be opened here: see the ✗ above.",
    );
    const made = { ...closed, attachable: ["vpn0"] };
    const wide = { ...plain, columns: 200 };
    expect(render(report(made), wide)).toEndWith("above. vpn0 can be attached to once the device opens.\n");
    const open = { ...made, node: {} };
    expect(render(report(open), wide)).toEndWith("above. vpn0 can be attached to all the same.\n");
  });

  test("uses colour where asked to, for marks and commands, and none elsewhere", () => {
    const coloured = render(report(closed), { ...plain, paint: painter(true) });
    expect(coloured).toContain("\x1b[1mThis machine\x1b[22m");
    expect(coloured).toContain("\x1b[31m✗\x1b[39m CAP_NET_ADMIN");
    expect(coloured).toContain("\x1b[32m✓\x1b[39m Bun");
    expect(coloured).toContain("become \x1b[36m`root`\x1b[39m");
    expect(Bun.stripANSI(coloured)).toBe(render(report(closed), plain));
    expect(render(report(closed), plain)).not.toContain("\x1b");
  });

  test.each([60, 80, 100])("stays within %d columns, except for commands that are longer", (columns) => {
    const made = report({
      ...closed,
      networkManagers: ["systemd-networkd"],
      features: Object.fromEntries(Array.from({ length: 30 }, (_, i) => [`IFF_NUMBER_${i}`, i % 2 === 0])),
    });
    const long = render(made, { ...plain, columns })
      .split("\n")
      .filter((line) => line.length > columns);
    expect(long.filter((line) => !/^ +(→ )?`[^`]+`,?$/.test(line))).toEqual([]);
  });
});

describe("wrap()", () => {
  test("keeps every word, in order, and commands whole", () => {
    const word = fc.oneof(fc.stringMatching(/^[a-z]{1,12}$/), fc.stringMatching(/^`[a-z]{1,8} [a-z]{1,8}`,?$/));
    fc.assert(
      fc.property(fc.array(word, { minLength: 1 }), fc.integer({ min: 1, max: 60 }), (words, width) => {
        const lines = wrap(words.join(" "), width);
        expect(lines.join(" ")).toBe(words.join(" "));
        for (const line of lines) expect(line.length <= width || words.includes(line)).toBe(true);
        for (const line of lines) expect(line.split("`").length % 2).toBe(1);
      }),
    );
  });
});
