/** Super-packets of a real kernel, and what it splits them to (golden/capture.ts); and what its receive side merges (golden/capture-groups.ts). */
import { describe, expect, test } from "bun:test";
import { parseVnetHeader } from "../../../src/packet/index.ts";
import type { Golden } from "./golden/golden.ts";
import groups from "./golden/groups.json";
import { type GoldenGroups, groupOf, scenarios } from "./golden/interleaved.ts";
import all from "./golden/super-packets.json";
import { HEADER, receive, send, split } from "./support/shim.ts";
import { faultOf } from "./support/soundness.ts";

const golden: readonly Golden[] = all;
const bytes = (hex: string): Uint8Array<ArrayBuffer> => Uint8Array.fromHex(hex);

describe.each([...golden])("$name (Linux $kernel)", ({ name, ethernet, ...texts }) => {
  const [header, frame] = [bytes(texts.header), bytes(texts.frame)];
  const packets = texts.packets.map(bytes);

  test("is split to the packets to which the kernel splits it", () => {
    expect(split(header, frame, ethernet)).toEqual(packets);
    expect(packets.map((packet) => faultOf(packet, ethernet))).toEqual(packets.map(() => undefined));
  });

  test("is what its packets are merged to", () => {
    const writes = send(packets, ethernet);
    expect(writes).toHaveLength(1);
    expect(writes[0]?.slice(HEADER)).toEqual(frame);
    // Bytes 2 and 3 are the length of the headers, which a bridge has made that of all that lies in one piece.
    const [ours, theirs] = [writes[0]?.slice(0, HEADER).toHex() ?? "", texts.header];
    if (name.includes("bridge")) expect(ours.slice(0, 4) + ours.slice(8)).toBe(theirs.slice(0, 4) + theirs.slice(8));
    else expect(ours).toBe(theirs);
  });

  test("has a header that parseVnetHeader() reads", () => {
    const view = parseVnetHeader(new Uint8Array([...header, ...frame]));
    expect(view).toMatchObject({ needsChecksum: true, ecn: false, gsoSize: 100 });
    expect(view.gsoType).toBe(name.startsWith("UDP") ? "udp" : name.includes("IPv4") ? "tcp4" : "tcp6");
    expect(view.checksumOffset).toBe(name.startsWith("UDP") ? 6 : 16);
    expect(view.packet).toEqual(frame);
  });
});

describe("packets of several flows are merged as the kernel's receive side merges them", () => {
  test.each([...(groups as GoldenGroups[])])("$name (Linux $kernel)", ({ name, groups }) => {
    const { frames = [] } = scenarios.find((scenario) => scenario.name === name) ?? {};
    const used = new Set<number>();
    const ours = send(frames, false).map((write) => groupOf(receive([write], false), frames, used));
    expect(ours.sort()).toEqual([...groups]);
  });

  test("there is one for each scenario", () => expect(groups).toHaveLength(scenarios.length));
});

test("there are all kinds", () => expect(golden.map(({ name }) => name).length).toBe(12));
