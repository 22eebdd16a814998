import { describe, expect, test } from "bun:test";
import { buildEthernet, EtherType, PacketError, parseEthernet, writeEthernet } from "../../src/packet/index.ts";
import { captured, dirty, hex, readAll } from "./support.ts";

const destination = "02:00:5e:00:53:02";
const source = "02:00:5e:00:53:01";
const header = { destination, source, etherType: EtherType.IPv4 };
const tagged = hex("02005e005302 02005e005301 8100 b02a 0800 0102");
const stacked = hex("02005e005302 02005e005301 88a8 0064 8100 e02a 8100 0fff 0806 01");

describe("parseEthernet()", () => {
  test("reads a captured frame", () => {
    const frame = parseEthernet(captured.arpRequest);
    expect(readAll(frame, captured.arpRequest)).toEqual({
      destination: "ff:ff:ff:ff:ff:ff",
      destinationBytes: [255, 255, 255, 255, 255, 255],
      source,
      sourceBytes: [0x02, 0, 0x5e, 0, 0x53, 0x01],
      vlanTags: [],
      etherType: EtherType.ARP,
      headerLength: 14,
      payload: [...captured.arpRequest.subarray(14)],
    });
  });

  test("reads a VLAN tag", () => {
    const frame = parseEthernet(tagged);
    expect(frame.vlanTags).toEqual([{ tpid: EtherType.VLAN, pcp: 5, dei: true, vid: 42 }]);
    expect(frame.etherType).toBe(EtherType.IPv4);
    expect(frame.headerLength).toBe(18);
    expect([...frame.payload]).toEqual([1, 2]);
  });

  test("reads stacked VLAN tags, outermost first", () => {
    const frame = parseEthernet(stacked);
    expect(frame.vlanTags).toEqual([
      { tpid: EtherType.SERVICE_VLAN, pcp: 0, dei: false, vid: 100 },
      { tpid: EtherType.VLAN, pcp: 7, dei: false, vid: 42 },
      { tpid: EtherType.VLAN, pcp: 0, dei: false, vid: 4095 },
    ]);
    expect(frame.etherType).toBe(EtherType.ARP);
    expect([...frame.payload]).toEqual([1]);
  });

  test("takes a frame without a payload", () => {
    expect(parseEthernet(captured.arpRequest.subarray(0, 14)).payload).toHaveLength(0);
  });

  test("leaves a short frame's padding in the payload", () => {
    const padded = new Uint8Array(60);
    padded.set(captured.arpRequest);
    expect(parseEthernet(padded).payload).toHaveLength(46);
  });

  test("gives an IEEE 802.3 length as it is", () => {
    const frame = parseEthernet(hex("0180c2000000 02005e005301 0026 424203"));
    expect(frame.etherType).toBe(38);
    expect([...frame.payload]).toEqual([0x42, 0x42, 0x03]);
  });

  test("shows what the bytes are now", () => {
    const bytes = captured.arpRequest.slice();
    const frame = parseEthernet(bytes);
    bytes[11] = 0x03;
    expect(frame.source).toBe("02:00:5e:00:53:03");
  });

  test.each([
    { name: "nothing", bytes: new Uint8Array(0), found: 0, wanted: 14 },
    { name: "13 bytes", bytes: captured.arpRequest.subarray(0, 13), found: 13, wanted: 14 },
    { name: "an end within a tag", bytes: tagged.subarray(0, 14), found: 14, wanted: 18 },
    { name: "an end behind a tag", bytes: tagged.subarray(0, 17), found: 17, wanted: 18 },
    { name: "an end within the last of many tags", bytes: stacked.subarray(0, 25), found: 25, wanted: 26 },
  ])("refuses $name", ({ bytes, found, wanted }) => {
    const error = new PacketError("Ethernet", found, `${found} bytes`, `a header of at least ${wanted}`);
    expect(() => parseEthernet(bytes)).toThrow(error);
    expect(error).toMatchObject({ name: "PacketError", protocol: "Ethernet", offset: found });
    expect(error).toBeInstanceOf(RangeError);
  });

  test("refuses what is not a Uint8Array", () => {
    for (const bytes of [undefined, null, "bytes", [1, 2], new ArrayBuffer(64), new DataView(new ArrayBuffer(64))]) {
      expect(() => parseEthernet(bytes as never)).toThrow(TypeError);
    }
  });
});

describe("writeEthernet()", () => {
  test("writes every byte of the header and no other", () => {
    const target = dirty(16);
    expect(writeEthernet(target, header)).toBe(14);
    expect(target).toEqual(hex("02005e005302 02005e005301 0800 a5a5"));
  });

  test("writes stacked tags, with their defaults", () => {
    const target = dirty(24);
    const vlanTags = [{ tpid: EtherType.SERVICE_VLAN, pcp: 7, dei: true, vid: 0xabc }, { vid: 42 }];
    expect(writeEthernet(target, { ...header, vlanTags })).toBe(22);
    expect(target).toEqual(hex("02005e005302 02005e005301 88a8 fabc 8100 002a 0800 a5a5"));
  });

  test("takes addresses as bytes, and text in upper case", () => {
    const target = dirty(14);
    writeEthernet(target, { ...header, destination: hex("02005e0053ff"), source: "02:00:5E:00:53:AB" });
    expect(target).toEqual(hex("02005e0053ff 02005e0053ab 0800"));
  });

  test("swaps the addresses of the frame that it writes over", () => {
    const bytes = captured.echoRequest.slice();
    const { sourceBytes, destinationBytes, etherType } = parseEthernet(bytes);
    writeEthernet(bytes, { destination: sourceBytes, source: destinationBytes, etherType });
    expect(bytes.subarray(0, 14)).toEqual(captured.echoReply.subarray(0, 14));
  });

  const mac = 'wanted a MAC address such as "02:00:5e:00:53:01", or 6 bytes';
  test.each([
    { field: "source", value: undefined, type: TypeError, message: `"source" is undefined, ${mac}` },
    { field: "source", value: 5, type: TypeError, message: `"source" is 5, ${mac}` },
    { field: "source", value: {}, type: TypeError, message: `"source" is of type object, ${mac}` },
    { field: "source", value: "", type: RangeError, message: `"source" is "", ${mac}` },
    { field: "destination", value: new Uint8Array(7), type: RangeError, message: `"destination" is 7 bytes, ${mac}` },
    { field: "etherType", value: 0x1_0000, type: RangeError, message: '"etherType" is 65536, wanted an integer from' },
    { field: "etherType", value: "8", type: TypeError, message: '"etherType" is "8", wanted an integer from 0' },
    {
      field: "etherType",
      value: 0x8100,
      type: RangeError,
      message: "wanted the type of the payload, and VLAN tags in",
    },
    {
      field: "etherType",
      value: 0x88a8,
      type: RangeError,
      message: "wanted the type of the payload, and VLAN tags in",
    },
    { field: "vlanTags", value: { vid: 1 }, type: TypeError, message: '"vlanTags" is of type object, wanted an array' },
    { field: "vlanTags", value: [{}], type: TypeError, message: '"vlanTags.vid" is undefined, wanted an integer' },
    { field: "vlanTags", value: [{ vid: 4096 }], type: RangeError, message: '"vlanTags.vid" is 4096, wanted' },
    { field: "vlanTags", value: [{ vid: 1, pcp: 8 }], type: RangeError, message: '"vlanTags.pcp" is 8, wanted' },
    { field: "vlanTags", value: [{ vid: 1, dei: 1 }], type: TypeError, message: '"vlanTags.dei" is 1, wanted true' },
    { field: "vlanTags", value: [{ vid: 1, tpid: 0x9100 }], type: RangeError, message: '"vlanTags.tpid" is 37120' },
  ])("refuses bad fields and writes nothing: $message", ({ field, value, type, message }) => {
    const target = dirty(64);
    const write = () => writeEthernet(target, { ...header, [field]: value });
    expect(write).toThrow(type);
    expect(write).toThrow(message);
    expect(target).toEqual(dirty(64));
  });

  test("refuses a target that is too short, and writes nothing", () => {
    const target = dirty(17);
    expect(() => writeEthernet(target, { ...header, vlanTags: [{ vid: 1 }] })).toThrow(
      new RangeError('"target" is 17 bytes, wanted at least 18'),
    );
    expect(target).toEqual(dirty(17));
    expect(() => writeEthernet([] as never, header)).toThrow(TypeError);
  });
});

describe("buildEthernet()", () => {
  test("puts the payload behind the header", () => {
    const payload = captured.arpRequest.subarray(14);
    const fields = { destination: "ff:ff:ff:ff:ff:ff", source, etherType: EtherType.ARP, payload };
    expect(buildEthernet(fields)).toEqual(captured.arpRequest);
  });

  test("takes a parsed frame", () => {
    for (const bytes of [tagged, stacked, captured.echoRequest]) {
      expect(buildEthernet(parseEthernet(bytes))).toEqual(bytes);
    }
  });

  test("refuses a payload that is not bytes", () => {
    expect(() => buildEthernet({ ...header, payload: "text" as never })).toThrow(
      new TypeError('"payload" is "text", wanted a Uint8Array'),
    );
  });
});
