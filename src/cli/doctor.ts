import { probe } from "../probe/index.ts";
import { type Command, defineCommand, json } from "./command.ts";
import { render } from "./report.ts";

/** Prints the report of `probe()`. */
export const doctor: Command = defineCommand({
  operands: "",
  about:
    "Says what this machine, kernel and user can do with TUN and TAP interfaces, and what to do about what is missing. Ends with 0 if a TUN can be opened, else with 1.",
  options: { json },
  count: [0, 0],
  prepare: (values) => async (context) => {
    const { output } = context;
    const report = probe();
    if (values.json) output.json(report, "page");
    else output.line(render(report, output).replace(/\n$/, ""));
    return report.ok ? 0 : 1;
  },
});
