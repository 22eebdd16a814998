/** A Worker that opens a socket, says so, and is terminated (life.test.ts). */
import { openUdp } from "../../src/udp/index.ts";

openUdp({ data() {} });
postMessage("open");
