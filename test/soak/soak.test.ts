/** The soak in short, and that it finds what it looks for. */
import { expect, test } from "bun:test";
import { describeWithTools } from "../support/privilege.ts";

const LIMIT_MS = 120_000;

async function soak(...options: string[]): Promise<{ code: number; text: string }> {
  const child = Bun.spawn([process.execPath, `${import.meta.dir}/soak.ts`, "--seconds", "40", ...options], {
    stdin: "ignore",
    stdout: "pipe",
    stderr: "ignore",
  });
  const text = await child.stdout.text();
  return { code: await child.exited, text };
}

describeWithTools("the soak", ["ip"], () => {
  test(
    "relays, with everything that happens meanwhile, and finds nothing wrong",
    async () => {
      const { code, text } = await soak("--frames", "60000", "--epoch", "20000");
      expect(text).toContain("Nothing was wrong.");
      expect(code).toBe(0);
    },
    LIMIT_MS,
  );

  test(
    "finds one frame of 5,000 that is lost, late, doubled or damaged",
    async () => {
      const plants = { loss: " lost", reorder: "reordered", duplicate: "duplicated", damage: "damaged" };
      const found = Object.entries(plants).map(async ([plant, word]) => {
        const { code, text } = await soak("--frames", "20000", "--calm", "--plant", plant);
        expect(text).toMatch(new RegExp(`Wrong: by relay\\(\\): \\d+ ?${word}`));
        expect(code).toBe(1);
      });
      await Promise.all(found);
    },
    LIMIT_MS,
  );
});
