/** The switch's options that name files, addresses and MACs: what is wrong is said before anything is done, and with the option's name. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { parseCommandLine } from "../../apps/switch/command-line.ts";
import { describeWithTools } from "../support/privilege.ts";
import { Authority, type Issued } from "./authority.ts";

describeWithTools("the command line of the switch", ["openssl"], () => {
  let folder: string;
  let [one, other]: Issued[] = [];

  beforeAll(() => {
    folder = mkdtempSync(`${tmpdir()}/bun-tuntap-command-line-`);
    const authority = new Authority(folder);
    [one, other] = [authority.issue("one", "DNS:one"), authority.issue("other", "DNS:other")];
    writeFileSync(`${folder}/garbage.pem`, "garbage\n");
    writeFileSync(`${folder}/token`, `${"a".repeat(16)}\n`);
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  /** Options in one text, in which names of files are below the folder. */
  const parse = (text: string) =>
    parseCommandLine(`${text} --token-file @token`.split(" ").map((word) => word.replace("@", `${folder}/`)));

  const lan = "serve --lan test --backbone tls://192.0.2.1:4222";
  test.each([
    ["serve --tls-cert @garbage.pem --tls-key @one.key", "--tls-cert /.*/garbage.pem must hold a certificate, PEM$"],
    ["serve --tls-cert @one.pem --tls-key @one.pem", "--tls-key /.*/one.pem must hold a private key, PEM"],
    ["serve --tls-cert @one.pem --tls-key @other.key", "--tls-key .* is not the key of the certificate in /.*/one.pem"],
    ["serve --tls-cert @one.pem", "--tls-cert and --tls-key go together"],
    ["serve --pool 198.51.100.0/33", "--pool must be an IPv4 network with a prefix of 16 to 30"],
    ["serve --pool 198.51.100.1/24", "--pool must be an IPv4 network"],
    [`${lan} --backbone-tls-ca @garbage.pem`, "--backbone-tls-ca /.*/garbage.pem must hold a certificate"],
    [`${lan} --backbone-tls-cert @one.pem --backbone-tls-key @other.key`, "--backbone-tls-key .* is not the key"],
    [`${lan} --backbone-tls-key @one.key`, "--backbone-tls-cert and --backbone-tls-key go together"],
    ["join wss://192.0.2.1:7000 --tls-ca @one.key", "--tls-ca /.*/one.key must hold a certificate, PEM"],
    ["join ws://192.0.2.1:7000 --mac zz", '--mac must be the address of one station, such as .* got "zz"'],
    ["join ws://192.0.2.1:7000 --mac 03:00:5e:00:53:01", "--mac must be the address of one station"],
    ["join ws://192.0.2.1:7000 --mac 00:00:00:00:00:00", "--mac must be the address of one station"],
    ["join ws://192.0.2.1:7000 --address 198.51.100.7", "--address must be an address with its prefix length"],
    ["join ws://192.0.2.1:7000 --address 198.51.100.300/24", "--address must be .* got .198.51.100.300/24"],
    ["join ws://192.0.2.1:7000 --address 198.51.100.7/33", "--address must be an address with its prefix length"],
  ])("%s: %s", (text, message) => {
    expect(() => parse(text)).toThrow(new RegExp(`^${message}`));
  });

  test("takes what is right, and quotes no key", () => {
    const own = "--backbone-tls-ca @ca.pem --backbone-tls-cert @one.pem --backbone-tls-key @one.key";
    const { options } = parse(`${lan} ${own} --tls-cert @other.pem --tls-key @other.key`);
    expect(options).toMatchObject({
      tls: { cert: other?.cert, key: other?.key },
      backbone: { tls: { cert: one?.cert, key: one?.key } },
    });
    const addresses = "--address 198.51.100.7/24 --address 2001:db8::7/64 --mac 02:00:5e:00:53:01";
    expect(parse(`join ws://192.0.2.1:7000 ${addresses}`).options).toMatchObject({
      addresses: ["198.51.100.7/24", "2001:db8::7/64"],
      mac: "02:00:5e:00:53:01",
    });
  });
});
