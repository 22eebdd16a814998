/** Runs in Node and Deno, in a project that has the package installed: prints what the vectors come to, as JSON. */
import { readFileSync, writeFileSync } from "node:fs";
import * as library from "bun-tuntap";
import * as capture from "bun-tuntap/capture";
import * as packet from "bun-tuntap/packet";
import { openUdp } from "bun-tuntap/udp";
import { vectorsOf } from "./vectors.js";

const [framesPath, capturePath] = process.argv.slice(2);
const vectors = vectorsOf({ packet, capture }, JSON.parse(readFileSync(framesPath, "utf8")));

/** Opening needs Bun: each way says so, in the same words. */
const ways = {
  openTun: () => library.openTun(),
  openTap: () => library.openTap(),
  adopt: () => library.adopt(0),
  listDevices: () => library.listDevices(),
  deleteDevice: () => library.deleteDevice("tun0"),
  listRules: () => library.listRules(),
  probe: () => library.probe(),
  openUdp: () => openUdp(),
};
const refused = {};
for (const [name, way] of Object.entries(ways)) {
  try {
    await way();
    refused[name] = "opened";
  } catch (error) {
    refused[name] = { code: error.code, isTunTapError: error instanceof library.TunTapError, hint: error.hint };
  }
}

// Files, by path: what readCapture() reads is what buildCapture() made.
writeFileSync(capturePath, Buffer.from(vectors.file, "hex"));
let frames = 0;
for await (const _ of capture.readCapture(capturePath)) frames++;

console.log(JSON.stringify({ vectors, refused, frames }));
