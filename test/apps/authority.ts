/** A certificate authority for tests, made by openssl. */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { run } from "../support/system.ts";

/** A certificate with its key, as files and as text. */
export interface Issued {
  readonly certFile: string;
  readonly keyFile: string;
  readonly cert: string;
  readonly key: string;
}

/** Signs certificates that are good for two days. */
export class Authority {
  readonly certFile: string;
  readonly ca: string;
  readonly #folder: string;

  /** @param folder Where its files are; made if it is not there */
  constructor(folder: string) {
    mkdirSync(folder, { recursive: true });
    this.#folder = folder;
    this.certFile = `${folder}/ca.pem`;
    const files = ["-keyout", `${folder}/ca.key`, "-out", this.certFile];
    run("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=authority", ...files);
    this.ca = readFileSync(this.certFile, "utf8");
  }

  /** @param name Of the subject and of the files @param alternative "IP:127.0.0.1" or "DNS:nats" */
  issue(name: string, alternative: string): Issued {
    const at = `${this.#folder}/${name}`;
    writeFileSync(`${at}.ext`, `subjectAltName=${alternative}\n`);
    const request = ["-subj", `/CN=${name}`, "-keyout", `${at}.key`, "-out", `${at}.csr`];
    run("openssl", "req", "-newkey", "rsa:2048", "-nodes", ...request);
    const signer = ["-CA", this.certFile, "-CAkey", `${this.#folder}/ca.key`, "-CAcreateserial"];
    run(
      "openssl",
      "x509",
      "-req",
      "-in",
      `${at}.csr`,
      "-out",
      `${at}.pem`,
      "-days",
      "2",
      "-extfile",
      `${at}.ext`,
      ...signer,
    );
    const [certFile, keyFile] = [`${at}.pem`, `${at}.key`];
    return { certFile, keyFile, cert: readFileSync(certFile, "utf8"), key: readFileSync(keyFile, "utf8") };
  }
}
