/**
 * tunnel.ts [--keep] NAME PEER PORT SECONDS_MAX
 *
 * What tunnel.c does, with openTun, openUdp and relay: examples/tunnel.ts without its options.
 */
import { parseArgs } from "node:util";
import { openTun, relay } from "../../src/index.ts";
import { openUdp } from "../../src/udp/index.ts";

const { values, positionals } = parseArgs({ options: { keep: { type: "boolean" } }, allowPositionals: true });
const [name = "", address = "", port = "", seconds = ""] = positionals;
const reuseBuffers = values.keep !== true;
const tun = openTun({ name, offload: true, reuseBuffers });
const room = { sendBuffer: 4 << 20, receiveBuffer: 4 << 20 };
const udp = openUdp({ port: Number(port), peer: { address, port: Number(port) }, ...room, reuseBuffers });
relay(tun, udp);
setTimeout(() => process.exit(0), Number(seconds) * 1000);
console.log("ready");
