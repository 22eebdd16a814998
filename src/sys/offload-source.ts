// Named here, so that a project that type-checks these sources finds it: a package from a folder or from Git has no dist.
/// <reference path="./native-source.d.ts" />

import checksum from "../../native/checksum.c" with { type: "text" };
import checksumX86 from "../../native/checksum_x86.c" with { type: "text" };
import coalesce from "../../native/coalesce.c" with { type: "text" };
import flows from "../../native/flows.c" with { type: "text" };
import merge from "../../native/merge.c" with { type: "text" };
import exports from "../../native/offload_exports.c" with { type: "text" };
import parts from "../../native/parts.c" with { type: "text" };
import split from "../../native/split.c" with { type: "text" };
import vnet from "../../native/vnet.c" with { type: "text" };
import writeRun from "../../native/write_run.c" with { type: "text" };
import { ground } from "./source.ts";

/** The C that splits and merges super-packets. */
export const source: string = [
  ground,
  checksumX86,
  checksum,
  parts,
  split,
  vnet,
  merge,
  flows,
  writeRun,
  coalesce,
  exports,
].join("\n");
