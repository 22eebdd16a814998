/**
 * What `bun-tuntap/packet` and `bun-tuntap/capture` make of recorded frames, as JSON. Plain JavaScript, and nothing
 * that only one runtime has: each runs these lines, and all have to come to the same.
 */

/** @param {{ packet: object, capture: object }} modules @param {string[]} frames in hexadecimal */
export function vectorsOf({ packet, capture }, frames) {
  const bytes = frames.map(fromHex);
  const file = capture.buildCapture(
    { name: "tap0", linkType: capture.LinkType.ETHERNET },
    bytes.map((frame, i) => ({ frame, timestampNs: 1_700_000_000_000_000_000n + BigInt(i), direction: "outbound" })),
  );
  return {
    lines: bytes.map((frame) => packet.describe(frame, "tap")),
    checksums: bytes.map((frame) => packet.verifyChecksums(frame, "tap")),
    parsed: bytes.map((frame) => parsed(packet, frame)),
    refused: bytes.map((frame) => [13, 20, 40].map((length) => refusal(packet, frame.subarray(0, length)))),
    file: toHex(file),
    read: [...capture.parseCapture(file)].map(({ frame, timestampNs, direction }) => [
      toHex(frame),
      `${timestampNs}`,
      direction,
    ]),
    mistakes: [
      thrown(() => packet.buildUdp({ source: "192.0.2.1", destination: "::1", sourcePort: 1, destinationPort: 2 })),
      thrown(() => packet.parseIPv4("text")),
      thrown(() => [...capture.parseCapture(new Uint8Array(12))]),
    ],
  };
}

/** Fields of each layer, and the same bytes made of them again. */
function parsed(packet, frame) {
  const ethernet = packet.parseEthernet(frame);
  const { source, destination, etherType, payload } = ethernet;
  const again = toHex(packet.buildEthernet({ source, destination, etherType, payload, vlanTags: ethernet.vlanTags }));
  const fields = { ethernet: JSON.parse(JSON.stringify(ethernet)), same: again === toHex(frame) };
  if (etherType === packet.EtherType.ARP)
    return { ...fields, arp: JSON.parse(JSON.stringify(packet.parseArp(payload))) };
  if (etherType === packet.EtherType.IPv4)
    return { ...fields, ip: JSON.parse(JSON.stringify(packet.parseIPv4(payload))) };
  return { ...fields, ip: JSON.parse(JSON.stringify(packet.parseIPv6(payload))) };
}

function refusal(packet, bytes) {
  return thrown(() => packet.parseIPv4(packet.parseEthernet(bytes).payload));
}

function thrown(call) {
  try {
    call();
    return null;
  } catch (error) {
    return `${error.name}: ${error.message}`;
  }
}

function fromHex(text) {
  return Uint8Array.from(text.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));
}

function toHex(bytes) {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
