// Named here, so that a project that type-checks these sources finds it: a package from a folder or from Git has no dist.
/// <reference path="./native-source.d.ts" />

import checksum from "../../native/checksum.c" with { type: "text" };
import checksumX86 from "../../native/checksum_x86.c" with { type: "text" };
import coalesce from "../../native/coalesce.c" with { type: "text" };
import flows from "../../native/flows.c" with { type: "text" };
import merge from "../../native/merge.c" with { type: "text" };
import mergeX86 from "../../native/merge_x86.c" with { type: "text" };
import exports from "../../native/offload_exports.c" with { type: "text" };
import parts from "../../native/parts.c" with { type: "text" };
import run from "../../native/run.c" with { type: "text" };
import split from "../../native/split.c" with { type: "text" };
import splitX86 from "../../native/split_x86.c" with { type: "text" };
import vnet from "../../native/vnet.c" with { type: "text" };
import writeRun from "../../native/write_run.c" with { type: "text" };
import type { Part } from "./source.ts";

/** The part that splits and merges super-packets. */
export const part: Part = {
  source: [
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
    exports,
  ].join("\n"),
  entry: "tuntap_offload",
};
