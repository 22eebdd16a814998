import base from "../../native/base.c" with { type: "text" };
import merge from "../../native/merge.c" with { type: "text" };
import netns from "../../native/netns.c" with { type: "text" };
import offload from "../../native/offload.c" with { type: "text" };
import socket from "../../native/socket.c" with { type: "text" };
import table from "../../native/table.c" with { type: "text" };
import tun from "../../native/tun.c" with { type: "text" };
import vnet from "../../native/vnet.c" with { type: "text" };
import wait from "../../native/wait.c" with { type: "text" };

/** The C of the shim, as one source: each file uses what those before it define. */
export const source: string = [base, tun, offload, merge, vnet, socket, netns, wait, table].join("\n");
