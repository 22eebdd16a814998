/** For `[test] preload` of bunfig.toml: isolates the thread of the tests, where that is allowed. */
import { isolate, labObstacle } from "./namespace.ts";

// Where it is not, tests that need labs skip by labObstacle(), and all others run as they are.
if (labObstacle() === undefined) isolate();
