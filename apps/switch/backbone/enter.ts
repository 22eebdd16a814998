/** Enters a LAN of several hubs: connects, joins the switch and the bus, and says what becomes of the connection. */
import { ProgramError } from "../../../src/cli/program.ts";
import { frameMaxOf, type LearningSwitch } from "../learning-switch.ts";
import { Backbone, REMOTE_MACS_MAX } from "./backbone.ts";
import { type BackboneConnection, type ConnectOptions, connectBackbone } from "./connection.ts";
import { LogLimit } from "./log-limit.ts";

/** Options of {@link enterBackbone}. */
export interface EnterOptions extends ConnectOptions {
  /** The most bytes that are on their way to the NATS server, or to another hub. */
  readonly queueMax: number;
}

/** Parts of the hub that its backbone needs. */
export interface Surroundings {
  readonly lan: LearningSwitch;
  readonly mtu: number;
  readonly log: (line: string) => void;
  /** Called when this hub has to leave the LAN. */
  readonly failed: (why: string) => void;
}

/** A hub's place in the LAN. */
export interface Entered {
  readonly backbone: Backbone;
  readonly connection: BackboneConnection;
  /** Leaves the LAN in order. */
  close(): Promise<void>;
}

/** Enters the LAN. @throws {ProgramError} If the backbone cannot be reached, or does not want this hub */
export async function enterBackbone(options: EnterOptions, hub: Surroundings): Promise<Entered> {
  const { lan, mtu, log, failed } = hub;
  const connection = await connectBackbone(options);
  const clock = (): number => performance.now();
  const named = { lan: options.lan, hub: options.hub };
  const backbone = new Backbone(connection.bus, lan, {
    ...named,
    queueMax: options.queueMax,
    macsMax: REMOTE_MACS_MAX,
    clock,
    log,
    failed,
  });
  const refusals: string[] = [];
  const end = connection.onEvent((event) => {
    if (event.type === "error") refusals.push(event.message);
  });
  try {
    await backbone.start(frameMaxOf(mtu));
    // Refusals of subjects have come by then, and been told one turn later.
    await connection.bus.flush();
    await new Promise(setImmediate);
    if (refusals.length > 0) throw new Error(refusals.join("; "));
  } catch (error) {
    const { server } = connection;
    backbone.close();
    await connection.close();
    if (error instanceof RangeError || error instanceof ProgramError) throw error;
    const advice = `a hub needs to publish and subscribe to bun-tuntap.${options.lan}.>`;
    throw new ProgramError(`The NATS server at ${server} says: ${(error as Error).message} (${advice})`);
  }
  end();
  const errors = new LogLimit(log, clock);
  let isLeaving = false;
  connection.onEvent((event) => {
    if (event.type === "reconnected") {
      log(`nats  connected again, to ${event.server}`);
      backbone.reconnected();
    } else if (event.type === "disconnected") log(`nats  connection to ${event.server} is lost; trying again`);
    else if (event.type === "error") errors.log(`nats  ${event.message}`);
    else if (!isLeaving) failed("The connection to NATS has ended for good, and the client library does not try again");
  });
  backbone.run();
  log(`nats  connected to ${connection.server}: hub ${options.hub} of the LAN ${options.lan}`);
  return {
    backbone,
    connection,
    async close() {
      isLeaving = true;
      backbone.close();
      await connection.close();
    },
  };
}
