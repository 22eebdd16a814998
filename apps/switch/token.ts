/** The secret that clients must know. It is never an argument: `ps` shows those to everybody. */
import { createHash, randomBytes, timingSafeEqual } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";

/** Variable of the environment that may hold the token. */
export const TOKEN_VARIABLE = "SWITCH_TOKEN";

const LENGTH_MIN = 16;

/** Returns the token of the file, else of the environment; undefined if neither is given. */
export function givenToken(file: string | undefined): string | undefined {
  const token = file === undefined ? process.env[TOKEN_VARIABLE] : readFileSync(file, "utf8").trim();
  if (token === undefined) return undefined;
  // What a header can carry (RFC 6750 section 2.1).
  if (token.length >= LENGTH_MIN && /^[A-Za-z0-9._~+/-]+=*$/.test(token)) return token;
  throw new RangeError(
    `The token in ${file ?? TOKEN_VARIABLE} must have ${LENGTH_MIN} or more of the characters A-Z a-z 0-9 . _ ~ + / -`,
  );
}

/** Makes a token of 256 random bits. */
export function newToken(): string {
  return randomBytes(32).toString("base64url");
}

/** Returns the token in `file`. Makes the file with a new token, for its owner alone, if it does not exist. */
export function tokenOfFile(file: string): string {
  try {
    writeFileSync(file, `${newToken()}\n`, { flag: "wx", mode: 0o600 });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
  }
  return givenToken(file) as string;
}

/** Formats a token as the value of an Authorization header (RFC 6750 section 2.1). */
export function bearer(token: string): string {
  return `Bearer ${token}`;
}

/**
 * Returns a function that tells whether a request carries `token`, in a time that does not depend on where it differs.
 */
export function gatekeeper(token: string): (request: Request) => boolean {
  const digest = (text: string): Buffer => createHash("sha256").update(text).digest();
  const wanted = digest(token);
  return ({ headers }) => {
    const [, given = ""] = /^Bearer +(\S+)$/i.exec(headers.get("authorization") ?? "") ?? [];
    return timingSafeEqual(digest(given), wanted);
  };
}
