/** A hub: the switch for its clients, by itself or in a LAN of several. */
import { type Entered, type EnterOptions, enterBackbone } from "./backbone/enter.ts";
import { Members } from "./members.ts";
import { type ServeOptions, serve } from "./serve.ts";
import { StatusAnswers } from "./status-http.ts";
import { othersOf, sourceOf } from "./status-source.ts";

/** Options of {@link startHub}. */
export interface HubOptions extends ServeOptions {
  /** Undefined for a hub that is the whole LAN. */
  readonly backbone: EnterOptions | undefined;
}

/** A hub at work. */
export interface Hub {
  readonly url: URL;
  /** Undefined for a hub that is the whole LAN. */
  readonly entered: Entered | undefined;
  stop(): Promise<void>;
}

/**
 * Starts a hub; it runs until `stop()`.
 *
 * @param failed Called when it has to end by itself
 */
export async function startHub(options: HubOptions, failed: (why: string) => void): Promise<Hub> {
  const members = new Members(options);
  const { lan } = members;
  const entered = options.backbone && (await enterBackbone(options.backbone, { ...options, lan, failed }));
  if (entered !== undefined) {
    members.changed = () => entered.backbone.clientsChanged();
    members.backbone = entered.backbone;
  }
  const backbone = entered?.backbone;
  const answers = new StatusAnswers(sourceOf(options, members, backbone), backbone && othersOf(backbone));
  if (backbone !== undefined) backbone.status.answerTo = (query) => answers.answerHub(query);
  try {
    const server = serve(options, members, answers);
    const stop = async (): Promise<void> => {
      answers[Symbol.dispose]();
      await entered?.close();
      await server.stop(true);
    };
    return { url: server.url, entered, stop };
  } catch (error) {
    answers[Symbol.dispose]();
    await entered?.close();
    throw error;
  }
}
