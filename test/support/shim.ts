import { source as offload } from "../../src/sys/offload-source.ts";
import { source as core, ground } from "../../src/sys/source.ts";
import { source as udp } from "../../src/sys/udp-source.ts";

/** The parts of the shim, each as it is compiled. */
export const parts: Readonly<Record<"core" | "offload" | "udp", string>> = { core, offload, udp };

/** The C of all parts of the shim in one source, for other compilers and for tests that replace the kernel. */
export const source: string = [core, offload.slice(ground.length), udp.slice(ground.length)].join("\n");
