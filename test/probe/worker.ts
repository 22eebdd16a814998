/** Posts the report of a JavaScript thread of its own. */
import { probe } from "../../src/probe/index.ts";

postMessage(probe());
