/** Handshakes and data recorded from Debian's wireguard-go, replayed byte for byte. */
import { expect, test } from "bun:test";
import { openLibcrypto } from "../../../apps/wireguard/core/crypto/libcrypto.ts";
import { openLibsodium } from "../../../apps/wireguard/core/crypto/libsodium.ts";
import type { Aead } from "../../../apps/wireguard/core/protocol/aead.ts";
import { KeyPair } from "../../../apps/wireguard/core/protocol/x25519.ts";
import { describe as describePacket } from "../../../src/packet/index.ts";
import { type Exchange, fixed, makeProtocol } from "./golden/exchange.ts";
import recorded from "./golden/handshakes.json";

const ciphers: Aead[] = [await openLibsodium()];
const libcrypto = openLibcrypto();
if (libcrypto !== undefined) ciphers.push(libcrypto);

const rows = (recorded as Exchange[]).flatMap((exchange) =>
  ciphers.map((aead) => ({ exchange, aead, cipher: aead.name })),
);

test.each(rows)("a core with $cipher says what it said, and delivers what it did", ({ exchange, aead }) => {
  let sent: string[] = [];
  let delivered: string[] = [];
  const protocol = makeProtocol(
    aead,
    (message) => sent.push(message.toHex()),
    (packet) => delivered.push(packet.toHex()),
    exchange.begins ? "192.0.2.2:51820" : undefined,
  );
  for (const step of exchange.steps) {
    [sent, delivered] = [[], []];
    if (step.received === "") protocol.peer(new KeyPair(fixed("theirs")).publicKey)?.startHandshake(step.now);
    else protocol.receive([Uint8Array.fromHex(step.received)], "192.0.2.2:51820", step.now);
    expect(sent).toEqual(step.sent);
    expect(delivered).toEqual(step.delivered);
  }
  const types = exchange.steps.flatMap((step) => [step.received, ...step.sent]).map((hex) => hex.slice(0, 2));
  expect(types.filter((type) => type !== "").slice(0, 2)).toEqual(["01", "02"]);
  const packets = exchange.steps
    .flatMap((step) => step.delivered)
    .map((hex) => describePacket(Uint8Array.fromHex(hex)));
  expect(packets.length).toBe(3);
  for (const text of packets) expect(text).toContain("198.51.100.2");
  expect(Object.values(protocol.dropped)).toEqual([0, 0, 0, 0, 0]);
});
