import { part as offload } from "../../src/sys/offload-source.ts";
import { core, ground } from "../../src/sys/source.ts";
import { part as udp } from "../../src/sys/udp-source.ts";

/** The parts of the shim, each as it is compiled by itself. */
export const parts: Readonly<Record<"core" | "offload" | "udp", string>> = {
  core: core.source,
  offload: [ground, offload.source].join("\n"),
  udp: [ground, udp.source].join("\n"),
};

/** The C of all parts of the shim in one source, for other compilers and for tests that replace the kernel. */
export const source: string = [core, offload, udp].map((part) => part.source).join("\n");
