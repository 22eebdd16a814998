#!/usr/bin/env bun
import { version } from "../package.json" with { type: "json" };
import { main } from "../src/cli/main.ts";

await main(version);
