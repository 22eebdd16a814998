/** The message bus of the backbone: NATS, or a simulation of it. */

/** Takes a message. `answer` answers one that was asked. Must not throw. */
export type BusHandler = (message: Uint8Array, answer: (message: Uint8Array) => void) => void;

/** A bus by which hubs speak to each other: at most once, and in order from one sender to one receiver. */
export interface Bus {
  readonly isConnected: boolean;
  /** Largest message. */
  readonly payloadMax: number;
  /** Sends a message. It must not change before the current turn of the event loop is over. */
  publish(subject: string, message: Uint8Array): void;
  /** Calls `handler` for each message on a subject, but not for the own ones. Returns a function that ends it. */
  subscribe(subject: string, handler: BusHandler): () => void;
  /** Asks whoever listens at a subject. Resolves to undefined if nobody does, or nobody answers in time. */
  ask(subject: string, message: Uint8Array, timeoutMs: number): Promise<Uint8Array | undefined>;
  /** Resolves when the server has taken all that was published before; rejects if it cannot be known any more. */
  flush(): Promise<void>;
}
