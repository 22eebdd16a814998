/** The key that both hosts share: 32 random bytes, base64, in a file that nobody else may read. */
import { randomBytes } from "node:crypto";
import { closeSync, fchmodSync, fstatSync, openSync, readFileSync } from "node:fs";
import { KEY_LENGTH } from "./wire.ts";

const OTHERS = 0o077;

export function makeKey(): string {
  return randomBytes(KEY_LENGTH).toString("base64");
}

/** Takes a file away from everybody else, where the shell has just made it: `keygen > vpn.key` leaves 0644 or so. */
export function restrict(fd: number): void {
  if (fstatSync(fd).isFile()) fchmodSync(fd, 0o600);
}

/** @throws {Error} that says what to do, if the file is no key or is not private. */
export function readKey(path: string): Buffer {
  const fd = openSync(path, "r");
  try {
    // Of the open file, so that it cannot be exchanged in between.
    const mode = fstatSync(fd).mode & 0o777;
    if ((mode & OTHERS) !== 0) {
      throw new Error(`${path} has mode 0${mode.toString(8)}, so that others can use the key: chmod 600 ${path}`);
    }
    return parseKey(readFileSync(fd, "latin1"), path);
  } finally {
    closeSync(fd);
  }
}

export function parseKey(text: string, path: string): Buffer {
  const key = text.trim();
  if (/^[A-Za-z0-9+/]{43}=$/.test(key)) return Buffer.from(key, "base64");
  throw new Error(`${path} holds no key of ${KEY_LENGTH} bytes in base64: make one with "vpn keygen > ${path}"`);
}
