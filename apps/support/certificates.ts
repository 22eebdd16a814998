/**
 * Certificates and keys that the command line names, PEM. They are looked at here, as what TLS itself says of a wrong one
 * names neither the option nor the file.
 */
import { createPrivateKey, X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";

/** A certificate, perhaps with those that lead to its authority, and its private key. */
export interface CertificateAndKey {
  readonly cert: string;
  readonly key: string;
}

/** Reads a file of certificates. @throws {RangeError} If it holds none, or the first one is broken */
export function readCertificates(option: string, file: string): string {
  const text = readFileSync(file, "utf8");
  firstOf(option, file, text);
  return text;
}

/**
 * Reads the certificate and the key of `--PREFIX-cert` and `--PREFIX-key`; undefined if neither is given.
 *
 * @throws {RangeError} If one is missing or broken, or the key is another certificate's
 */
export function readCertificateAndKey(
  prefix: string,
  certFile: string | undefined,
  keyFile: string | undefined,
): CertificateAndKey | undefined {
  const [certOption, keyOption] = [`${prefix}-cert`, `${prefix}-key`];
  if (certFile === undefined && keyFile === undefined) return undefined;
  if (certFile === undefined || keyFile === undefined)
    throw new RangeError(`--${certOption} and --${keyOption} go together`);
  const [cert, key] = [readFileSync(certFile, "utf8"), readFileSync(keyFile, "utf8")];
  if (!firstOf(certOption, certFile, cert).checkPrivateKey(keyOf(keyOption, keyFile, key)))
    throw new RangeError(`--${keyOption} ${keyFile} is not the key of the certificate in ${certFile}`);
  return { cert, key };
}

function firstOf(option: string, file: string, text: string): X509Certificate {
  try {
    return new X509Certificate(text);
  } catch (error) {
    throw new RangeError(`--${option} ${file} must hold a certificate, PEM`, { cause: error });
  }
}

/** Reads a key. No message quotes the file: it may be the secret. */
function keyOf(option: string, file: string, text: string): ReturnType<typeof createPrivateKey> {
  try {
    return createPrivateKey(text);
  } catch (error) {
    throw new RangeError(`--${option} ${file} must hold a private key, PEM, without a password`, { cause: error });
  }
}
