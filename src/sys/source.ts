// Named here, so that a project that type-checks these sources finds it: a package from a folder or from Git has no dist.
/// <reference path="./native-source.d.ts" />

import base from "../../native/base.c" with { type: "text" };
import checksum from "../../native/checksum.c" with { type: "text" };
import checksumX86 from "../../native/checksum_x86.c" with { type: "text" };
import closer from "../../native/closer.c" with { type: "text" };
import coalesce from "../../native/coalesce.c" with { type: "text" };
import table from "../../native/exports.c" with { type: "text" };
import flows from "../../native/flows.c" with { type: "text" };
import kernel from "../../native/kernel.c" with { type: "text" };
import merge from "../../native/merge.c" with { type: "text" };
import mergeX86 from "../../native/merge_x86.c" with { type: "text" };
import netns from "../../native/namespace.c" with { type: "text" };
import socket from "../../native/netlink_socket.c" with { type: "text" };
import parts from "../../native/parts.c" with { type: "text" };
import run from "../../native/run.c" with { type: "text" };
import split from "../../native/split.c" with { type: "text" };
import splitX86 from "../../native/split_x86.c" with { type: "text" };
import timer from "../../native/timer.c" with { type: "text" };
import tun from "../../native/tun.c" with { type: "text" };
import udp from "../../native/udp.c" with { type: "text" };
import udpMessage from "../../native/udp_message.c" with { type: "text" };
import udpPeers from "../../native/udp_peers.c" with { type: "text" };
import udpReceive from "../../native/udp_receive.c" with { type: "text" };
import udpSend from "../../native/udp_send.c" with { type: "text" };
import udpSocket from "../../native/udp_socket.c" with { type: "text" };
import vnet from "../../native/vnet.c" with { type: "text" };
import wait from "../../native/wait.c" with { type: "text" };
import writeRun from "../../native/write_run.c" with { type: "text" };

/** The C of the shim, as one source: each file uses what those before it define. */
export const source: string = [
  kernel,
  base,
  tun,
  checksumX86,
  checksum,
  parts,
  splitX86,
  split,
  vnet,
  mergeX86,
  run,
  merge,
  flows,
  writeRun,
  coalesce,
  socket,
  netns,
  udp,
  udpPeers,
  udpMessage,
  udpSocket,
  udpSend,
  udpReceive,
  wait,
  closer,
  timer,
  table,
].join("\n");
