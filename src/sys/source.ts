import base from "../../native/base.c" with { type: "text" };
import table from "../../native/exports.c" with { type: "text" };
import kernel from "../../native/kernel.c" with { type: "text" };
import merge from "../../native/merge.c" with { type: "text" };
import netns from "../../native/namespace.c" with { type: "text" };
import socket from "../../native/netlink_socket.c" with { type: "text" };
import offload from "../../native/split.c" with { type: "text" };
import tun from "../../native/tun.c" with { type: "text" };
import udp from "../../native/udp.c" with { type: "text" };
import udpReceive from "../../native/udp_receive.c" with { type: "text" };
import udpSend from "../../native/udp_send.c" with { type: "text" };
import udpSocket from "../../native/udp_socket.c" with { type: "text" };
import vnet from "../../native/vnet.c" with { type: "text" };
import wait from "../../native/wait.c" with { type: "text" };

/** The C of the shim, as one source: each file uses what those before it define. */
export const source: string = [
  kernel,
  base,
  tun,
  offload,
  merge,
  vnet,
  socket,
  netns,
  udp,
  udpSocket,
  udpSend,
  udpReceive,
  wait,
  table,
].join("\n");
