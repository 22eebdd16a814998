import { configure } from "../netns.ts";
import { Program } from "../processes.ts";
import { transfer, transferColumns } from "./iperf.ts";
import type { Kind, Sample, Setting } from "./kind.ts";
import { openWire } from "./udp.ts";
import { warmSecondsOf } from "./warm.ts";

/** Addresses inside the tunnel. */
const [A, B] = ["198.51.100.1", "198.51.100.2"];
const PORT = "4789";
const SECONDS_MAX = "120";
/** What fits a wire of 1,500 with the headers of IPv6 and UDP. */
const MTU = 1452;

/** iperf3 through two ends of a tunnel, a process and a namespace each, over veth. */
export const tunnelKind: Kind = { columns: transferColumns, needs: ["gcc", "iperf3"], measure };

async function measure({ contender, programs, seconds, network }: Setting): Promise<Sample> {
  const { a, b } = await openWire();
  const command = [...programs.tunnel[contender.program], ...contender.options, "tunnel0"];
  const ends = [
    new Program([...command, "192.0.2.2", PORT, SECONDS_MAX], { netns: a }),
    new Program([...command, "192.0.2.1", PORT, SECONDS_MAX], { netns: b }),
  ];
  await Promise.all(ends.map((end) => end.ready()));
  await configure(a, [`link set tunnel0 mtu ${MTU} up`, `address add ${A}/24 dev tunnel0`]);
  await configure(b, [`link set tunnel0 mtu ${MTU} up`, `address add ${B}/24 dev tunnel0`]);
  const { calls } = programs;
  const warmSeconds = warmSecondsOf({ seconds });
  return transfer({ a, b, address: B, seconds, network, warmSeconds, calls, pids: ends.map(({ pid }) => pid) });
}
