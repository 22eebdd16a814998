#!/usr/bin/env bun
import { version } from "../package.json" with { type: "json" };
import { run } from "../src/probe/command.ts";
import { probe } from "../src/probe/index.ts";

const { stdout, stderr, exitCode } = run(process.argv.slice(2), {
  version,
  probe,
  environment: process.env,
  isTerminal: process.stdout.isTTY === true,
  columns: process.stdout.columns,
});
// Whoever reads no further, such as `head`, is no failure of this program.
process.stdout.on("error", () => {});
process.stdout.write(stdout);
process.stderr.write(stderr);
process.exitCode = exitCode;
