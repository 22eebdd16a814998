import { describe, expect, test } from "bun:test";
import * as packet from "../../src/packet/index.ts";
import { captured, dirty, surround } from "./support.ts";

const { ArpOperation, EtherType, IcmpType, IpProtocol } = packet;
const mac = "02:00:5e:00:53:02";

/** Answers ARP requests and echo requests, with new frames, as a first program on a TAP would. */
function answer(bytes: Uint8Array): Uint8Array | undefined {
  const frame = packet.parseEthernet(bytes);
  const reply = { destination: frame.source, source: mac, etherType: frame.etherType };
  if (frame.etherType === EtherType.ARP) {
    const { operation, targetIPv4, senderMac, senderIPv4 } = packet.parseArp(frame.payload);
    if (operation !== ArpOperation.REQUEST) return undefined;
    const addresses = { senderMac: mac, senderIPv4: targetIPv4, targetMac: senderMac, targetIPv4: senderIPv4 };
    return packet.buildEthernet({
      ...reply,
      payload: packet.buildArp({ operation: ArpOperation.REPLY, ...addresses }),
    });
  }
  if (frame.etherType !== EtherType.IPv4) return undefined;
  const { source, destination, protocol, payload } = packet.parseIPv4(frame.payload);
  if (protocol !== IpProtocol.ICMP) return undefined;
  const echo = packet.parseIcmpEcho(payload);
  if (echo.type !== IcmpType.ECHO_REQUEST || !echo.checksumIsValid) return undefined;
  const { identifier, sequenceNumber, payload: data } = echo;
  return packet.buildEthernet({
    ...reply,
    payload: packet.buildIPv4({
      source: destination,
      destination: source,
      protocol,
      identification: 0xdd93,
      payload: packet.buildIcmpEcho({ type: IcmpType.ECHO_REPLY, identifier, sequenceNumber, payload: data }),
    }),
  });
}

/** The same for an echo request, over the bytes of the request itself. */
function answerInPlace(bytes: Uint8Array): number {
  const frame = packet.parseEthernet(bytes);
  const request = packet.parseIPv4(frame.payload);
  const echo = packet.parseIcmpEcho(request.payload);
  const { protocol } = request;
  let length = packet.writeEthernet(bytes, {
    destination: frame.sourceBytes,
    source: frame.destinationBytes,
    etherType: frame.etherType,
  });
  length += packet.writeIPv4(bytes.subarray(length), {
    source: request.destinationBytes,
    destination: request.sourceBytes,
    protocol,
    identification: 0xdd93,
    payloadLength: request.payload.length,
  });
  const { identifier, sequenceNumber, payload } = echo;
  return (
    length +
    packet.writeIcmpEcho(bytes.subarray(length), { type: IcmpType.ECHO_REPLY, identifier, sequenceNumber, payload })
  );
}

function padded(bytes: Uint8Array): Uint8Array {
  const frame = dirty(60);
  frame.set(bytes);
  return frame;
}

describe("an ARP and echo responder", () => {
  test.each([
    { name: "ARP", request: captured.arpRequest, reply: captured.arpReply },
    { name: "echo", request: captured.echoRequest, reply: captured.echoReply },
  ])("answers $name as Linux does, byte for byte, with and without padding", ({ request, reply }) => {
    expect(answer(request)).toEqual(reply);
    expect(answer(padded(request))).toEqual(reply);
  });

  test("answers nothing to a reply", () => {
    expect(answer(captured.arpReply)).toBeUndefined();
    expect(answer(captured.echoReply)).toBeUndefined();
  });

  test("answers in place, and touches nothing around", () => {
    const bytes = surround(captured.echoRequest, 0xa5);
    const before = new Uint8Array(bytes.buffer.slice(0));
    expect(answerInPlace(bytes)).toBe(bytes.length);
    expect(bytes).toEqual(captured.echoReply);

    const after = new Uint8Array(bytes.buffer.slice(0));
    after.set(captured.echoRequest, bytes.byteOffset);
    expect(after).toEqual(before);
  });
});
