// Named here, so that a project that type-checks these sources finds it: a package from a folder or from Git has no dist.
/// <reference path="./native-source.d.ts" />

import udp from "../../native/udp.c" with { type: "text" };
import exports from "../../native/udp_exports.c" with { type: "text" };
import udpMessage from "../../native/udp_message.c" with { type: "text" };
import udpPeers from "../../native/udp_peers.c" with { type: "text" };
import udpReceive from "../../native/udp_receive.c" with { type: "text" };
import udpSend from "../../native/udp_send.c" with { type: "text" };
import udpSocket from "../../native/udp_socket.c" with { type: "text" };
import type { Part } from "./source.ts";

/** The part that moves datagrams. */
export const part: Part = {
  source: [udp, udpPeers, udpMessage, udpSocket, udpSend, udpReceive, exports].join("\n"),
  entry: "tuntap_udp",
};
