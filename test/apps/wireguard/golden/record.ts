/**
 * Records what wireguard-go says to the core, whose random bytes and keys are fixed, in two network namespaces:
 *
 *   sudo bun test/apps/wireguard/golden/record.ts >test/apps/wireguard/golden/handshakes.json
 */
import { openLibsodium } from "../../../../apps/wireguard/core/crypto/libsodium.ts";
import { keyText } from "../../../../apps/wireguard/core/keys.ts";
import { KeyPair } from "../../../../apps/wireguard/core/protocol/x25519.ts";
import { type Exchange, fixed, makeProtocol, OUR_INNER, THEIR_INNER } from "./exchange.ts";

if (process.argv[2] === "core") await runCore();
else console.log(JSON.stringify(await record(), null, 1));

/** The core behind a socket: what comes and goes is printed when its standard input ends. */
async function runCore(): Promise<void> {
  const begins = process.argv[3] === "begins";
  const exchange: Exchange = { begins, steps: [] };
  const socket = await Bun.udpSocket({
    hostname: "192.0.2.1",
    port: 51820,
    socket: {
      data: (_socket, bytes, port, address) => {
        const now = Date.now();
        exchange.steps.push({ now, received: new Uint8Array(bytes).toHex(), sent: [], delivered: [] });
        protocol.receive([new Uint8Array(bytes)], `${address}:${port}`, now);
      },
    },
  });
  const protocol = makeProtocol(
    await openLibsodium(),
    (message, endpoint) => {
      exchange.steps.at(-1)?.sent.push(message.toHex());
      const [address = "", port] = endpoint.split(":");
      socket.send(message, Number(port), address);
    },
    (packet) => exchange.steps.at(-1)?.delivered.push(packet.toHex()),
    begins ? "192.0.2.2:51820" : undefined,
  );
  if (begins) {
    const now = Date.now();
    exchange.steps.push({ now, received: "", sent: [], delivered: [] });
    protocol.peer(new KeyPair(fixed("theirs")).publicKey)?.startHandshake(now);
  }
  await Bun.stdin.text();
  console.log(JSON.stringify(exchange));
  process.exit();
}

async function record(): Promise<Exchange[]> {
  const exchanges: Exchange[] = [];
  const { Rig } = await import("../rig.ts");
  for (const begins of [false, true]) {
    using rig = await Rig.open(2);
    const [core, theirs] = [rig.host(1), rig.host(2)];
    const child = Bun.spawn(core.inside([process.execPath, import.meta.path, "core", ...(begins ? ["begins"] : [])]), {
      stdin: "pipe",
      stderr: "inherit",
    });
    await rig.serve(theirs, ["wireguard-go"], "wg2");
    const key = rig.file("key", keyText(fixed("theirs")));
    const psk = rig.file("psk", keyText(fixed("preshared")));
    const peer = keyText(new KeyPair(fixed("ours")).publicKey);
    theirs.run("ip", "addr", "add", `${THEIR_INNER}/24`, "dev", "wg2");
    theirs.run("ip", "link", "set", "wg2", "up");
    const endpoint = begins ? [] : ["endpoint", "192.0.2.1:51820"];
    theirs.run(
      "wg",
      "set",
      "wg2",
      "listen-port",
      "51820",
      "private-key",
      key,
      "peer",
      peer,
      "preshared-key",
      psk,
      "allowed-ips",
      `${OUR_INNER}/32`,
      ...endpoint,
    );
    await Bun.sleep(begins ? 6000 : 500);
    theirs.try("ping", "-c", "3", "-i", "0.2", "-W", "1", OUR_INNER);
    child.stdin.end();
    exchanges.push(JSON.parse(await child.stdout.text()));
  }
  return exchanges;
}
