/** Credentials by which a hub proves to the NATS server who it is. Secrets are never arguments: `ps` shows those to everybody. */
import { readFileSync } from "node:fs";

/** Credentials, in one of the ways that NATS has. */
export type Credentials =
  | { readonly kind: "user"; readonly user: string; readonly password: string }
  /** Seed of an NKey, "SU…". */
  | { readonly kind: "nkey"; readonly seed: string }
  /** Content of a creds file: a JWT and a seed. */
  | { readonly kind: "creds"; readonly text: string };

/** Files with credentials, by the option that names them. */
export interface CredentialFiles {
  readonly user?: string | undefined;
  readonly nkey?: string | undefined;
  readonly creds?: string | undefined;
}

/** Variables of the environment that hold what the files hold. */
export const CREDENTIAL_VARIABLES = {
  user: "SWITCH_BACKBONE_USER",
  nkey: "SWITCH_BACKBONE_NKEY",
  creds: "SWITCH_BACKBONE_CREDS",
} as const;

const KINDS = ["user", "nkey", "creds"] as const;

/**
 * Reads the credentials of the files, else of the environment; undefined if there are none.
 *
 * @throws {RangeError} If there are several, or if they are not what they should be
 */
export function givenCredentials(
  files: CredentialFiles,
  env: Readonly<Record<string, string | undefined>> = process.env,
): Credentials | undefined {
  const named = KINDS.filter((kind) => files[kind] !== undefined);
  const given = named.length > 0 ? named : KINDS.filter((kind) => env[CREDENTIAL_VARIABLES[kind]] !== undefined);
  const [kind] = given;
  if (kind === undefined) return undefined;
  if (given.length > 1)
    throw new RangeError(`One kind of credentials for the backbone is enough, got ${given.join(" and ")}`);
  const file = files[kind];
  const text = file === undefined ? (env[CREDENTIAL_VARIABLES[kind]] as string) : readFileSync(file, "utf8");
  const credentials = parse(kind, text.trim());
  if (credentials !== undefined) return credentials;
  const wanted = { user: "user:password in one line", nkey: 'the seed of a user, "SU…"', creds: "a JWT and a seed" }[
    kind
  ];
  // Without what was given instead: it may be the secret.
  throw new RangeError(`${file ?? CREDENTIAL_VARIABLES[kind]} must hold ${wanted}`);
}

function parse(kind: Credentials["kind"], text: string): Credentials | undefined {
  if (kind === "user") {
    const [, user, password] = /^([^:\s]+):(\S+)$/.exec(text) ?? [];
    return user === undefined || password === undefined ? undefined : { kind, user, password };
  }
  if (kind === "nkey") return /^SU[A-Z2-7]{56}$/.test(text) ? { kind, seed: text } : undefined;
  return /BEGIN NATS USER JWT[\s\S]+BEGIN USER NKEY SEED/.test(text) ? { kind, text } : undefined;
}
