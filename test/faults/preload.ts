/** `bun --preload` of this: whatever C the library compiles in the process has injection.c around it. The library has no hook for it. */
import { readFileSync } from "node:fs";

Bun.plugin({
  name: "faults",
  setup(build) {
    build.onLoad({ filter: /\/src\/sys\/compile\.ts$/ }, ({ path }) => {
      const text = readFileSync(path, "utf8");
      const wrapped = text.replace("= sourceFile(source);", "= sourceFile(withInjection(source));");
      if (wrapped === text) throw new Error(`${path} makes no file of \`source\``);
      const injection = JSON.stringify(`${import.meta.dir}/injection.ts`);
      return { contents: `import { withInjection } from ${injection};\n${wrapped}`, loader: "ts" };
    });
  },
});
