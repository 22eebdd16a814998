/** ChaCha20-Poly1305 over batches, as the core asks for it; `../crypto` has what does it. */

/** A cipher that authenticates: ChaCha20-Poly1305 (RFC 8439), from whichever library. */
export interface Aead {
  /** Name for the log. */
  readonly name: string;
  /** Prepares a key of 32 bytes. */
  key(bytes: Uint8Array): AeadKey;
}

/** One key, for one direction. */
export interface AeadKey {
  /**
   * Seals `count` packets, from number `from` of `packets` on, as data messages that stand one behind the other in
   * `out`. Each packet is padded with zeros to a multiple of 16 bytes, but not beyond `mtu`.
   *
   * @param receiver The index in each message's header.
   * @param high The first message's counter, of which each further message has the next one: its high 32 bits.
   * @param low The low 32 bits.
   * @param lengths Gets the length of each message.
   */
  seal(
    packets: readonly Uint8Array[],
    from: number,
    count: number,
    mtu: number,
    receiver: number,
    high: number,
    low: number,
    out: Uint8Array,
    lengths: Int32Array,
  ): void;
  /**
   * Opens `count` data messages, from number `from` of `messages` on, in place: the packet then stands behind the
   * header, where its sealed form was. The caller has checked that each has 32 bytes or more.
   *
   * @param lengths Gets the length of each packet, padding included; -1 for a message that is not authentic.
   */
  open(messages: readonly Uint8Array[], from: number, count: number, lengths: Int32Array): void;
  /** Overwrites the key. It is of no more use. */
  wipe(): void;
}
