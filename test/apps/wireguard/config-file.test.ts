/** Configuration files: what is read, and how a mistake is told. */
import { describe, expect, test } from "bun:test";
import { parseConfig } from "../../../apps/wireguard/quick/config-file.ts";

const key = "yAnz5TF+lXXJte14tji3zlMNq+hd2rYUIgJBgB3fBmk=";
const peerKey = "xTIBA5rboUvnH4htodjb6e697QjLERt1NAB4mZqp8Dg=";

test("a file with everything in it", () => {
  const config = parseConfig(
    `# a comment
[Interface]
PrivateKey = ${key}   # trailing
ListenPort=51820
FwMark = 0xca6c
Address = 198.51.100.1/24, 2001:db8:2::1/64
Address = 203.0.113.1
DNS = 192.0.2.53, 2001:db8::53, example.net
MTU = 1400
Table = 1234
SaveConfig = true
PreUp = echo %i; true
PostUp = one
PostUp = two
[peer]
publickey = ${peerKey}
PresharedKey = ${key}
AllowedIPs = 0.0.0.0/0, ::/0
AllowedIPs =
Endpoint = [2001:db8::1]:51820
PersistentKeepalive = 25
`,
    "wg0.conf",
  );
  const { privateKey, peers, ...rest } = config;
  expect(privateKey?.toBase64()).toBe(key);
  expect(rest).toEqual({
    listenPort: 51_820,
    mark: 0xca6c,
    addresses: ["198.51.100.1/24", "2001:db8:2::1/64", "203.0.113.1"],
    nameServers: ["192.0.2.53", "2001:db8::53"],
    searchDomains: ["example.net"],
    mtu: 1400,
    table: 1234,
    saveConfig: true,
    hooks: { preUp: ["echo %i; true"], postUp: ["one", "two"], preDown: [], postDown: [] },
  });
  expect(peers).toMatchObject([{ endpoint: { host: "2001:db8::1", port: 51_820 }, keepAlive: 25 }]);
  expect(peers[0]?.allowedIps.map(({ length, address }) => [address.length, length])).toEqual([
    [4, 0],
    [16, 0],
  ]);
});

describe("a mistake is told with its line, its key, and what is wanted:", () => {
  test.each([
    [
      `[Interface]\nPrivateKey = short`,
      "f:2: PrivateKey must be 32 bytes in base64: 44 characters, as `wg genkey` prints them",
    ],
    [`[Interface]\nListenPort = 70000`, "f:2: ListenPort must be a whole number from 0 to 65535"],
    [
      `[Interface]\nAddress = 198.51.100.1/33`,
      "f:2: Address must be addresses such as 198.51.100.1/24, 2001:db8::1/64",
    ],
    [
      `[Interface]\n\nAdress = 198.51.100.1`,
      'f:3: there is no key "Adress" in this section: see wg(8) and wg-quick(8)',
    ],
    [`[Interface]\nMTU`, 'f:2: expected "Key = value" or a section such as [Peer]'],
    [`[Interface]\nMTU =`, "f:2: MTU has no value"],
    [`[Interface]\nTable = main`, "f:2: Table must be a whole number from 1 to 4294967295"],
    [`[Interface]\nSaveConfig = yes`, "f:2: SaveConfig must be true or false"],
    [`PrivateKey = ${key}`, `f:1: a file begins with [Interface], got`],
    [`[Interface]\n[Peer]\nAllowedIPs = ::/0`, "f:2: [Peer] has no PublicKey"],
    [`[Peer]\nEndpoint = example.net`, "f:2: Endpoint must be an address or name and a port"],
    [`[Peer]\nPersistentKeepalive = 70000`, "f:2: PersistentKeepalive must be a whole number from 0 to 65535"],
    [`[Peer]\nAllowedIPs = 198.51.100.0/24, nonsense`, "f:3: AllowedIPs must be prefixes".replace("3", "2")],
    [`[Interface]\n[Wrong]`, 'f:2: expected "Key = value" or a section such as [Peer]'],
  ])("%j", (text, message) => {
    expect(() => parseConfig(text, "f")).toThrow(message);
  });

  test("and no message has a key in it", () => {
    const almost = key.replace("=", "");
    for (const text of [`[Interface]\nPrivateKey = ${almost}`, `[Peer]\nPresharedKey = ${almost}`]) {
      expect(() => parseConfig(text, "f")).toThrow(expect.not.stringContaining(almost.slice(0, 8)) as never);
    }
  });
});
