/** NATS as the bus of the backbone. */
import type { Msg, NatsConnection } from "@nats-io/transport-node";
import type { Bus, BusHandler } from "./bus.ts";

/** Largest message of a server that does not say (NATS's own default). */
const PAYLOAD_MAX = 1024 * 1024;

/** Publishes and subscribes by a connection. */
export class NatsBus implements Bus {
  readonly #nats: NatsConnection;
  readonly #isConnected: () => boolean;

  constructor(nats: NatsConnection, isConnected: () => boolean) {
    this.#nats = nats;
    this.#isConnected = isConnected;
  }

  get isConnected(): boolean {
    return this.#isConnected();
  }

  get payloadMax(): number {
    return this.#nats.info?.max_payload ?? PAYLOAD_MAX;
  }

  publish(subject: string, message: Uint8Array): void {
    this.#nats.publish(subject, message);
  }

  subscribe(subject: string, handler: BusHandler): () => void {
    const callback = (error: Error | null, message: Msg): void => {
      // An exception would end the library's reader for good.
      try {
        if (error === null) handler(message.data, (answer) => void message.respond(answer));
      } catch (thrown) {
        reportError(thrown);
      }
    };
    const subscription = this.#nats.subscribe(subject, { callback });
    return () => subscription.unsubscribe();
  }

  async ask(subject: string, message: Uint8Array, timeoutMs: number): Promise<Uint8Array | undefined> {
    try {
      return (await this.#nats.request(subject, message, { timeout: timeoutMs })).data;
    } catch (error) {
      const { name, cause } = Object(error) as Partial<Error>;
      // Nobody listens, nobody answers, or the connection was lost meanwhile.
      if (name === "TimeoutError" || (name === "RequestError" && !isRefusal(cause))) return undefined;
      throw error;
    }
  }

  flush(): Promise<void> {
    return this.#nats.flush();
  }
}

function isRefusal(cause: unknown): boolean {
  return (cause as Partial<Error> | undefined)?.name === "PermissionViolationError";
}
