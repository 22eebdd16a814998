/** `bun --preload` of this: each part of the shim of the process is compiled with injection.c around it. The library has no hook for it. */
import { readFileSync } from "node:fs";

Bun.plugin({
  name: "faults",
  setup(build) {
    build.onLoad({ filter: /\/src\/sys\/(\w+-)?source\.ts$/ }, ({ path }) => {
      const text = readFileSync(path, "utf8");
      const wrapped = text.replace("export const source", "const shim");
      if (wrapped === text) throw new Error(`${path} exports no \`source\``);
      const injection = `${import.meta.dir}/injection.ts`;
      const more = `import { withInjection } from ${JSON.stringify(injection)};\nexport const source = withInjection(shim);`;
      return { contents: `${wrapped}\n${more}\n`, loader: "ts" };
    });
  },
});
