/** A hub: the switch for its clients, by itself or in a LAN of several. */
import { listening } from "../support/listen.ts";
import { openSharedLeases } from "./addresses/open.ts";
import type { SharedLeases } from "./addresses/shared-leases.ts";
import { type Entered, type EnterOptions, enterBackbone } from "./backbone/enter.ts";
import { Isolation } from "./isolation.ts";
import { Members } from "./members.ts";
import { Close } from "./protocol.ts";
import { type ServeOptions, serve } from "./serve.ts";
import { StatusAnswers } from "./status-http.ts";
import { othersOf, sourceOf } from "./status-source.ts";

/** Options of {@link startHub}. */
export interface HubOptions extends ServeOptions {
  /** Undefined for a hub that is the whole LAN. */
  readonly backbone: EnterOptions | undefined;
  /** Ends the start of a hub that waits for its store. */
  readonly stop?: AbortSignal;
}

/** A hub at work. */
export interface Hub {
  readonly url: URL;
  /** Undefined for a hub that is the whole LAN. */
  readonly entered: Entered | undefined;
  stop(): Promise<void>;
}

const ELSEWHERE = "joined at another hub";

/**
 * Starts a hub; it runs until `stop()`.
 *
 * @param failed Called when it has to end by itself
 */
export async function startHub(options: HubOptions, failed: (why: string) => void): Promise<Hub> {
  const members = new Members(options);
  const { lan } = members;
  const entered = options.backbone && (await enterBackbone(options.backbone, { ...options, lan, failed }));
  await using parts = new AsyncDisposableStack();
  if (entered !== undefined) {
    parts.defer(() => entered.close());
    const book = await joinOthers(entered, members, options);
    if (book !== undefined) parts.defer(() => book.close());
  }
  const backbone = entered?.backbone;
  const answers = parts.use(new StatusAnswers(sourceOf(options, members, backbone), backbone && othersOf(backbone)));
  if (backbone !== undefined) backbone.status.answerTo = (query) => answers.answerHub(query);
  const server = listening(options, () => serve(options, members, answers));
  // First, so that the others hear of the clients that leave.
  parts.defer(() => server.stop(true));
  const all = parts.move();
  return { url: server.url, entered, stop: () => all.disposeAsync() };
}

/** Joins the clients of this hub to those of the others. Resolves to the address book that they share, if any. */
async function joinOthers(entered: Entered, members: Members, options: HubOptions): Promise<SharedLeases | undefined> {
  const { backbone, connection } = entered;
  const evict = (id: string, isSame: boolean): void =>
    members.evict(id, isSame ? Close.SUPERSEDED : Close.REPLACED, ELSEWHERE);
  members.changed = () => backbone.clientsChanged();
  members.backbone = backbone;
  members.joined = (presence) => backbone.roaming.joined(presence);
  backbone.roaming.residents = { find: (id) => members.find(id), all: () => members.all(), evict };
  const isolation = new Isolation(
    () => backbone.isIsolated,
    (isolated) => members.tellState({ isolated }),
  );
  connection.onEvent(() => isolation.changed());
  const { pool, leaseMs: keepMs, perHostMax: perOwnerMax, log, stop } = options;
  if (pool === undefined) return undefined;
  const moved = (id: string, run: string): void => evict(id, run === members.find(id)?.run);
  const lost = (id: string, address: string): void =>
    members.evict(id, Close.UNAVAILABLE, `${address} was given to another client while this hub was cut off`);
  const recovered = (): void => members.recall();
  const limits = { pool, keepMs, perOwnerMax };
  const book = await openSharedLeases(entered, { ...limits, log, moved, lost, recovered, stop });
  members.book = book;
  return book;
}
