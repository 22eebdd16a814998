/** Operator, account and user of a NATS server in operator mode, as `nsc` makes them: JWTs that one signs for the next. */
import { createAccount, createOperator, createUser, type KeyPair } from "@nats-io/nkeys";

/** Credentials of a user, and what the server is to know. */
export interface Creds {
  /** Content of the file that the user has. */
  readonly file: string;
  readonly operator: string;
  readonly account: string;
  readonly accountJwt: string;
}

/** Makes an operator, an account and a user of it. */
export function credsOf(name: string): Creds {
  const [operator, account, user] = [createOperator(), createAccount(), createUser()];
  const userJwt = sign(account, user, name, {
    type: "user",
    version: 2,
    pub: {},
    sub: {},
    subs: -1,
    data: -1,
    payload: -1,
  });
  const limits = { subs: -1, data: -1, payload: -1, imports: -1, exports: -1, wildcards: true, conn: -1, leaf: -1 };
  return {
    file: `-----BEGIN NATS USER JWT-----\n${userJwt}\n------END NATS USER JWT------\n\n-----BEGIN USER NKEY SEED-----\n${Buffer.from(user.getSeed())}\n------END USER NKEY SEED------\n`,
    operator: sign(operator, operator, name, { type: "operator", version: 2 }),
    account: account.getPublicKey(),
    accountJwt: sign(operator, account, name, { type: "account", version: 2, limits }),
  };
}

/** Lines for a server that knows the account. */
export function operatorConfig({ operator, account, accountJwt }: Creds): string {
  return `operator: ${operator}\nresolver: MEMORY\nresolver_preload: { ${account}: ${accountJwt} }`;
}

/** A JWT with the algorithm "ed25519-nkey" (github.com/nats-io/jwt). */
function sign(issuer: KeyPair, subject: KeyPair, name: string, nats: object): string {
  const encode = (value: object): string => Buffer.from(JSON.stringify(value)).toString("base64url");
  const claims = { jti: name, iat: 1_700_000_000, iss: issuer.getPublicKey(), name, sub: subject.getPublicKey(), nats };
  const text = `${encode({ typ: "JWT", alg: "ed25519-nkey" })}.${encode(claims)}`;
  return `${text}.${Buffer.from(issuer.sign(new TextEncoder().encode(text))).toString("base64url")}`;
}
