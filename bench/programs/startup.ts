/**
 * unshare -n bun startup.ts
 *
 * Prints how many milliseconds it took to import this library and to open the
 * first device, in a process that has done neither: {"import":…,"open":…}.
 */
const start = performance.now();
// Not a static import: those are done before the first line here runs.
const { openTun } = await import("../../src/index.ts");
const imported = performance.now();
const device = openTun({ name: "bench%d" });
const opened = performance.now();
device.close();

console.log(JSON.stringify({ import: imported - start, open: opened - imported }));

// A module, so that the await above may stand where it does.
export {};
