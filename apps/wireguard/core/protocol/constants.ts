/** Times and limits of the protocol, in milliseconds where they are times (the WireGuard paper, section 6). */

// Ages of a session, and of a handshake that is tried, by the names of the paper.
export const REKEY_AFTER_MS = 120_000;
export const REJECT_AFTER_MS = 180_000;
export const REKEY_ATTEMPT_MS = 90_000;
export const REKEY_TIMEOUT_MS = 5_000;
/** Retransmissions are delayed by up to this much at random, so that two hosts that start together do not collide for ever. */
export const JITTER_MS = 333;
/** Data received, and nothing sent for this long: a keep-alive follows. */
export const KEEPALIVE_TIMEOUT_MS = 10_000;
/** The initiator renews a session on receipt of data that late, so that the other side need not. */
export const REKEY_ON_RECEIPT_MS: number = REJECT_AFTER_MS - KEEPALIVE_TIMEOUT_MS - REKEY_TIMEOUT_MS;
/** Data sent, and nothing heard for this long: the session is given up for a new one. */
export const NEW_HANDSHAKE_MS: number = KEEPALIVE_TIMEOUT_MS + REKEY_TIMEOUT_MS;
/** Keys are wiped when no new session has come for this long. */
export const WIPE_AFTER_MS: number = 3 * REJECT_AFTER_MS;
/** Life of the secret that cookies are made with. */
export const COOKIE_SECRET_MS = 120_000;
/** A cookie is used a little shorter than its secret lives, for the time that it travels. */
export const COOKIE_USE_MS: number = COOKIE_SECRET_MS - 5_000;
/** Handshakes that are tried before the packets that wait for one are dropped. */
export const MAX_ATTEMPTS: number = REKEY_ATTEMPT_MS / REKEY_TIMEOUT_MS;
/** Packets that wait for a handshake, a peer; the oldest goes. */
export const MAX_STAGED = 128;
/** An initiation of a peer that follows its last one faster than this is not looked at: 50 a second. */
export const INITIATION_SPACING_MS = 20;
/** Handshakes a second and address that are answered under load, and how many at once. */
export const RATE_PER_SECOND = 20;
export const RATE_BURST = 5;

/** The high 32 bits of REKEY-AFTER-MESSAGES, 2^60. */
export const REKEY_AFTER_MESSAGES_HIGH: number = 2 ** 28;
/** REJECT-AFTER-MESSAGES, 2^64 - 2^13 - 1, in two halves. */
export const REJECT_AFTER_MESSAGES_HIGH = 0xffff_ffff;
export const REJECT_AFTER_MESSAGES_LOW: number = 0xffff_ffff - 2 ** 13;
